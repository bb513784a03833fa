"""Bytes sent past the transport arrive once, whole and in order, whatever the socket takes at a time."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
from typing import Any, Self

import pytest

from sidecar.transport.direct import COMPILED, NO_DESCRIPTOR, descriptor, write_now
from sidecar.transport.sending import MessageWriter
from sidecar.wire.message import UNTIL_CLOSE
from tests.transport.doubles import FakeTransport


class _Ends:
    """One end of a socket pair under a loop's transport, the other read by hand."""

    def __init__(self) -> None:
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.far.setblocking(False)
        self.writer = MessageWriter()
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        ends = self

        class Near(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                ends.writer.attach(transport)  # type: ignore[arg-type]

            def connection_lost(self, exc: Exception | None) -> None:
                ends.writer.detach()
                ends.lost.set()

        self.transport, _ = await loop.create_connection(Near, sock=self.near)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.abort()
        async with asyncio.timeout(10):
            await self.lost.wait()
        self.far.close()

    async def read(self, size: int) -> bytes:
        got = b""
        async with asyncio.timeout(20):
            while len(got) < size:
                got += await asyncio.get_running_loop().sock_recv(self.far, 65536)
        return got


async def test_everything_arrives_in_order_through_a_socket_that_is_full_most_of_the_time() -> None:
    dice = random.Random(7)
    async with _Ends() as ends:
        ends.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        ends.writer.begin(b"", UNTIL_CLOSE, -1, False)
        sent = b""
        for number in range(300):
            piece = bytes([number % 251]) * dice.choice((1, 100, 3000, 20_000))
            assert ends.writer.data(piece)
            sent += piece
        assert ends.transport.get_write_buffer_size() > 0  # the transport holds what the socket did not take
        assert await ends.read(len(sent)) == sent
        ends.writer.put(b"after it has drained")
        assert await ends.read(20) == b"after it has drained"


async def test_what_is_sent_at_once_does_not_overtake_what_the_transport_holds() -> None:
    async with _Ends() as ends:
        ends.writer.begin(b"head", UNTIL_CLOSE, -1, False)
        large = b"x" * 400_000
        assert ends.writer.data(large)  # too large for one send
        ends.writer.put(b"small")
        assert await ends.read(len(large) + 9) == b"head" + large + b"small"


async def test_to_a_peer_that_is_gone_it_is_the_transport_that_finds_out() -> None:
    async with _Ends() as ends:
        ends.far.close()
        ends.writer.put(b"a")
        ends.writer.put(b"b")
        async with asyncio.timeout(10):
            await ends.lost.wait()


async def test_nothing_goes_to_a_descriptor_after_the_connection_is_lost() -> None:
    async with _Ends() as ends:
        ends.transport.abort()
        async with asyncio.timeout(10):
            await ends.lost.wait()
        written = FakeTransport()
        ends.writer.transport = written  # type: ignore[assignment]
        ends.writer.put(b"late")
        assert written.sent == b"late"


class _Encrypted(FakeTransport):
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ssl.create_default_context() if name == "sslcontext" else socket.socket()


@pytest.mark.parametrize("transport", [FakeTransport(), _Encrypted()])
def test_there_is_no_way_past_a_transport_without_a_socket_or_with_tls(transport: Any) -> None:
    assert descriptor(transport) == NO_DESCRIPTOR


async def test_compiled_a_plain_socket_is_written_to_directly() -> None:
    async with _Ends() as ends:
        expected = ends.near.fileno() if COMPILED else NO_DESCRIPTOR
        assert descriptor(ends.transport) == expected


async def test_a_view_goes_behind_what_the_transport_holds_and_is_the_senders_again_at_once() -> None:
    async with _Ends() as ends:
        ends.near.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        room = bytearray(b"a" * 300_000)
        ends.writer.put_view(memoryview(room))
        assert ends.transport.get_write_buffer_size() > 0
        room[:] = b"b" * len(room)
        ends.writer.put_view(memoryview(room))
        room[:] = b"c" * len(room)
        assert await ends.read(2 * len(room)) == b"a" * len(room) + b"b" * len(room)


async def test_no_view_goes_to_a_descriptor_after_the_connection_is_lost() -> None:
    async with _Ends() as ends:
        ends.transport.abort()
        async with asyncio.timeout(10):
            await ends.lost.wait()
        written = FakeTransport()
        ends.writer.transport = written  # type: ignore[assignment]
        ends.writer.put_view(memoryview(b"late"))
        assert written.sent == b"late"


async def test_a_write_that_the_kernel_refuses_has_taken_nothing() -> None:
    near, far = socket.socketpair()
    far.close()
    with near:
        near.setblocking(False)
        assert write_now(near.fileno(), b"x") == 0
