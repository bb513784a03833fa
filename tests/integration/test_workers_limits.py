"""Limits of an instance of several workers: what the rules say holds for all of them together, whoever serves whom."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.backend import OK, Backend, Call, GoneError
from tests.doubles.crew import WORKERS, RunningCrew, crew
from tests.doubles.peer import Answer, Peer
from tests.doubles.running import rules_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")

RATE, BURST, SECONDS = 200.0, 60, 2.0
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def write(folder: Path, text: str) -> Path:
    file = folder / "rules.yaml"
    file.write_text(text)
    return file


def rules(url: str, route: str, upstream: str = "") -> str:
    """One route under these rules, and beside it `/free` under none."""
    free = "  - {name: free, match: {path: =/free}, upstream: app}\n"
    return rules_text(url, upstream=upstream, route=route).replace("routes:\n", "routes:\n" + free)


async def test_a_rate_limit_holds_for_all_workers_together_however_uneven_its_clients_are_spread(
    tmp_path: Path,
) -> None:
    admitted = 0
    refused: list[float] = []

    async def client(peer: Peer, end: float) -> None:
        nonlocal admitted
        while time.monotonic() < end:
            answer = await peer.get()
            assert answer.status in (200, 429)
            if answer.status == 200:
                admitted += 1
            else:
                refused.append(time.monotonic())

    limit = f"rate_limits: [{{name: all, rate: {RATE:.0f}/s, burst: {BURST}}}]"
    async with Backend() as backend, crew(rules=write(tmp_path, rules(backend.url, limit))) as one:
        everyone = await one.peers(each=1, target="/free")
        most = await one.peers(each=6, target="/free")
        favoured, *others = one.pids
        clients = [*most[favoured], *[everyone[pid][0] for pid in others]]
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for peer in clients:
                group.create_task(client(peer, began + SECONDS))
        elapsed = time.monotonic() - began
        assert admitted <= BURST + RATE * elapsed + 1
        # Tokens that nobody asks for are lost: where this machine could not ask all the time, less is no fault.
        pauses = [later - earlier for earlier, later in itertools.pairwise([began, *refused])]
        if max(pauses, default=SECONDS) < BURST / RATE / 2:
            assert admitted >= 0.99 * RATE * (refused[-1] - began)
        told = await one.proxy.status()
        (route,) = [route for route in told["routes"] if route["name"] == "everything"]
        assert route["rejected_by"] == {"everything/all": len(refused)}
        assert route["requests"] == admitted + len(refused)


class Held:
    """A backend that answers `/` when it is let."""

    def __init__(self) -> None:
        self.release = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        if call.request.target == b"/":
            waiting = [asyncio.ensure_future(self.release.wait()), asyncio.ensure_future(call.wait_gone())]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for one in waiting:
                one.cancel()
            await asyncio.wait(waiting)
        await call.send(OK)

    @staticmethod
    def reached(backend: Backend) -> int:
        return sum(request.target == b"/" for request in backend.requests)


async def until_reached(backend: Backend, count: int) -> None:
    while Held.reached(backend) < count:
        await backend.wait_requests(len(backend.requests) + 1)


async def answer_or_none(peer: Peer) -> Answer | None:
    try:
        return await peer.answer()
    except GoneError:
        return None


async def test_places_are_the_instances_and_those_of_a_killed_worker_come_back_to_who_waits(tmp_path: Path) -> None:
    held = Held()
    text = "concurrency: {max: 4, max_queue: 2, max_wait: 600s}, timeout: {request: 900s}"
    async with Backend(held) as backend, crew(rules=write(tmp_path, rules(backend.url, text)), workers=4) as one:
        peers = await one.peers(each=2, target="/free")
        victim, *others = one.pids
        doomed = peers[victim][:2]
        living = [peers[others[0]][0], peers[others[1]][0]]
        for count, peer in enumerate((*doomed, *living), 1):
            await peer.send(GET)
            await until_reached(backend, count)
        queued = [peers[others[2]][0], peers[others[1]][1]]
        for count, peer in enumerate(queued, 1):
            await peer.send(GET)
            await until_queued(one, count)
        refused = await peers[others[0]][1].get()
        assert (refused.status, refused.problem["rule"]) == (503, "everything/concurrency")
        ends = await one.kill(0)
        await ends.all()
        assert [await answer_or_none(peer) for peer in doomed] == [None, None]
        await until_reached(backend, 6)  # both that waited, at other workers than those who died
        await one.replaced(0)
        successor = (await one.peers(target="/free"))[one.pids[0]][0]
        told = policy(await one.proxy.status())
        assert (told["max"], told["in_flight"], told["queued"]) == (4, 4, 0)
        await successor.send(GET)
        await until_queued(one, 1)
        held.release.set()
        answers = [await peer.answer() for peer in (*living, *queued, successor)]
        assert [answer.status for answer in answers] == [200] * 5
        await one.proxy.until(lambda told: policy(told)["in_flight"] == 0)


def policy(told: dict[str, Any]) -> dict[str, Any]:
    (route,) = [route for route in told["routes"] if route["name"] == "everything"]
    found: dict[str, Any] = route["policies"]["everything/concurrency"]
    return found


async def until_queued(one: RunningCrew, count: int) -> None:
    await one.proxy.until(lambda told: policy(told)["queued"] == count)


async def statuses(one: RunningCrew, peers: dict[int, list[Peer]]) -> list[int]:
    """What a client of each worker is answered, once all workers have heard what was said before."""
    await one.proxy.status()
    return [(await peers[pid][0].get()).status for pid in one.pids]


async def test_what_opens_a_breaker_in_one_worker_opens_it_in_all_and_commands_reach_them_all(tmp_path: Path) -> None:
    ill = True

    async def backing(call: Call) -> None:
        failing = ill and call.request.target == b"/"
        await call.send(b"HTTP/1.1 500 Ill\r\nContent-Length: 0\r\n\r\n" if failing else OK)

    text = "circuit_breaker: {consecutive_failures: 3, open_for: 600s, max_open_for: 600s}"
    async with Backend(backing) as backend, crew(rules=write(tmp_path, rules(backend.url, text))) as one:
        peers = await one.peers(target="/free")
        alone = peers[one.pids[0]][0]
        assert [(await alone.get()).status for _ in range(3)] == [500] * 3
        assert [(await peers[pid][0].get()).status for pid in one.pids] == [503] * WORKERS
        told = await one.proxy.status()
        assert (told["breakers"]["route.everything"]["state"], told["breakers"]["route.everything"]["opened"]) == (
            "open",
            1,
        )
        ill = False
        assert (await one.proxy.admin("POST", "/breakers/route.everything/close")).status == 200
        assert await statuses(one, peers) == [200] * WORKERS
        assert (await one.proxy.admin("POST", "/breakers/route.everything/open")).status == 200
        assert await statuses(one, peers) == [503] * WORKERS
        assert (await one.proxy.admin("POST", "/breakers/route.everything/auto")).status == 200
        assert (await one.proxy.admin("POST", "/breakers/nobody/open")).status == 404
        events = (await one.proxy.admin("GET", "/events?format=json")).body
        assert events.count(b'"command"') == 3


async def test_a_worker_that_is_started_again_knows_of_an_endpoint_that_was_drained_by_hand() -> None:
    hold_nobody = ("upstreams.app.hold=null",)
    async with Backend() as backend, crew(backend.url, sets=hold_nobody, workers=2) as one:
        peers = await one.peers()
        name = f"app%2F127.0.0.1%3A{backend.port}"
        assert (await one.proxy.admin("POST", f"/endpoints/{name}/drain")).status == 200
        assert await statuses(one, peers) == [503] * 2
        ends = await one.kill(1)
        await ends.all()
        await one.replaced(1)
        peers = await one.peers()
        assert await statuses(one, peers) == [503] * 2
        assert (await one.proxy.admin("POST", f"/endpoints/{name}/ready")).status == 200
        assert await statuses(one, peers) == [200] * 2
