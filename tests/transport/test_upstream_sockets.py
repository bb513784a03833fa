"""Pools and connections against a scripted endpoint on real sockets, on both loops."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.transport.dialling import connector_to
from sidecar.transport.flow import FULL_READ
from sidecar.transport.pool import EndpointPool, PoolSnapshot
from sidecar.transport.settings import PoolSettings
from sidecar.transport.stream import UpstreamStream
from sidecar.transport.tasks import Tasks
from sidecar.transport.upstream import Home
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY
from tests.transport.doubles import HeardCalls, ResponseEar
from tests.transport.test_downstream_sockets import close, reset

pytestmark = pytest.mark.both_loops

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Endpoint:
    """A pool and what its receivers heard."""

    def __init__(self, address: Address) -> None:
        loop = asyncio.get_running_loop()
        self.calls = HeardCalls()
        self.tasks = Tasks(loop)
        self.wheel = DeadlineWheel(loop, time.monotonic)
        self.pool = EndpointPool(
            address,
            PoolSettings(),
            5.0,
            connector_to(loop, address),
            self.wheel,
            UpstreamObserver(),
            Connections(),
            self.tasks,
        )

    async def lease(self) -> tuple[ResponseEar, UpstreamStream]:
        ear = ResponseEar(self.calls)
        stream = self.pool.lease(ear, time.monotonic() + 10)
        if stream is not None:
            return ear, stream
        await self.calls.until("leased")
        return ear, ear.streams[0]

    async def ask(self, head: bytes = REQUEST) -> UpstreamStream:
        ear, stream = await self.lease()
        stream.start(ear, b"GET", head, NO_BODY, False)
        return stream

    async def close(self) -> None:
        self.pool.abort()
        await self.tasks.close()
        self.wheel.close()


@asynccontextmanager
async def endpoint(script: Script, path: str | None = None) -> AsyncIterator[Endpoint]:
    """An endpoint whose connections are each served by `script`."""
    ended: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        ended.append(task)
        try:
            await script(reader, writer)
        finally:
            await close(writer)

    if path is None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
    else:
        server = await asyncio.start_unix_server(serve, path)
        address = Address(path=path)
    made = Endpoint(address)
    try:
        yield made
    finally:
        await made.close()
        server.close()
        await asyncio.gather(*ended)


async def request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def serve_for_ever(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await request(reader)
            writer.write(OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        return


async def test_one_connection_serves_one_exchange_after_the_other() -> None:
    async with endpoint(serve_for_ever) as made:
        first = await made.ask()
        await made.calls.until("response_end")
        made.calls.clear()
        assert await made.ask() is first
        assert first.reused
        await made.calls.until("response_end")
        assert made.calls.bytes_of("response_data") == b"ok"


async def test_an_endpoint_on_a_unix_socket_is_reached(tmp_path: Path) -> None:
    async with endpoint(serve_for_ever, str(tmp_path / "e")) as made:
        await made.ask()
        await made.calls.until("response_end")


async def test_a_refused_connection_is_a_connect_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
        made = Endpoint(Address("127.0.0.1", taken.getsockname()[1]))
        ear = ResponseEar(made.calls)
        assert made.pool.lease(ear, time.monotonic() + 10) is None
        await made.calls.until("lease_failed", Cause.CONNECT_FAILURE)
        assert ear.detail.endswith("Connection refused")
        await made.close()


@pytest.mark.parametrize("end", [reset, lambda _: None])
async def test_a_reused_connection_that_dies_unanswered_is_stale(end: Callable[[asyncio.StreamWriter], None]) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await request(reader)
        end(writer)

    async with endpoint(script) as made:
        await made.ask()
        await made.calls.until("response_end")
        await made.ask()
        await made.calls.until("upstream_failed", Cause.STALE)
        assert made.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


async def test_an_idle_connection_that_the_endpoint_closes_leaves_the_pool() -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(OK)
        await go.wait()

    async with endpoint(script) as made:
        await made.ask()
        await made.calls.until("response_end")
        lost = asyncio.Event()
        discard = made.pool.lost
        connection = made.pool._idle[0]

        class Watched(Home):
            def lost(self, one: object, leased: bool) -> None:
                discard(connection, leased)
                lost.set()

        connection._home = Watched()
        go.set()
        async with asyncio.timeout(10):
            await lost.wait()
        assert made.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "end", "heard"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nall of it", "fin", ("response_end", b"")),
        (b"HTTP/1.1 200 OK\r\n\r\nhalf", "rst", ("upstream_failed", Cause.RESET)),
        (OK[:-1], "fin", ("upstream_failed", Cause.RESET)),
        (OK[:-1], "rst", ("upstream_failed", Cause.RESET)),
        (OK[:9], "fin", ("upstream_failed", Cause.RESET)),
        (b"", "fin", ("upstream_failed", Cause.RESET)),
    ],
)
async def test_only_a_whole_answer_ends(answer: bytes, end: str, heard: tuple[object, ...]) -> None:
    seen = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(answer)
        await writer.drain()
        if end == "rst":
            await seen.wait()  # an RST overtakes what was sent before it
            reset(writer)

    async with endpoint(script) as made:
        await made.ask()
        if end == "rst":
            await made.calls.until("response_data")
            seen.set()
        await made.calls.until(*heard)
        assert made.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


async def test_cancel_closes_the_connection_towards_the_endpoint() -> None:
    asked = asyncio.Event()
    left = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        asked.set()
        assert await reader.read() == b""
        left.set()

    async with endpoint(script) as made:
        stream = await made.ask()
        async with asyncio.timeout(10):
            await asked.wait()
            stream.cancel()
            await left.wait()


async def test_an_endpoint_that_does_not_read_pauses_the_request() -> None:
    go = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        await go.wait()
        while not (await reader.read(65536)).endswith(b"\r\n0\r\n\r\n"):
            pass
        writer.write(OK)

    async with endpoint(script) as made:
        ear, stream = await made.lease()
        stream.start(ear, b"POST", b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNKED, False)
        for _ in range(300):
            stream.send_data(b"x" * 30000)
        await made.calls.until("upstream_paused")
        go.set()
        await made.calls.until("upstream_resumed")
        stream.send_end()
        await made.calls.until("response_end")


async def test_a_tunnel_passes_half_closes_on() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 101 Y\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nearly")
        writer.write(b"<" + await reader.read() + b">")

    async with endpoint(script) as made:
        stream = await made.ask(UPGRADE)
        await made.calls.until("response_head", 101)
        stream.send_data(b"up")
        stream.send_end()
        await made.calls.until("response_end")
        assert made.calls.bytes_of("response_data") == b"early<up>"
        assert made.pool.snapshot() == PoolSnapshot(0, 0, 0, 0)


async def test_a_message_that_was_broken_off_is_not_completed_by_what_comes_after(tmp_path: Path) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def hears(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.set_result(await reader.read())
        writer.close()

    address = Address("", 0, str(tmp_path / "endpoint"))
    async with await asyncio.start_unix_server(hears, address.path):
        endpoint = Endpoint(address)
        ear, stream = await endpoint.lease()
        head = b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n"
        stream.start(ear, b"PUT", head, LENGTH, False, 5)
        stream.send_data(b"too long")
        stream.send_data(b"short")
        stream.send_end()
        await endpoint.calls.until("upstream_failed", Cause.RESET)
        async with asyncio.timeout(10):
            assert await heard == head
        await endpoint.tasks.close()


async def test_a_long_answer_is_read_once_in_a_turn() -> None:
    """Or a client that takes nothing has megabytes kept for it before anybody is told."""
    size = 8 << 20

    async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))
        await writer.drain()

    turns = [0]

    def received(data: bytes) -> None:
        if not turns[-1]:
            asyncio.get_running_loop().call_soon(turns.append, 0)
        turns[-1] += len(data)

    async with endpoint(pour) as made:
        ear, stream = await made.lease()
        ear.on["response_data"] = received
        stream.start(ear, b"GET", REQUEST, NO_BODY, False)
        await made.calls.until("response_end")
    assert sum(turns) == size
    assert max(turns) < 2 * FULL_READ
