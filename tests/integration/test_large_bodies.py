"""A gibibyte each way through a real process: not a byte lost, and memory that does not notice.

Client and backend are blocking sockets on threads of this process, so that what is measured is the proxy and not them.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.doubles.process import ProxyProcess, process

GIB = 1 << 30
# Its length has no factor in common with the sizes that sockets and buffers have.
BLOCK = bytes(range(251)) * 4177
MAY_GROW_BYTES = 32 << 20
THREAD_SECONDS = 40.0


def pieces(size: int) -> Iterator[memoryview]:
    """`size` bytes of the repeated block."""
    view = memoryview(BLOCK)
    while size > 0:
        yield view[:size]
        size -= len(BLOCK)


@cache
def digest(size: int) -> str:
    """SHA-256 of `size` bytes of the repeated block."""
    summed = hashlib.sha256()
    for piece in pieces(size):
        summed.update(piece)
    return summed.hexdigest()


def drained(sock: socket.socket, size: int, summed: hashlib._Hash) -> None:
    """Reads `size` bytes into the sum."""
    buffer = memoryview(bytearray(1 << 20))
    while size > 0:
        count = sock.recv_into(buffer, min(size, len(buffer)))
        if not count:
            raise AssertionError(f"ended {size} bytes too early")
        summed.update(buffer[:count])
        size -= count


def head_of(sock: socket.socket) -> tuple[bytes, bytes]:
    """A head, and what came with it."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = sock.recv(65_536)
        if not data:
            raise AssertionError(f"ended in the head: {received!r}")
        received += data
    head, _, rest = received.partition(b"\r\n\r\n")
    return head, rest


def serve_one(listening: socket.socket, answer: Callable[[socket.socket, bytes, bytes], None]) -> None:
    """Serves requests of one connection after the other, until the listening socket is shut down."""
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(THREAD_SECONDS)
            try:
                while connection.recv(1, socket.MSG_PEEK):
                    head, rest = head_of(connection)
                    answer(connection, head, rest)
            except ConnectionError:
                pass


@contextmanager
def backend(answer: Callable[[socket.socket, bytes, bytes], None]) -> Iterator[str]:
    """A blocking backend on a thread; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve_one, args=(listening, answer))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(THREAD_SECONDS)
            assert not thread.is_alive()


def peak_bytes(proxy: ProxyProcess) -> int:
    """The most resident memory the proxy ever had."""
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


def client(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), THREAD_SECONDS)
    sock.settimeout(THREAD_SECONDS)
    return sock


def answered(sock: socket.socket, status: int = 200) -> bytes:
    """Reads a head and a body with a length."""
    head, rest = head_of(sock)
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    found = re.search(rb"(?i)content-length: (\d+)", head)
    assert found
    while len(rest) < int(found[1]):
        rest += sock.recv(65_536)
    return rest


def download(connection: socket.socket, head: bytes, rest: bytes) -> None:
    size = int(head.split(b" ")[1].strip(b"/"))
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    for piece in pieces(size):
        connection.sendall(piece)


def upload(connection: socket.socket, head: bytes, rest: bytes) -> None:
    found = re.search(rb"(?i)content-length: (\d+)", head)
    size = int(found[1]) if found else 0
    summed = hashlib.sha256(rest)
    drained(connection, size - len(rest), summed)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + summed.hexdigest().encode())


def fetch(sock: socket.socket, size: int) -> str:
    """Downloads `size` bytes; their sum."""
    sock.sendall(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % size)
    head, rest = head_of(sock)
    assert b"%d" % size in head
    summed = hashlib.sha256(rest)
    drained(sock, size - len(rest), summed)
    return summed.hexdigest()


def give(sock: socket.socket, size: int) -> str:
    """Uploads `size` bytes; the sum that the backend made of them."""
    sock.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
    for piece in pieces(size):
        sock.sendall(piece)
    return answered(sock).decode()


@pytest.mark.parametrize(("answer", "move"), [(download, fetch), (upload, give)], ids=["download", "upload"])
async def test_a_gibibyte_arrives_whole_and_memory_stays(
    answer: Callable[[socket.socket, bytes, bytes], None], move: Callable[[socket.socket, int], str]
) -> None:
    with backend(answer) as url:
        async with process(url) as proxy:
            with client(proxy.port) as sock:
                # The first pass fills what is filled once.
                assert await asyncio.to_thread(move, sock, 8 << 20) == digest(8 << 20)
                before = peak_bytes(proxy)
                assert await asyncio.to_thread(move, sock, GIB) == await asyncio.to_thread(digest, GIB)
            assert peak_bytes(proxy) - before < MAY_GROW_BYTES


async def test_a_slow_reader_costs_no_memory() -> None:
    sent = [0]

    def pour(connection: socket.socket, head: bytes, rest: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % GIB)
        for piece in pieces(GIB):
            connection.sendall(piece)
            sent[0] += len(piece)

    def sip(sock: socket.socket) -> int:
        """A mebibyte each second: the pace is what is tested, so the clock is what is waited for."""
        taken = 0
        for _ in range(3):
            due = time.monotonic() + 1
            drained(sock, 1 << 20, hashlib.sha256())
            taken += 1 << 20
            threading.Event().wait(max(0.0, due - time.monotonic()))
        return taken

    with backend(pour) as url:
        async with process(url) as proxy:
            with client(proxy.port) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                head_of(sock)
                before = proxy.memory_bytes()
                taken = await asyncio.to_thread(sip, sock)
                assert proxy.memory_bytes() - before < MAY_GROW_BYTES
                # The backend is held back: what it could send beyond what was read is what sockets hold.
                assert sent[0] - taken < 64 << 20
