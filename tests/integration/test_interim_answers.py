"""Interim answers, Expect, and a final answer that comes before the request is complete."""

from __future__ import annotations

import asyncio

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.running import running

HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"


async def test_interim_answers_are_relayed_at_once_and_in_order() -> None:
    seen = asyncio.Event()

    async def hinting(call: Call) -> None:
        await call.send(HINT)
        await seen.wait()
        await call.send(b"HTTP/1.1 102 Processing\r\n\r\n" + OK)

    async with Backend(hinting) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        hint = await peer.head()
        assert (hint.status, hint.get("link")) == (103, b"</style.css>; rel=preload")
        seen.set()
        assert (await peer.head()).status == 102
        assert (await peer.answer()).body == b"ok"


async def test_an_http_1_0_client_gets_no_interim_answer() -> None:
    async with Backend(HINT + OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
        assert (await peer.head()).status == 200


async def test_the_backend_answers_an_expectation_itself() -> None:
    async def continuing(call: Call) -> None:
        assert call.request.get("expect") == b"100-continue"
        await call.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await call.body() == b"hello"
        await call.send(OK)

    async with Backend(continuing) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert (await peer.head()).status == 100
        await peer.send(b"hello")
        assert (await peer.answer()).status == 200


async def test_an_expectation_can_be_refused_before_the_body_is_sent() -> None:
    async def refusing(call: Call) -> None:
        await call.send(b"HTTP/1.1 417 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        call.close()

    async with Backend(refusing) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        answer = await peer.answer()
        assert answer.status == 417
        # Whether the body will still come cannot be known, so the connection cannot carry another request.
        assert answer.get("connection") == b"close"
        peer.half_close()
        assert await peer.ended() == b""


async def test_an_early_answer_reaches_a_client_that_is_still_sending() -> None:
    async def early(call: Call) -> None:
        await call.send(b"HTTP/1.1 413 Too much\r\nContent-Length: 4\r\n\r\nstop")
        await call.wait_gone()
        call.close()

    async with Backend(early) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 100_000)
        answer = await peer.answer()
        assert (answer.status, answer.body) == (413, b"stop")
        assert answer.get("connection") == b"close"
        # What is sent into the closing connection must not turn the answer into a reset.
        await peer.send(b"x" * 100_000)
        peer.half_close()
        assert await peer.ended() == b""


async def test_an_early_answer_spoils_the_backend_connection_for_others() -> None:
    async def early(call: Call) -> None:
        await call.send(OK)
        await call.wait_gone()
        call.close()

    async with Backend(early, OK) as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart")
            assert (await peer.answer()).status == 200
        async with proxy.peer() as peer:
            assert (await peer.get()).status == 200
        assert len(backend.connections) == 2
        assert b"GET" not in backend.connections[0].received


async def test_a_half_sent_body_is_no_obstacle_to_reading_the_whole_early_answer() -> None:
    body = b"y" * 300_000

    async def early(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await call.wait_gone()
        call.close()

    async with Backend(early) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n")
        assert (await peer.answer()).body == body
