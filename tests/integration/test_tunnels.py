"""Upgrades: after a 101 the connection is a tunnel of raw bytes, and WebSockets live on it."""

from __future__ import annotations

import asyncio

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests.doubles.backend import LIMIT_SECONDS, Backend, Call
from tests.doubles.running import running

UPGRADE = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"


async def echo(call: Call) -> None:
    await call.send(SWITCH)
    while data := await call.connection.some():
        await call.send(data)
    call.close()


async def test_raw_bytes_pass_both_ways_after_the_switch() -> None:
    async with Backend(echo) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(UPGRADE + b"\x00early")
        switch = await peer.head()
        assert (switch.status, switch.get("upgrade")) == (101, b"echo")
        assert await peer.exactly(6) == b"\x00early"
        await peer.send(b"GET / HTTP/1.1\r\n\r\n")
        assert await peer.exactly(18) == b"GET / HTTP/1.1\r\n\r\n"
        request = backend.requests[0]
        assert (request.get("connection"), request.get("upgrade")) == (b"Upgrade", b"echo")


async def test_half_closes_pass_through_a_tunnel() -> None:
    async def until_end(call: Call) -> None:
        await call.send(SWITCH)
        received = b""
        while data := await call.connection.some():
            received += data
        await call.send(b"got " + received)
        call.close()

    async with Backend(until_end) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(UPGRADE)
        await peer.head()
        await peer.send(b"everything")
        peer.half_close()
        assert await peer.rest() == b"got everything"


async def test_an_end_of_the_tunnel_on_one_side_ends_it_on_the_other() -> None:
    async with Backend(echo) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(UPGRADE)
        await peer.head()
        peer.reset()
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()


async def test_a_refused_upgrade_is_an_ordinary_answer() -> None:
    async with (
        Backend(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 2\r\n\r\nno") as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        answer = await peer.ask(UPGRADE)
        assert (answer.status, answer.body) == (426, b"no")
        assert (await peer.ask(UPGRADE)).status == 426
        assert len(backend.connections) == 1


async def test_an_upgrade_to_another_http_is_not_passed_on() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.get("/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
        assert answer.status == 200
        request = backend.requests[0]
        assert request.get("upgrade") is None
        assert request.get("http2-settings") is None


async def test_an_unasked_for_switch_is_a_bad_answer() -> None:
    async with Backend(SWITCH) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get()).status == 502


async def test_websockets_talk_through_it() -> None:
    async def shout(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message.upper())

    async with serve(shout, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with (
            running(f"http://127.0.0.1:{port}") as proxy,
            asyncio.timeout(LIMIT_SECONDS),
            connect(f"ws://127.0.0.1:{proxy.port}/chat", proxy=None) as websocket,
        ):
            for text in ("hello", "x" * 200_000):
                await websocket.send(text)
                assert await websocket.recv() == text.upper()
            pong = await websocket.ping()
            await pong
