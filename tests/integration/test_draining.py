"""A real process leaves: what runs finishes, what waits is let go, and the exit code tells how it went.

One with nothing to do leaves in tests/app/test_run.py.
"""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError
from tests.doubles.process import process
from tests.doubles.steps import stall

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
QUICK = ["drain.announce=0s", "drain.deadline=8s"]
SHORT = ["drain.announce=0s", "drain.deadline=300ms"]


async def test_a_request_in_flight_finishes_and_the_exit_code_is_0() -> None:
    release = asyncio.Event()

    async def slow(call: Call) -> None:
        await release.wait()
        await call.send(OK)

    async with Backend(slow) as backend, process(backend.url, sets=QUICK) as proxy:
        async with proxy.peer() as busy, proxy.peer() as idle, proxy.peer() as used:
            used_asked = asyncio.get_running_loop().create_task(used.get("/used"))
            await backend.wait_requests(1)
            await busy.send(GET)
            await backend.wait_requests(2)
            proxy.signal(signal.SIGTERM)
            await proxy.said("still busy: 2 requests")
            # The idle one is closed at once; those with a request are not.
            assert await idle.rest() == b""
            with pytest.raises(ConnectionRefusedError):
                async with proxy.peer():
                    pass
            release.set()
            for answer in (await busy.answer(), await used_asked):
                assert answer.status == 200
                assert answer.get("connection") == b"close"
            assert await busy.rest() == b""
        assert await proxy.ended() == 0


async def test_at_the_deadline_who_has_no_answer_is_told_why_and_the_exit_code_is_4() -> None:
    async with Backend(stall) as backend, process(backend.url, sets=SHORT) as proxy:
        async with proxy.peer() as peer, proxy.peer() as uploading:
            await peer.send(GET)
            await uploading.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01")
            await backend.wait_requests(2)
            proxy.signal(signal.SIGTERM)
            for one in (peer, uploading):
                answer = await one.answer()
                assert (answer.status, answer.get("connection")) == (503, b"close")
                assert answer.problem["reason"] == "draining"
                assert await one.rest() == b""
        await proxy.said("cut off, not finished in time: 2 requests")
        assert await proxy.ended() == 4


async def test_at_the_deadline_an_answer_under_way_is_cut_and_never_looks_complete() -> None:
    async def half(call: Call) -> None:
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234")
        await stall(call)

    async with Backend(half) as backend, process(backend.url, sets=SHORT) as proxy:
        async with proxy.peer() as peer:
            await peer.send(GET)
            assert (await peer.head()).status == 200
            assert await peer.exactly(5) == b"01234"
            proxy.signal(signal.SIGTERM)
            with pytest.raises(GoneError):
                await peer.rest()
        assert await proxy.ended() == 4


async def test_a_second_signal_means_now() -> None:
    async with Backend(stall) as backend:
        sets = ["drain.announce=0s", "drain.deadline=60s"]
        async with process(backend.url, sets=sets) as proxy, proxy.peer() as peer:
            await peer.send(GET)
            await backend.wait_requests(1)
            proxy.signal(signal.SIGTERM)
            await proxy.said("still busy: 1 request")
            proxy.signal(signal.SIGTERM)
            assert (await peer.answer()).problem["reason"] == "draining"
            assert await proxy.ended() == 4


async def test_while_announced_it_serves_but_is_not_ready() -> None:
    async with Backend() as backend:
        sets = ["drain.announce=60s", "drain.deadline=61s"]
        async with process(backend.url, sets=sets) as proxy:
            assert (await proxy.admin("GET", "/readyz")).status == 200
            proxy.signal(signal.SIGTERM)
            await proxy.said("drain")
            not_ready = await proxy.admin("GET", "/readyz")
            assert not_ready.status == 503
            assert b"draining: announced, still accepting for " in not_ready.body
            assert (await proxy.admin("GET", "/livez")).status == 200
            async with proxy.peer() as peer:
                answer = await peer.get()
                assert (answer.status, answer.get("connection")) == (200, b"close")
                assert await peer.rest() == b""
            assert (await proxy.status())["drain"]["stage"] == "announced"
            proxy.signal(signal.SIGTERM)
            assert await proxy.ended() == 0


async def test_a_tunnel_is_cut_at_the_deadline() -> None:
    async def tunnel(call: Call) -> None:
        await call.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
        await stall(call)

    async with Backend(tunnel) as backend, process(backend.url, sets=SHORT) as proxy:
        async with proxy.peer() as peer:
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
            assert (await peer.head()).status == 101
            proxy.signal(signal.SIGTERM)
            await peer.ended()
        async with asyncio.timeout(LIMIT_SECONDS):
            await backend.connections[0].gone.wait()
        assert await proxy.ended() == 4
