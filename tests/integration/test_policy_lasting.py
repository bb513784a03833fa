"""Backends of answers that last, event streams and WebSockets: their breaker closes again after an outage."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from http import HTTPStatus

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import InvalidStatus
from websockets.http11 import Request, Response

from tests.doubles.backend import LIMIT_SECONDS, Backend, Call, GoneError
from tests.doubles.clock import Clock
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, rules_text, running

UNAVAILABLE = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
PROBES = 2
AFTER_IT_WAS_OPEN = 1.2
AFTER_AN_ATTEMPT = 5.1


def rules(url: str) -> str:
    """Two failures open the breaker, two successes close it; an attempt has five seconds."""
    return rules_text(
        url,
        upstream=f"circuit_breaker: {{consecutive_failures: 2, open_for: 1s, half_open_requests: {PROBES}}}",
        route="retry: null, timeout: {attempt: 5s, idle: null}",
    )


async def events(call: Call) -> None:
    """One event, and then silence for as long as somebody listens."""
    await call.send(EVENTS + b"9\r\ndata: 1\n\n\r\n")
    await call.wait_gone()
    call.close()


async def listening(stack: AsyncExitStack, proxy: RunningProxy) -> tuple[int, Peer]:
    """A client that asks for events, and the status it gets."""
    peer = await stack.enter_async_context(proxy.peer())
    await peer.send(ASK)
    return (await peer.head()).status, peer


async def test_a_backend_of_event_streams_is_let_through_again_after_an_outage() -> None:
    async with (
        Backend(UNAVAILABLE, UNAVAILABLE, events) as backend,
        running(rules=rules(backend.url), clock=Clock()) as proxy,
        AsyncExitStack() as stack,
    ):
        assert [(await proxy.ask()).status for _ in range(3)] == [503, 503, 503]
        assert len(backend.requests) == 2
        await proxy.pass_time(AFTER_IT_WAS_OPEN)
        assert [(await listening(stack, proxy))[0] for _ in range(PROBES + 1)] == [200, 200, 503]
        assert (await proxy.breaker())["state"] == "half_open"
        await proxy.pass_time(AFTER_AN_ATTEMPT)
        assert [(await listening(stack, proxy))[0] for _ in range(8)] == [200] * 8
        assert (await proxy.breaker())["state"] == "closed"


async def test_a_stream_that_breaks_off_while_the_breaker_is_in_doubt_opens_it() -> None:
    cut = asyncio.Event()

    async def one_that_breaks(call: Call) -> None:
        await call.send(EVENTS + b"9\r\ndata: 1\n\n\r\n")
        await cut.wait()
        call.reset()

    async with (
        Backend(UNAVAILABLE, UNAVAILABLE, one_that_breaks, events) as backend,
        running(rules=rules(backend.url), clock=Clock()) as proxy,
        AsyncExitStack() as stack,
    ):
        assert [(await proxy.ask()).status for _ in range(2)] == [503, 503]
        await proxy.pass_time(AFTER_IT_WAS_OPEN)
        status, first = await listening(stack, proxy)
        await proxy.pass_time(AFTER_AN_ATTEMPT)
        assert (status, (await proxy.breaker())["state"]) == (200, "half_open")  # one of two
        cut.set()
        with pytest.raises(GoneError):
            await first.rest()
        assert (await proxy.breaker())["state"] == "open"


async def test_a_backend_of_websockets_is_let_through_again_after_an_outage() -> None:
    asked = 0

    def out_at_first(connection: ServerConnection, request: Request) -> Response | None:
        nonlocal asked
        asked += 1
        return connection.respond(HTTPStatus.SERVICE_UNAVAILABLE, "no") if asked <= 2 else None

    async def echo(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async with (
        serve(echo, "127.0.0.1", 0, process_request=out_at_first) as server,
        running(rules=rules(f"http://127.0.0.1:{_port(server)}"), clock=Clock()) as proxy,
        AsyncExitStack() as stack,
        asyncio.timeout(LIMIT_SECONDS),
    ):

        async def talks() -> bool:
            websocket = await stack.enter_async_context(_connect(proxy))
            await websocket.send("hello")
            return await websocket.recv() == "hello"

        async def is_refused() -> bool:
            with pytest.raises(InvalidStatus) as caught:
                async with _connect(proxy):
                    pass
            return caught.value.response.status_code == 503

        assert [await is_refused() for _ in range(3)] == [True] * 3
        assert asked == 2
        await proxy.pass_time(AFTER_IT_WAS_OPEN)
        assert [await talks() for _ in range(PROBES)] == [True] * PROBES
        assert await is_refused()
        await proxy.pass_time(AFTER_AN_ATTEMPT)
        assert [await talks() for _ in range(8)] == [True] * 8
        assert (await proxy.breaker())["state"] == "closed"


def _connect(proxy: RunningProxy) -> connect:
    return connect(f"ws://127.0.0.1:{proxy.port}/", proxy=None)


def _port(server: Server) -> int:
    return int(next(iter(server.sockets)).getsockname()[1])
