"""Bodies and trailers pass whole, in every framing, and answers without a body stay without one."""

from __future__ import annotations

import pytest

from tests.doubles.backend import Backend, Call, GoneError
from tests.doubles.running import running

CHUNKED = b"Transfer-Encoding: chunked\r\n"


async def test_chunks_pass_towards_the_backend_with_their_trailers() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(
            b"POST /up HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"Trailer: X-Sum\r\n\r\n"
            b"5;ext=1\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Sum: 42\r\n\r\n"
        )
        assert (await peer.answer()).status == 200
        request = backend.requests[0]
        assert request.body == b"hello world"
        assert request.trailers == b"X-Sum: 42\r\n"
        assert request.get("transfer-encoding") == b"chunked"
        assert request.get("content-length") is None


async def test_chunks_pass_towards_the_client_with_their_trailers() -> None:
    async def chunks(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\n" + CHUNKED + b"\r\n")
        await call.send(b"3\r\nabc\r\n")
        await call.send(b"a\r\n0123456789\r\n0\r\nX-Sum: 7\r\n\r\n")

    async with Backend(chunks) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        for _ in range(2):
            answer = await peer.get("/", "TE: trailers")
            assert answer.body == b"abc0123456789"
            assert answer.trailers == b"X-Sum: 7\r\n"
        assert len(backend.connections) == 1


async def test_a_trailer_that_would_change_the_meaning_is_not_passed_on() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(
            b"POST / HTTP/1.1\r\nHost: a\r\n" + CHUNKED + b"\r\n1\r\nx\r\n0\r\n"
            b"Content-Length: 5\r\nAuthorization: me\r\nX-Kept: 1\r\n\r\n"
        )
        assert (await peer.answer()).status == 200
        assert backend.requests[0].trailers == b"X-Kept: 1\r\n"


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_003])
async def test_a_body_of_any_size_comes_back_as_it_was_sent(size: int) -> None:
    async def echo(call: Call) -> None:
        body = await call.body()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    async with Backend(echo) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)
        for start in range(0, size, 40_000):
            await peer.send(body[start : start + 40_000])
        assert (await peer.answer()).body == body
        assert backend.requests[0].get("content-length") == str(size).encode()


async def test_head_is_answered_without_a_body_and_with_its_length() -> None:
    answers = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    )
    async with Backend(*answers) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        first = await peer.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert first.get("content-length") == b"1234"
        second = await peer.ask(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (second.status, second.get("content-length")) == (200, None)
        assert (await peer.get()).body == b"ok"
        assert len(backend.connections) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",
    ],
)
async def test_an_answer_that_has_no_body_is_followed_by_the_next(head: bytes) -> None:
    async with (
        Backend(head, b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext") as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        first = await peer.get()
        assert first.status == int(head[9:12])
        assert (await peer.get()).body == b"next"
        assert len(backend.connections) == 1


async def test_an_answer_until_close_is_framed_anew_for_a_1_1_client() -> None:
    async def until_close(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n\r\nall ")
        await call.send(b"of it")
        call.close()

    async with Backend(until_close) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        for _ in range(2):
            answer = await peer.get()
            assert answer.body == b"all of it"
            assert answer.get("transfer-encoding") == b"chunked"


async def test_an_answer_of_unknown_length_ends_with_the_connection_for_a_1_0_client() -> None:
    async def chunks(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n3\r\nabc\r\n0\r\nX-Lost: 1\r\n\r\n")

    async with Backend(chunks) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
        assert (answer.body, answer.closes) == (b"abc", True)
        assert answer.get("transfer-encoding") is None


async def test_an_answer_cut_short_never_looks_complete() -> None:
    async def short(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        call.close()

    async def short_chunks(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\n" + CHUNKED + b"\r\n5\r\nwhole\r\n")
        call.close()

    async with Backend(short, short_chunks, short_chunks) as backend, running(backend.url) as proxy:
        for line in (b"GET / HTTP/1.1", b"GET / HTTP/1.1", b"GET / HTTP/1.0"):
            async with proxy.peer() as peer:
                with pytest.raises(GoneError):
                    await peer.ask(line + b"\r\nHost: a\r\n\r\n")
        assert len(backend.requests) == 3
