"""What the workers see is asked for, shared by all who ask, and kept of those who are gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.app import sights as module
from sidecar.app.sights import Sights
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from sidecar.workers.link import LinkEndedError
from tests.doubles.told_worker import ToldCrew, ToldWorker


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    made = Tasks(asyncio.get_running_loop())
    yield made
    await made.close()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def requests(sights: Sights) -> float:
    return sum(sum(route.requests.values()) for route in sights.merged.stats().routes.values())


async def test_every_worker_that_serves_is_asked_and_counted(tasks: Tasks) -> None:
    crew = ToldCrew(*[ToldWorker(slot) for slot in range(3)])
    crew.workers[2].ready = False
    for worker in crew.workers:
        worker.serve(5)
        worker.in_flight["requests"] = 2
    sights = Sights(Stats(), tasks)
    await sights.refresh(crew.as_crew)
    assert [worker.asked for worker in crew.workers] == [1, 1, 0]
    assert requests(sights) == 10
    assert sights.in_flight() == {"requests": 4, "tunnels": 0, "websockets": 0}


async def test_who_asks_during_a_look_is_told_what_has_happened_since_it_began(tasks: Tasks) -> None:
    worker = ToldWorker(0)
    crew = ToldCrew(worker)
    sights = Sights(Stats(), tasks)
    worker.gate.clear()
    first = asyncio.ensure_future(sights.refresh(crew.as_crew))
    await turns()
    worker.serve(1)
    others = [asyncio.ensure_future(sights.refresh(crew.as_crew)) for _ in range(3)]
    await turns()
    worker.gate.set()
    await first
    await asyncio.gather(*others)
    assert requests(sights) == 1
    assert worker.asked == 2, "the three who came late share a look"


async def test_one_who_leaves_takes_nobodys_answer_along(tasks: Tasks) -> None:
    worker = ToldWorker(0)
    crew = ToldCrew(worker)
    sights = Sights(Stats(), tasks)
    worker.gate.clear()
    leaver, stayer = (asyncio.ensure_future(sights.refresh(crew.as_crew)) for _ in range(2))
    await turns()
    leaver.cancel()
    worker.gate.set()
    await stayer
    assert 0 in sights.last


@pytest.mark.parametrize("refusal", [TimeoutError(), LinkEndedError("gone")])
async def test_one_that_does_not_answer_is_told_of_as_it_was(tasks: Tasks, refusal: Exception) -> None:
    worker = ToldWorker(0)
    crew = ToldCrew(worker)
    sights = Sights(Stats(), tasks)
    worker.in_flight["tunnels"] = 1
    await sights.refresh(crew.as_crew)
    worker.refusal = refusal
    await sights.refresh(crew.as_crew)
    assert sights.in_flight()["tunnels"] == 1


async def test_of_one_that_is_lost_only_its_counts_are_left(tasks: Tasks) -> None:
    worker = ToldWorker(0)
    crew = ToldCrew(worker)
    worker.serve(5)
    worker.in_flight["requests"] = 2
    sights = Sights(Stats(), tasks)
    await sights.refresh(crew.as_crew)
    sights.lost(0)
    assert (sights.last, sights.in_flight()["requests"], requests(sights)) == ({}, 0, 5)


async def test_it_counts_by_itself_now_and_then_and_asks_nobody_twice_at_once(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PERIOD", 0.0)
    monkeypatch.setattr(module, "_REST", 0.0)
    crew = ToldCrew(ToldWorker(0), ToldWorker(1))
    crew.workers[0].gate.clear()
    crew.workers[1].serve(5)
    sights = Sights(Stats(), tasks)
    tasks.start(sights.keep_looking(crew.as_crew), "look")
    async with asyncio.timeout(10):
        while crew.workers[1].asked < 3:
            await asyncio.sleep(0)
    assert (crew.workers[0].asked, requests(sights), sights.last) == (1, 5, {})


async def test_one_that_stands_still_is_waited_for_once_and_heard_when_it_answers_at_last(
    tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_SECONDS", 0.01)
    crew = ToldCrew(ToldWorker(0), ToldWorker(1))
    sights = Sights(Stats(), tasks)
    crew.workers[0].gate.clear()
    await sights.refresh(crew.as_crew)
    assert (sights.silent, set(sights.last)) == ({0}, {1})
    monkeypatch.setattr(module, "_LOOK_SECONDS", 3600.0)
    async with asyncio.timeout(30):
        await sights.refresh(crew.as_crew)  # would last for an hour
    assert [worker.asked for worker in crew.workers] == [1, 2]
    crew.workers[0].gate.set()
    await turns()
    assert (sights.silent, set(sights.last)) == (set(), {0, 1})
    await sights.refresh(crew.as_crew)
    assert [worker.asked for worker in crew.workers] == [2, 3]
