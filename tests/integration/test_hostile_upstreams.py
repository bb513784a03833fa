"""Answers that are no valid HTTP, or too much of it: 502 before the answer began, a cut connection after."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError
from tests.doubles.running import ONE_ATTEMPT, running

BAD_HEADS = {
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/2": b"HTTP/2 200 OK\r\n\r\n",
    "no status": b"HTTP/1.1 OK\r\n\r\n",
    "status too long": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status zero": b"HTTP/1.1 000 OK\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
    "no colon": b"HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X-A: " + b"a" * 200_000,
    "endless fields": b"HTTP/1.1 200 OK\r\n" + b"X-A: 1\r\n" * 5_000 + b"\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
async def test_a_bad_head_is_a_502(name: str) -> None:
    async def bad(call: Call) -> None:
        with contextlib.suppress(GoneError):
            await call.send(BAD_HEADS[name])
        await call.wait_gone()
        call.close()

    async with Backend(bad, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
        assert (answer.status, answer.problem["reason"]) == (502, "upstream_protocol_error")
        # Our own answer is complete, so the client's connection can stay; the other one cannot.
        assert (await peer.get()).status == 200
        assert len(backend.connections) == 2
        assert backend.connections[0].gone.is_set()


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\nabc\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n",
        b"1;" + b"e" * 100_000,
        b"0\r\nX T: 1\r\n\r\n",
    ],
    ids=["no hex", "negative", "too long", "bare LF", "past 2^64", "endless extension", "bad trailer"],
)
async def test_a_bad_chunk_cuts_the_answer(chunks: bytes) -> None:
    begun = asyncio.Event()

    async def bad(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n")
        await begun.wait()
        with contextlib.suppress(GoneError):
            await call.send(chunks)
        await call.wait_gone()
        call.close()

    async with Backend(bad, OK) as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = await peer.head()
            assert await peer.chunk(answer) == b"good"
            begun.set()
            with pytest.raises(GoneError):
                await peer.chunk(answer)
        async with proxy.peer() as peer:
            assert (await peer.get()).body == b"ok"
        assert backend.connections[0].gone.is_set()


async def test_a_bad_chunk_that_comes_with_the_head_is_a_502() -> None:
    bad = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbad!zz\r\n"
    async with Backend(bad, OK) as backend, running(backend.url, sets=ONE_ATTEMPT) as proxy:
        async with proxy.peer() as peer:
            try:
                answer = await peer.get()
            except GoneError:
                pass  # the head had already gone out
            else:
                assert (answer.status, answer.problem["reason"]) == (502, "upstream_protocol_error")
        async with proxy.peer() as peer:
            assert (await peer.get()).body == b"ok"


async def test_bytes_after_an_answer_spoil_the_connection_and_reach_nobody() -> None:
    extra = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen"
    async with Backend(OK + extra, OK) as backend, running(backend.url) as proxy:
        for _ in range(3):
            async with proxy.peer() as peer:
                assert (await peer.get()).body == b"ok"
        assert len(backend.connections) == 2


async def test_bytes_on_an_idle_connection_are_no_answer_to_the_next_request() -> None:
    async def talkative(call: Call) -> None:
        await call.send(OK)
        asyncio.get_running_loop().call_soon(call.connection.writer.write, OK.replace(b"ok", b"no"))

    async with Backend(talkative, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get()).body == b"ok"
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()
        assert (await peer.get()).body == b"ok"


async def test_an_endless_stream_of_interim_answers_is_cut() -> None:
    async def hinting(call: Call) -> None:
        with contextlib.suppress(GoneError):
            while True:
                await call.send(b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n")
                await asyncio.sleep(0)
        call.close()

    async with Backend(hinting) as backend, running(backend.url, sets=["defaults.timeout.request=300ms"]) as proxy:
        async with proxy.peer() as peer:
            answer = await peer.get()
            assert answer.status in (502, 504)
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()


async def test_a_length_too_short_never_leaks_into_the_next_answer() -> None:
    async with (
        Backend(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n", OK) as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        assert (await peer.get()).body == b"ok"
        second = await peer.get()
        assert (second.status, second.body) == (200, b"ok")
        assert len(backend.connections) == 2
