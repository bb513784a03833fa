"""Connections are kept on both sides, and answers come in the order of the requests."""

from __future__ import annotations

import asyncio

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.running import running


def numbered(count: int) -> bytes:
    body = f"answer {count}".encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def test_one_connection_on_each_side_carries_many_requests() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        for count in range(20):
            answer = await peer.get(f"/{count}")
            assert (answer.status, answer.body) == (200, b"ok")
            assert answer.get("connection") is None
        assert [request.target for request in backend.requests] == [f"/{count}".encode() for count in range(20)]
        assert len(backend.connections) == 1


async def test_pipelined_requests_are_answered_in_order() -> None:
    async with (
        Backend(*(numbered(count) for count in range(8))) as backend,
        running(backend.url) as proxy,
        proxy.peer() as peer,
    ):
        await peer.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % count for count in range(8)))
        assert [(await peer.answer()).body for _ in range(8)] == [b"answer %d" % count for count in range(8)]
        assert [request.target for request in backend.requests] == [b"/%d" % count for count in range(8)]


async def test_pipelined_bodies_do_not_run_into_each_other() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst"
            b"POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nsecond\r\n0\r\n\r\n"
            b"GET /c HTTP/1.1\r\nHost: a\r\n\r\n"
        )
        for _ in range(3):
            assert (await peer.answer()).status == 200
        assert [(request.target, request.body) for request in backend.requests] == [
            (b"/a", b"first"),
            (b"/b", b"second"),
            (b"/c", b""),
        ]


async def test_a_pipelined_request_waits_for_the_answer_before_it() -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await release.wait()
        await call.send(numbered(1))

    async with Backend(slow, numbered(2)) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n")
        await backend.wait_requests(1)
        # Another connection passes meanwhile: only the same connection waits.
        async with proxy.peer() as other:
            assert (await other.get("/3")).body == b"answer 2"
        assert [request.target for request in backend.requests] == [b"/1", b"/3"]
        release.set()
        assert (await peer.answer()).body == b"answer 1"
        assert (await peer.answer()).body == b"answer 2"


async def test_connection_close_is_honoured() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.get("/", "Connection: close")
        assert answer.get("connection") == b"close"
        assert await peer.rest() == b""
        assert backend.requests[0].get("connection") != b"close"


async def test_a_backend_that_closes_after_each_answer_does_not_close_the_client() -> None:
    async def closing(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        call.close()

    async with Backend(closing) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        for _ in range(3):
            answer = await peer.get()
            assert answer.status == 200
            assert answer.get("connection") is None
        assert len(backend.connections) == 3


async def test_an_http_1_0_client_is_closed_unless_it_asks_to_stay() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            answer = await peer.ask(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n")
            assert answer.body == b"ok"
            assert await peer.rest() == b""
        async with proxy.peer() as peer:
            for _ in range(2):
                answer = await peer.ask(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
                assert answer.get("connection") == b"keep-alive"


async def test_an_http_1_0_backend_is_understood() -> None:
    async def old(call: Call) -> None:
        await call.send(b"HTTP/1.0 200 Fine\r\nX-Old: yes\r\n\r\nuntil the end")
        call.close()

    async with Backend(old, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        answer = await peer.get()
        assert (answer.version, answer.status, answer.body) == (b"HTTP/1.1", 200, b"until the end")
        assert answer.get("transfer-encoding") == b"chunked"
        assert answer.get("x-old") == b"yes"
        assert (await peer.get()).body == b"ok"
        assert backend.requests[0].version == b"HTTP/1.1"


async def test_an_empty_line_before_a_request_is_skipped() -> None:
    async with Backend() as backend, running(backend.url) as proxy, proxy.peer() as peer:
        await peer.send(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.answer()).status == 200
        assert len(backend.requests) == 1
