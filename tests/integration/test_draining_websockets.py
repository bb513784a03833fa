"""WebSockets and a drain: they are told to close (1001), between two frames, and those that do were not cut."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from sidecar.wire.websocket import GOING_AWAY
from tests.doubles.backend import LIMIT_SECONDS, Backend, Call
from tests.doubles.process import process
from tests.doubles.running import running
from tests.integration.test_draining_phases import LONG, UPGRADE, draining

HELLO = b"\x81\x05hello"
CLOSE = b"\x88\x82\x00\x00\x00\x00\x03\xe9"  # masked, as a client sends it
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


class Chat:
    """A real WebSocket server that echoes; `codes` is what its clients closed with."""

    def __init__(self) -> None:
        self.codes: list[int | None] = []
        self.ended = asyncio.Event()
        self.url = ""

    async def __call__(self, websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)
        self.codes.append(websocket.close_code)
        self.ended.set()


@asynccontextmanager
async def chat() -> AsyncIterator[Chat]:
    room = Chat()
    async with serve(room, "127.0.0.1", 0) as server:
        room.url = f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield room


async def test_a_client_sees_1001_before_the_deadline_of_a_real_process() -> None:
    sets = ["drain.announce=0s", "drain.deadline=1s"]
    async with chat() as room, process(room.url, sets=sets) as proxy, asyncio.timeout(LIMIT_SECONDS):
        async with connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "hello"
            proxy.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
            assert websocket.close_code == 1001
        await proxy.ended()


async def test_a_second_signal_says_1001_too() -> None:
    sets = ["drain.announce=0s", "drain.deadline=600s"]
    async with chat() as room, process(room.url, sets=sets) as proxy, asyncio.timeout(LIMIT_SECONDS):
        async with connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as websocket:
            proxy.signal(signal.SIGTERM)
            await proxy.said("still busy: 1 websocket")
            await websocket.send("still")
            assert await websocket.recv() == "still"
            proxy.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
            assert websocket.close_code == 1001
        assert await proxy.ended() == 4


async def test_websockets_that_close_were_drained_and_their_server_heard_why() -> None:
    async with chat() as room, running(room.url, sets=LONG) as proxy, asyncio.timeout(LIMIT_SECONDS):
        async with (
            connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None) as websocket,
            draining(proxy) as ended,
        ):
            proxy.proxy.front.leave_websockets()
            with pytest.raises(ConnectionClosed):
                await websocket.recv()
            assert websocket.close_code == 1001
            assert await ended == 0
        await room.ended.wait()
        assert room.codes == [1001]


async def test_a_frame_under_way_is_passed_whole_and_nothing_after_the_close() -> None:
    go_on = asyncio.Event()
    heard = b""

    async def talking(call: Call) -> None:
        nonlocal heard
        await call.send(SWITCH + HELLO + HELLO[:4])
        await go_on.wait()
        await call.send(HELLO[4:] + HELLO)
        heard = await call.connection.exactly(len(CLOSE))
        await call.send(HELLO + GOING_AWAY)
        call.close()

    async with Backend(talking) as backend, running(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        await peer.send(UPGRADE % b"websocket")
        assert (await peer.head()).status == 101
        assert await peer.exactly(11) == HELLO + HELLO[:4]
        async with draining(proxy) as ended:
            proxy.proxy.front.leave_websockets()
            go_on.set()
            assert await peer.exactly(7) == HELLO[4:] + GOING_AWAY
            await peer.send(CLOSE)
            assert await peer.rest() == b""
            await peer.close()
            assert await ended == 0
        assert heard == CLOSE


async def test_a_client_that_answers_the_close_was_not_cut_whatever_its_server_does() -> None:
    heard = asyncio.Event()

    async def deaf(call: Call) -> None:
        await call.send(SWITCH)
        await call.connection.exactly(len(CLOSE))
        heard.set()
        await call.wait_gone()
        call.close()

    async with Backend(deaf) as backend, running(backend.url, sets=LONG) as proxy, proxy.peer() as peer:
        await peer.send(UPGRADE % b"websocket")
        assert (await peer.head()).status == 101
        async with draining(proxy) as ended:
            proxy.proxy.front.leave_websockets()
            assert await peer.exactly(4) == GOING_AWAY
            await peer.send(CLOSE)
            async with asyncio.timeout(LIMIT_SECONDS):
                await heard.wait()
            proxy.proxy.drain.hurry()
            assert await ended == 0
            assert await peer.rest() == b""
