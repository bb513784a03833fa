"""A client that leaves takes its upstream request with it, at once, and nobody is blamed."""

from __future__ import annotations

import asyncio

import pytest

from tests.doubles.backend import LIMIT_SECONDS, Backend, Call
from tests.doubles.running import rules_text, running
from tests.doubles.steps import stall

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def begin_and_stall(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
    await stall(call)


@pytest.mark.parametrize("how", ["reset", "half_close", "close"])
async def test_leaving_before_the_answer_cancels_the_upstream_request(how: str) -> None:
    async with Backend(stall) as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(GET)
            await backend.wait_requests(1)
            if how == "half_close":
                peer.half_close()
            elif how == "reset":
                peer.reset()
            else:
                await peer.close()
            async with asyncio.timeout(LIMIT_SECONDS):
                await backend.connections[0].gone.wait()
        await proxy.quiet()
        assert proxy.requests() == {("GET", 499): 1}
        assert proxy.failures() == 0


async def test_leaving_in_the_middle_of_the_answer_cancels_the_rest() -> None:
    async with Backend(begin_and_stall) as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(GET)
            await peer.head()
            peer.reset()
            async with asyncio.timeout(LIMIT_SECONDS):
                await backend.connections[0].gone.wait()
        await proxy.quiet()
        assert proxy.requests() == {("GET", 499): 1}
        assert proxy.failures() == 0


async def test_leaving_in_the_middle_of_an_upload_cancels_it() -> None:
    async def read(call: Call) -> None:
        await stall(call)

    async with Backend(read) as backend, running(backend.url) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\npart")
            await backend.wait_requests(1)
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()
        await proxy.quiet()
        assert backend.connections[0].received.endswith(b"part")
        assert proxy.failures() == 0


async def test_leaving_while_waiting_for_a_connection_gives_the_place_back() -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await release.wait()
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with Backend(slow) as backend:
        rules = rules_text(backend.url, upstream="pool: {max_connections: 1}")
        async with running(rules=rules) as proxy, proxy.peer() as first:
            await first.send(GET)
            await backend.wait_requests(1)
            async with proxy.peer() as second:
                await second.send(GET)
                await proxy.until(lambda: proxy.waiting() == 1)
            await proxy.until(lambda: proxy.waiting() == 0)
            release.set()
            assert (await first.answer()).body == b"ok"
            assert (await first.get()).body == b"ok"
        assert len(backend.requests) == 2


async def test_a_finished_client_that_leaves_is_no_error() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        for _ in range(5):
            async with proxy.peer() as peer:
                assert (await peer.get()).status == 200
                peer.reset()
        await proxy.quiet()
        assert proxy.requests() == {("GET", 200): 5}
