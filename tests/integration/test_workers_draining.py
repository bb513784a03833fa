"""An instance of several workers leaves as one: one announcement, one deadline, one exit code."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.crew import RunningCrew, crew
from tests.doubles.kernel import Ends, children
from tests.doubles.process import process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")

ANNOUNCING = ("drain.announce=600s", "drain.deadline=601s")
LONG = ("drain.announce=0s", "drain.deadline=600s")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class KeepAlive:
    """A client that keeps its connection for as long as it is let, and goes to the second address when told to."""

    def __init__(self, first: int, second: int) -> None:
        self.port = first
        self.moved = asyncio.Event()
        self.ends = False
        self._second = second

    async def __call__(self) -> None:
        async with aiohttp.ClientSession() as session:
            while not self.ends:
                # POST: what aiohttp would never send a second time by itself.
                async with session.post(f"http://127.0.0.1:{self.port}/", data=b"x") as answer:
                    assert (answer.status, await answer.read()) == (200, b"ok")
                    if answer.headers.get("Connection") == "close":
                        self.port = self._second
                        self.moved.set()


def signal_all(one: RunningCrew) -> None:
    """SIGTERM to every process of the instance, as systemd sends it."""
    os.killpg(one.proxy.pid, signal.SIGTERM)


def said_by_the_instance(one: RunningCrew, words: str) -> int:
    return sum(words in line and '"worker"' not in line for line in one.proxy.lines)


async def test_a_signal_to_the_whole_group_under_load_is_one_drain_in_which_no_request_fails() -> None:
    async with Backend() as backend, crew(backend.url, sets=ANNOUNCING) as one, asyncio.TaskGroup() as group:
        ends = Ends(one.pids)
        clients = [KeepAlive(one.proxy.port, backend.port) for _ in range(8)]
        for client in clients:
            group.create_task(client())
        await one.proxy.until(lambda told: sum(route["requests"] for route in told["routes"]) >= 50)
        signal_all(one)
        for client in clients:
            await client.moved.wait()
        for client in clients:
            client.ends = True
        told = await one.proxy.until(lambda told: told["drain"]["in_flight"]["requests"] == 0)
        assert (told["phase"], told["drain"]["stage"]) == ("draining", "announced")
        assert (await one.proxy.admin("GET", "/readyz")).status == 503
        signal_all(one)  # the second: now
        assert await one.proxy.ended() == 0
        await ends.all()
        assert said_by_the_instance(one, "draining (SIGTERM)") == 1
        assert said_by_the_instance(one, "drained: every request was answered") == 1


async def held_requests(one: RunningCrew, backend: Backend, count: int) -> list[asyncio.Future[bytes]]:
    """So many requests under way, each at another worker; what becomes of their connections."""
    peers = [peers[0] for peers in list((await one.peers(target="/other")).values())[:count]]
    before = len(backend.requests)
    for number, peer in enumerate(peers, 1):
        await peer.send(GET)
        await backend.wait_requests(before + number)
    return [asyncio.ensure_future(peer.ended()) for peer in peers]


def answering(release: asyncio.Event) -> Callable[[Call], Awaitable[None]]:
    async def answer(call: Call) -> None:
        if call.request.target == b"/":
            await release.wait()
        await call.send(OK)

    return answer


async def test_what_every_worker_still_does_is_waited_for_also_by_who_asked_for_the_drain() -> None:
    release = asyncio.Event()
    async with Backend(answering(release)) as backend, crew(backend.url, sets=LONG) as one:
        held = await held_requests(one, backend, 3)
        waiting = asyncio.ensure_future(one.proxy.admin("POST", "/drain?wait=60s"))
        await one.proxy.said('"instance: no longer accepting; still busy: 3 requests"')
        page = (await one.proxy.admin("GET", "/metrics")).body.decode()
        (ends_at,) = re.findall(r"^sidecar_drain_deadline_timestamp_seconds (\S+)$", page, re.MULTILINE)
        assert 0 < float(ends_at) - (await one.proxy.status())["time"] <= 600
        signal_all(one)  # as an orchestrator does after its hook: cuts nothing
        release.set()
        assert [OK.rpartition(b"\n")[2] in await end for end in held] == [True] * 3
        told = await waiting
        assert (told.status, json.loads(told.body)["drained"]) == (200, True)
        assert await one.proxy.ended() == 0


async def test_what_is_stuck_at_the_deadline_is_cut_in_every_worker_and_counted_once() -> None:
    sets = ("drain.announce=0s", "drain.deadline=500ms")
    async with Backend(answering(asyncio.Event())) as backend, crew(backend.url, sets=sets) as one:
        held = await held_requests(one, backend, 3)
        one.proxy.signal(signal.SIGTERM)
        assert await one.proxy.ended() == 4
        assert said_by_the_instance(one, "cut off, not finished in time: 3 requests") == 1
        for end in held:
            await end


async def test_a_second_signal_ends_every_worker_now() -> None:
    async with Backend(answering(asyncio.Event())) as backend, crew(backend.url, sets=LONG) as one:
        await held_requests(one, backend, 2)
        ends = Ends(one.pids)
        one.proxy.signal(signal.SIGTERM)
        await one.proxy.said('"instance: no longer accepting')
        one.proxy.signal(signal.SIGINT)
        assert await one.proxy.ended() == 4
        await ends.all()
        assert said_by_the_instance(one, "cut off, not finished in time: 2 requests") == 1


async def test_a_worker_that_dies_in_the_drain_has_no_successor_and_nobody_waits_for_it() -> None:
    release = asyncio.Event()
    async with Backend(answering(release)) as backend, crew(backend.url, sets=LONG) as one:
        held = await held_requests(one, backend, 2)
        one.proxy.signal(signal.SIGTERM)
        await one.proxy.said('"instance: no longer accepting; still busy: 2 requests"')
        await one.kill(0)
        await held[0]
        release.set()
        assert OK.rpartition(b"\n")[2] in await held[1]
        assert await one.proxy.ended() == 0
        assert not [line for line in one.proxy.lines if re.search("started again", line)]


async def test_a_signal_before_the_workers_serve_ends_it_like_any_other() -> None:
    async with process("http://127.0.0.1:1", workers=2, wait=False) as proxy:
        while not children(proxy.pid):
            await asyncio.sleep(0)
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0
        await proxy.said('"instance: drained: every request was answered"')
