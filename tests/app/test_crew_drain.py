"""A drain over workers: they are told once, waited for, and what they cut is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from sidecar.app.crew_drain import LAST_WORDS, CrewTraffic
from sidecar.app.drain import Stage
from sidecar.app.messages import Leave
from sidecar.app.sights import Sights
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from tests.doubles.told_worker import ToldCrew, ToldWorker


class Scene:
    def __init__(self) -> None:
        self.crew = ToldCrew(ToldWorker(0), ToldWorker(1))
        self.stats = Stats()
        self.tasks = Tasks(asyncio.get_running_loop())
        self.let_go = 0
        self.traffic = CrewTraffic(
            self.crew.as_crew, self.stats, self.tasks, self._let_go, Sights(self.stats, self.tasks)
        )
        self.traffic.deadline = 20.0

    def _let_go(self) -> None:
        self.let_go += 1

    def told(self) -> list[list[object]]:
        return [worker.told for worker in self.crew.workers]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.tasks.close()


async def test_every_worker_is_told_to_leave_and_has_a_little_longer_than_the_deadline(scene: Scene) -> None:
    scene.traffic.announce(1_700_000_020.0)
    await asyncio.sleep(0)
    assert scene.told() == [[Leave()], [Leave()]]
    assert scene.crew.stops == [20.0 + LAST_WORDS]
    assert scene.stats.drain_deadline == 1_700_000_020.0
    assert scene.let_go == 0
    scene.traffic.stop_accepting()
    assert scene.let_go == 1


async def test_workers_of_one_that_was_taken_over_are_told_so(scene: Scene) -> None:
    scene.traffic.handed_on = True
    scene.traffic.announce(1_700_000_020.0)
    await asyncio.sleep(0)
    assert scene.told() == [[Leave(handed_on=True)]] * 2


async def test_it_is_quiet_when_the_last_worker_has_ended_and_not_before(scene: Scene) -> None:
    quiet = asyncio.Event()
    scene.traffic.announce(1_700_000_020.0)
    await asyncio.sleep(0)
    scene.traffic.when_quiet(quiet.set)
    assert not quiet.is_set()
    scene.crew.over.set()
    async with asyncio.timeout(10):
        await quiet.wait()
    later = asyncio.Event()
    scene.traffic.when_quiet(later.set)
    assert later.is_set()


async def test_a_hurry_is_passed_on_also_past_a_worker_that_is_gone(scene: Scene) -> None:
    scene.crew.workers[0].link.ended = True
    over = asyncio.Event()
    scene.traffic.hurry(over.set)
    assert scene.told() == [[], [Leave(hurry=True)]]
    assert not over.is_set(), "they have still to say what they cut"


async def test_what_is_under_way_is_what_the_workers_say_when_accepting_ends(scene: Scene) -> None:
    scene.crew.workers[0].in_flight["requests"] = 1
    scene.crew.workers[1].in_flight["websockets"] = 2
    assert scene.traffic.in_flight() == {"requests": 0, "tunnels": 0, "websockets": 0}
    await scene.traffic.refresh()
    assert scene.traffic.in_flight() == {"requests": 1, "tunnels": 0, "websockets": 2}


async def test_the_cut_is_what_the_workers_cut_and_stands_in_the_event(scene: Scene) -> None:
    scene.traffic.cut_by_workers = 3
    assert scene.traffic.cut() == 3
    scene.traffic.report(Stage.CLOSING, "cut off", 3)
    (event,) = scene.stats.events.recent
    assert (event.kind, event.fields) == ("drain", {"stage": "closing", "cut": 3})
    assert (scene.stats.drain_phase, scene.stats.drain_cut_requests) == (3, 0)


async def test_idle_connections_and_websockets_are_the_workers_own_affair(scene: Scene) -> None:
    scene.traffic.close_idle()
    scene.traffic.leave_websockets()
    assert scene.told() == [[], []]
