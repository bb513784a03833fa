"""What a client on a real socket gets to see, on both loops."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.entrance import Entrance
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.sockets import bind
from sidecar.transport.stream import DownstreamStream
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import CHUNKED, LENGTH, UNTIL_CLOSE
from sidecar.wire.origin import Origin
from tests.transport.clients import GET, OK, POST, UPGRADE
from tests.transport.doubles import FakeAcceptor, HeardCalls, answer

pytestmark = pytest.mark.both_loops

BIG = b"x" * (8 << 20)


class Proxy:
    """A listener whose requests are answered by the test."""

    def __init__(self, address: Address, settings: DownstreamSettings, max_connections: int) -> None:
        loop = asyncio.get_running_loop()
        self.calls = HeardCalls()
        self.acceptor = FakeAcceptor(self.calls)
        self.counts = Connections()
        self.registry = Registry()
        self.wheel = DeadlineWheel(loop, time.monotonic)
        self.service = Service(
            settings,
            self.acceptor,
            lambda *_: Origin("127.0.0.1"),
            self.wheel,
            self.counts,
            self.registry,
        )
        self.sockets = bind(address)
        self.port = self.sockets[0].getsockname()[1] if address.path is None else 0
        self.path = address.path
        self.listener = Listener(
            "test",
            self.sockets,
            Entrance(self.service),
            self.registry,
            loop,
            max_connections,
        )

    @property
    def stream(self) -> DownstreamStream:
        return self.acceptor.streams[-1]

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self.path is not None:
            return await asyncio.open_unix_connection(self.path)
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def empty(self) -> None:
        """Waits until every connection is gone."""
        gone = asyncio.Event()
        self.registry.when_empty(gone.set)
        async with asyncio.timeout(10):
            await gone.wait()


@asynccontextmanager
async def serving(
    address: Address = Address("127.0.0.1", 0),  # noqa: B008 - a frozen value
    settings: DownstreamSettings | None = None,
    max_connections: int = 100,
) -> AsyncIterator[Proxy]:
    proxy = Proxy(address, settings or DownstreamSettings(), max_connections)
    await proxy.listener.start()
    try:
        yield proxy
    finally:
        proxy.listener.stop_accepting()
        proxy.listener.abort()
        await proxy.empty()
        proxy.wheel.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.readexactly(len(OK))


async def read_all(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(10):
        return await reader.read()


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except ConnectionError:
        return


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_requests_on_one_connection_are_answered_in_order() -> None:
    async with serving() as proxy:
        proxy.acceptor.on_request = answer
        reader, writer = await proxy.connect()
        writer.write(GET % 1 + POST + b"0123456789" + GET % 2)
        for _ in range(3):
            assert await read_answer(reader) == OK
        writer.write(GET % 3)
        assert await read_answer(reader) == OK
        assert [call[1] for call in proxy.calls] == [b"GET /1", b"POST /p", b"GET /2", b"GET /3"]
        await close(writer)
        await proxy.empty()
        assert (proxy.counts.active, proxy.counts.idle) == (0, 0)


async def test_a_unix_socket_serves_like_any_other(tmp_path: Path) -> None:
    async with serving(Address(path=str(tmp_path / "s"))) as proxy:
        proxy.acceptor.on_request = answer
        reader, writer = await proxy.connect()
        writer.write(GET % 1)
        assert await read_answer(reader) == OK
        await close(writer)


async def test_nagle_is_off() -> None:
    async with serving() as proxy:
        _, writer = await proxy.connect()
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        stream = proxy.stream
        assert isinstance(stream, DownstreamConnection)
        sock = stream._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
        await close(writer)


@pytest.mark.parametrize("leave", [reset, lambda writer: writer.write_eof(), lambda writer: writer.close()])
async def test_a_client_that_leaves_while_it_waits_is_noticed(leave: Callable[[asyncio.StreamWriter], None]) -> None:
    async with serving() as proxy:
        _, writer = await proxy.connect()
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        leave(writer)
        await proxy.calls.until("downstream_gone")
        await close(writer)


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    async with serving() as proxy:
        proxy.acceptor.on_request = lambda stream: answer(stream, b"no", 413, close=True)
        reader, writer = await proxy.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n")
        await proxy.calls.until("request")
        # Without the lingering, these bytes would meet a closed socket, and its RST would take the answer away.
        writer.write(b"x" * 50000)
        await writer.drain()
        assert (await read_all(reader)).endswith(b"no")
        await close(writer)


async def test_a_refused_client_reads_why() -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 5000)
        assert (await read_all(reader)).startswith(b"HTTP/1.1 400")
        await close(writer)


async def test_a_client_too_slow_with_its_head_reads_408() -> None:
    async with serving(settings=DownstreamSettings(header_timeout=0.05)) as proxy:
        reader, writer = await proxy.connect()
        writer.write(b"GET / HT")
        assert (await read_all(reader)).startswith(b"HTTP/1.1 408")
        assert ("refuse", Reason.HEADER_TIMEOUT) in proxy.calls
        await close(writer)


async def test_a_silent_client_is_closed_without_a_word() -> None:
    async with serving(settings=DownstreamSettings(header_timeout=0.05)) as proxy:
        reader, writer = await proxy.connect()
        assert await read_all(reader) == b""
        await close(writer)


@pytest.mark.parametrize("framing", [CHUNKED, UNTIL_CLOSE, LENGTH])
async def test_an_answer_that_was_reset_does_not_look_complete(framing: int) -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        proxy.stream.send_head(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", framing, False)
        proxy.stream.send_data(b"half")
        async with asyncio.timeout(10):
            await reader.readuntil(b"half")
        proxy.stream.reset()
        with pytest.raises(ConnectionResetError):
            await read_all(reader)
        await close(writer)


async def test_a_client_that_does_not_read_pauses_and_resumes_the_answer() -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        proxy.stream.send_head(b"H\r\n\r\n", UNTIL_CLOSE, True)
        proxy.stream.send_data(BIG)
        await proxy.calls.until("downstream_paused")
        proxy.stream.send_end()
        assert len(await read_all(reader)) == len(BIG) + 5
        await close(writer)


async def test_a_client_that_reads_again_is_told() -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        proxy.stream.send_head(b"H\r\n\r\n", CHUNKED, False)
        proxy.stream.send_data(BIG)
        await proxy.calls.until("downstream_paused")
        reading = asyncio.ensure_future(reader.readexactly(len(BIG)))
        await proxy.calls.until("downstream_resumed")
        assert len(await reading) == len(BIG)
        proxy.stream.send_end()
        await close(writer)


async def test_a_client_that_never_reads_is_cut() -> None:
    async with serving(settings=DownstreamSettings(idle_timeout=0.2)) as proxy:
        _, writer = await proxy.connect()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % 1)
        await proxy.calls.until("request_end")
        proxy.stream.send_head(b"H\r\n\r\n", CHUNKED, False)
        proxy.stream.send_data(BIG)
        await proxy.calls.until("downstream_gone")
        await proxy.empty()
        await close(writer)


async def test_a_paused_request_holds_the_client_back() -> None:
    async with serving() as proxy:
        _, writer = await proxy.connect()
        proxy.acceptor.on_request = lambda stream: stream.pause()
        writer.write(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(BIG))
        writer.write(BIG)
        await proxy.calls.until("request")
        proxy.acceptor.on_request = None
        assert len(proxy.calls.bytes_of("request_data")) < len(BIG) // 2
        proxy.stream.resume()
        await proxy.calls.until("request_end")
        assert len(proxy.calls.bytes_of("request_data")) == len(BIG)
        await close(writer)


async def test_a_tunnel_passes_a_clients_half_close_on_and_still_answers() -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(UPGRADE + b"early")
        await proxy.calls.until("request_end")
        proxy.stream.send_informational(b"HTTP/1.1 101 Y\r\n\r\n")
        proxy.stream.open_tunnel()
        await proxy.calls.until("request_data", b"early")
        proxy.calls.clear()
        writer.write_eof()
        await proxy.calls.until("request_end")
        proxy.stream.send_data(b"last words")
        proxy.stream.send_end()
        assert await read_all(reader) == b"HTTP/1.1 101 Y\r\n\r\nlast words"
        await proxy.empty()
        assert ("downstream_gone",) not in proxy.calls
        await close(writer)


async def test_a_tunnel_half_closes_towards_the_client_and_still_listens() -> None:
    async with serving() as proxy:
        reader, writer = await proxy.connect()
        writer.write(UPGRADE)
        await proxy.calls.until("request_end")
        proxy.stream.send_informational(b"HTTP/1.1 101 Y\r\n\r\n")
        proxy.stream.open_tunnel()
        proxy.stream.send_end()
        assert await read_all(reader) == b"HTTP/1.1 101 Y\r\n\r\n"
        writer.write(b"still here")
        await proxy.calls.until("request_data", b"still here")
        await close(writer)
        await proxy.empty()


async def test_drain_closes_idle_clients_and_finishes_busy_ones() -> None:
    async with serving() as proxy:
        idle_reader, idle_writer = await proxy.connect()
        busy_reader, busy_writer = await proxy.connect()
        idle_writer.write(GET % 1)
        await proxy.calls.until("request", b"GET /1")
        answer(proxy.stream)
        await read_answer(idle_reader)
        busy_writer.write(GET % 2)
        await proxy.calls.until("request", b"GET /2")
        proxy.listener.stop_accepting()
        proxy.listener.close_idle()
        assert await read_all(idle_reader) == b""
        answer(proxy.stream)
        assert await read_all(busy_reader) == OK
        await close(idle_writer)
        await close(busy_writer)
        await proxy.empty()


async def test_a_connection_above_the_limit_reads_503() -> None:
    async with serving(max_connections=1) as proxy:
        _, first = await proxy.connect()
        first.write(GET % 1)
        await proxy.calls.until("request_end")
        reader, second = await proxy.connect()
        second.write(GET % 2)
        assert (await read_all(reader)).startswith(b"HTTP/1.1 503")
        assert ("refuse", Reason.OVERLOADED) in proxy.calls
        await close(second)
        await close(first)
