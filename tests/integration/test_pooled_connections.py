"""Connections to an endpoint are kept, bounded and replaced; a stale one costs no request that may be repeated."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.running import ONE_ATTEMPT, rules_text, running
from tests.doubles.steps import stall

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def die_when_used(call: Call) -> None:
    """Takes the request on a kept connection and closes without a byte, as a backend whose keep-alive ran out does."""
    call.reset()


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_a_stale_connection_is_replaced_for_what_may_be_repeated(method: str) -> None:
    async with Backend(OK, die_when_used, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get()).status == 200
        body = b"Content-Length: 4\r\n\r\nbody" if method == "PUT" else b"\r\n"
        answer = await peer.ask(method.encode() + b" /again HTTP/1.1\r\nHost: a\r\n" + body)
        assert answer.status == 200
        assert [request.target for request in backend.requests] == [b"/", b"/again", b"/again"]
        assert [len(connection.requests) for connection in backend.connections] == [2, 1]
        assert backend.requests[2].get("x-sidecar-attempt") == b"2"
        assert backend.requests[1].body == b""
        assert backend.requests[2].body == (b"body" if method == "PUT" else b"")


async def test_a_post_is_never_sent_twice() -> None:
    async with Backend(OK, die_when_used, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get()).status == 200
        answer = await peer.ask(b"POST /once HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx")
        assert (answer.status, answer.problem["reason"]) == (502, "reset")
        assert [request.target for request in backend.requests] == [b"/", b"/once"]


async def test_a_post_with_an_idempotency_key_is_repeated() -> None:
    async with Backend(OK, die_when_used, OK) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        assert (await peer.get()).status == 200
        answer = await peer.ask(b"POST /key HTTP/1.1\r\nHost: a\r\nIdempotency-Key: 1\r\nContent-Length: 1\r\n\r\nx")
        assert answer.status == 200
        assert backend.requests[2].body == b"x"


async def test_a_stale_connection_is_replaced_once_only() -> None:
    async with (
        Backend(OK, die_when_used) as backend,
        running(backend.url, sets=ONE_ATTEMPT) as proxy,
        proxy.peer() as peer,
    ):
        assert (await peer.get()).status == 200
        answer = await peer.get()
        assert (answer.status, answer.problem["reason"]) == (502, "reset")
        assert len(backend.requests) == 3


async def test_a_connection_that_the_backend_closed_while_idle_is_not_used() -> None:
    async def say_and_close(call: Call) -> None:
        await call.send(OK)
        call.close()

    async with Backend(say_and_close) as backend, running(backend.url) as proxy, proxy.peer() as peer:
        for _ in range(3):
            assert (await peer.get()).status == 200
            await proxy.until(lambda: proxy.pooled() == 0)
        assert len(backend.requests) == 3
        assert [len(connection.requests) for connection in backend.connections] == [1, 1, 1]


async def test_no_more_connections_than_allowed_and_first_come_first_served() -> None:
    release = asyncio.Event()
    most = [0, 0]

    async def slow(call: Call) -> None:
        most[0] += 1
        most[1] = max(most)
        await release.wait()
        most[0] -= 1
        await call.send(OK)

    rules = rules_text("http://127.0.0.1:{port}", upstream="pool: {max_connections: 3}")
    async with Backend(slow) as backend, running(rules=rules.replace("{port}", str(backend.port))) as proxy:

        async def one(count: int) -> int:
            async with proxy.peer() as peer:
                return (await peer.get(f"/{count}")).status

        asking = []
        for count in range(8):
            asking.append(asyncio.get_running_loop().create_task(one(count)))
            await proxy.until(lambda: len(backend.requests) + proxy.waiting() == len(asking))
        assert (len(backend.requests), proxy.waiting()) == (3, 5)
        release.set()
        async with asyncio.timeout(LIMIT_SECONDS):
            assert await asyncio.gather(*asking) == [200] * 8
        assert most[1] == 3
        assert len(backend.connections) == 3
        assert [request.target for request in backend.requests][3:] == [b"/%d" % count for count in range(3, 8)]


async def test_no_place_in_time_is_overloaded() -> None:
    async with Backend(stall) as backend:
        rules = rules_text(backend.url, upstream="pool: {max_connections: 1}")
        async with running(rules=rules) as proxy, proxy.peer() as holder, proxy.peer() as peer:
            await holder.send(GET)
            await backend.wait_requests(1)
            answer = await peer.get("/", "X-Request-Timeout-Ms: 200")
            assert (answer.status, answer.problem["reason"]) in ((503, "overloaded"), (504, "request_timeout"))
            assert len(backend.requests) == 1


async def test_an_idle_connection_is_closed_after_its_time() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, upstream="pool: {idle_timeout: 200ms}")
        async with running(rules=rules) as proxy, proxy.peer() as peer:
            assert (await peer.get()).status == 200
            async with asyncio.timeout(LIMIT_SECONDS):
                await backend.connections[0].gone.wait()
            assert (await peer.get()).status == 200
            assert len(backend.connections) == 2
