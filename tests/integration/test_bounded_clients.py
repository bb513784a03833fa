"""Slow, oversized and endless clients are cut, each with the status that says why."""

from __future__ import annotations

import pytest

from tests.doubles.backend import Backend
from tests.doubles.running import rules_text, running

START = b"GET / HTTP/1.1\r\nHost: a\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("begun", [b"", b"GET", START, START + b"X-A: 1\r\nX-"])
async def test_a_head_that_does_not_come_is_cut_in_time(begun: bytes) -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="timeouts: {headers: 200ms}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            await peer.send(begun)
            if begun:
                answer = await peer.answer()
                assert (answer.status, answer.problem["reason"]) == (408, "header_timeout")
                assert answer.get("connection") == b"close"
            assert await peer.rest() == b""
        assert backend.requests == []


async def test_a_kept_connection_without_a_request_is_closed_silently() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="timeouts: {idle: 200ms}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 200
            assert await peer.rest() == b""


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]
)
async def test_a_body_that_does_not_come_is_cut_in_time(framing: bytes) -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="timeouts: {body: 200ms}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            answer = await peer.ask(POST + framing)
            assert (answer.status, answer.problem["reason"]) == (408, "body_timeout")
            assert answer.get("connection") == b"close"
            assert await peer.rest() == b""
            assert proxy.failures() == 0


async def test_a_declared_body_that_is_too_large_is_refused_at_once() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="max_body_bytes: 1KiB")
        async with running(rules=rules) as proxy:
            async with proxy.peer() as peer:
                answer = await peer.ask(POST + b"Content-Length: 1025\r\n\r\n")
                assert (answer.status, answer.problem["reason"]) == (413, "body_too_large")
            async with proxy.peer() as peer:
                assert (await peer.ask(POST + b"Content-Length: 1024\r\n\r\n" + b"x" * 1024)).status == 200
        assert [len(request.body) for request in backend.requests] == [1024]


async def test_a_chunked_body_that_grows_too_large_is_cut() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, listener="max_body_bytes: 1KiB")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            await peer.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
            for _ in range(5):
                await peer.send(b"100\r\n" + b"x" * 256 + b"\r\n")
            answer = await peer.answer()
            assert (answer.status, answer.problem["reason"]) == (413, "body_too_large")
            assert answer.get("connection") == b"close"
            assert proxy.failures() == 0


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "uri_too_long"),
        (b"GET /" + b"a" * 70_000, 414, "uri_too_long"),
        (START + b"X-Big: " + b"a" * 40_000 + b"\r\n\r\n", 431, "headers_too_large"),
        (START + b"X-A: 1\r\n" * 200 + b"\r\n", 431, "headers_too_large"),
        (START + b"".join(b"X-%d: %s\r\n" % (count, b"v" * 300) for count in range(120)), 431, "headers_too_large"),
    ],
)
async def test_a_head_that_is_too_large_is_refused(head: bytes, status: int, reason: str) -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.ask(head)
        assert (answer.status, answer.problem["reason"]) == (status, reason)
        assert answer.get("connection") == b"close"
        peer.half_close()
        await peer.ended()
        assert backend.requests == []


async def test_endless_chunk_extensions_and_trailers_are_cut() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        for body in (b"1;" + b"e" * 100_000, b"0\r\n" + b"X-T: 1\r\n" * 10_000):
            async with proxy.peer() as peer:
                answer = await peer.ask(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
                assert answer.status in (400, 431)
                assert answer.get("connection") == b"close"


async def test_one_connection_too_many_is_told_so() -> None:
    async with Backend() as backend, running(rules=rules_text(backend.url, listener="max_connections: 2")) as proxy:
        async with proxy.peer() as first, proxy.peer() as second:
            assert (await first.get()).status == 200
            assert (await second.get()).status == 200
            async with proxy.peer() as third:
                # Told before it asks: its request is not even read.
                answer = await third.answer()
                assert (answer.status, answer.problem["reason"]) == (503, "overloaded")
                assert await third.ended() == b""
        await proxy.quiet()
        async with proxy.peer() as again:
            assert (await again.get()).status == 200


async def test_a_client_that_never_reads_its_answer_is_cut() -> None:
    async with Backend(b"HTTP/1.1 200 OK\r\nContent-Length: 30000000\r\n\r\n" + b"x" * 30_000_000) as backend:
        rules = rules_text(backend.url, listener="timeouts: {idle: 200ms}", route="timeout: {idle: 200ms}")
        async with running(rules=rules) as proxy, proxy.peer(receive_buffer=65_536) as peer:
            peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await peer.send(START + b"\r\n")
            await backend.wait_requests(1)
            await proxy.quiet()
            assert backend.connections[0].gone.is_set() or backend.connections[0].requests
            assert proxy.failures() == 0


async def test_a_client_that_asks_ahead_without_reading_gets_every_answer_once_it_reads() -> None:
    # More than the kernel's buffers and the proxy's own take, so the proxy has to stop in between.
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    async with Backend(large) as backend, running(backend.url) as proxy, proxy.peer(receive_buffer=65_536) as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await peer.send((START + b"\r\n") * 300)
        await backend.wait_requests(20)
        await proxy.until(lambda: proxy.in_flight() == 0)
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        for _ in range(300):
            assert len((await peer.answer()).body) == 60_000
        assert proxy.requests() == {("GET", 200): 300}
        assert proxy.failures() == 0
