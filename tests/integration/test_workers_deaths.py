"""A worker that is killed, or the supervisor: who is cut, who is not, and what is there again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.doubles.backend import OK, Backend, Call, GoneError
from tests.doubles.crew import WORKERS, crew
from tests.doubles.kernel import Ends, stopped, waiting
from tests.doubles.peer import Answer, Peer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")

GET = b"GET /held HTTP/1.1\r\nHost: a\r\n\r\n"


class Backing:
    """A backend that answers `/held` when it is let, and everything else at once."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.reached = 0
        self._came = asyncio.Condition()

    async def __call__(self, call: Call) -> None:
        if call.request.target == b"/held":
            async with self._came:
                self.reached += 1
                self._came.notify_all()
            await self.release.wait()
        await call.send(OK)

    async def until_reached(self, count: int) -> None:
        async with self._came:
            await self._came.wait_for(lambda: self.reached >= count)


class Chatter:
    """A client that asks again and again on its connection; `answered` counts, `failed` is what it met instead."""

    def __init__(self, peer: Peer) -> None:
        self.answered = 0
        self.failed: list[object] = []
        self.over = False
        self._peer = peer
        self._came = asyncio.Condition()

    async def talk(self) -> None:
        while not self.over and not self.failed:
            try:
                status = (await self._peer.get()).status
            except (GoneError, OSError) as error:
                self.failed.append(error)
                break
            if status != 200:
                self.failed.append(status)
            async with self._came:
                self.answered += 1
                self._came.notify_all()

    async def more(self, count: int) -> None:
        wanted = self.answered + count
        async with self._came:
            await self._came.wait_for(lambda: self.answered >= wanted)


@asynccontextmanager
async def chatting(peers: list[Peer]) -> AsyncIterator[list[Chatter]]:
    chatters = [Chatter(peer) for peer in peers]
    async with asyncio.TaskGroup() as group:
        for chatter in chatters:
            group.create_task(chatter.talk())
        try:
            yield chatters
        finally:
            for chatter in chatters:
                chatter.over = True


async def answer_or_none(peer: Peer) -> Answer | None:
    try:
        return await peer.answer()
    except GoneError:
        return None


async def test_a_worker_killed_under_load_costs_its_own_connections_and_nobody_elses() -> None:
    backing = Backing()
    async with Backend(backing) as backend, crew(backend.url) as one:
        victim, *others = one.pids
        peers = await one.peers(each=2)
        doomed, *held = [peers[pid][0] for pid in one.pids]
        for count, peer in enumerate((doomed, *held), 1):
            await peer.send(GET)
            await backing.until_reached(count)
        async with chatting([peers[pid][1] for pid in others]) as chatters:
            for chatter in chatters:
                await chatter.more(10)
            await one.kill(0)
            assert await answer_or_none(doomed) is None
            await one.replaced(0)
            for chatter in chatters:
                await chatter.more(10)
        assert [chatter.failed for chatter in chatters] == [[]] * (WORKERS - 1)
        backing.release.set()
        assert [(await peer.answer()).status for peer in held] == [200] * (WORKERS - 1)
        assert one.pids[0] != victim
        assert one.pids[1:] == others
        told = await one.proxy.status()
        assert [member["restarts"] for member in told["workers"]] == [1] + [0] * (WORKERS - 1)
        fresh = await one.peers()
        assert (await fresh[one.pids[0]][0].get()).status == 200
        await one.proxy.said('"worker 0: was killed by SIGKILL; started again at once"')


async def test_connections_that_wait_for_a_killed_worker_are_served_by_its_successor() -> None:
    async with Backend() as backend, crew(backend.url) as one:
        victim = one.pids[2]
        os.kill(victim, signal.SIGSTOP)
        await stopped(victim)
        clients: list[Peer] = []
        while waiting(victim, one.proxy.port) < 3:
            clients.append(peer := await one.peer())
            await peer.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await one.kill(2)
        assert [(await peer.answer()).status for peer in clients] == [200] * len(clients)
        await one.replaced(2)
        served = [peer for peer in clients if one.server_of(peer) == one.pids[2]]
        assert len(served) >= 3


async def test_every_worker_killed_at_once_is_back_and_who_comes_meanwhile_is_served() -> None:
    async with Backend() as backend, crew(backend.url, workers=2) as one:
        before = list(one.pids)
        for ends in [await one.kill(slot) for slot in range(2)]:
            await ends.all()
        async with one.proxy.peer() as peer:  # nobody is there who could accept it
            assert (await peer.get()).status == 200
        for slot in range(2):
            await one.replaced(slot)
        assert not set(before) & set(one.pids)


async def test_workers_without_their_supervisor_finish_what_they_have_and_end() -> None:
    backing = Backing()
    async with Backend(backing) as backend, crew(backend.url) as one:
        peers = await one.peers()
        ends = Ends(one.pids)
        idle, *held = [peers[pid][0] for pid in one.pids]
        for count, peer in enumerate(held, 1):
            await peer.send(GET)
            await backing.until_reached(count)
        one.proxy.signal(signal.SIGKILL)
        assert await idle.ended() == b""
        backing.release.set()
        assert [(await peer.answer()).status for peer in held] == [200] * (WORKERS - 1)
        await ends.all()
        assert await one.proxy.ended() == -signal.SIGKILL


async def test_a_worker_that_dies_again_and_again_costs_nobody_else_anything() -> None:
    async with Backend() as backend, crew(backend.url, workers=2) as one:
        peer = (await one.peers())[one.pids[1]][0]
        for restarts in range(1, 4):
            await one.kill(0)
            await one.replaced(0, restarts)
            assert (await peer.get()).status == 200
        assert (await one.proxy.admin("GET", "/readyz")).status == 200
        assert b"\nsidecar_worker_restarts_total 3.0\n" in (await one.proxy.admin("GET", "/metrics")).body
