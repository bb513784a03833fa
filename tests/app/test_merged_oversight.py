"""What the admin address tells of several workers, and how a word reaches them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import cast

import pytest

from sidecar.admin.subject import Condition
from sidecar.app.drain import Drain
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.merged_oversight import MergedOversight
from sidecar.app.messages import Command
from sidecar.app.reload import Reloader
from sidecar.app.sights import Sights
from sidecar.debug.terms import MemoryTerms, NoSuchWorkerError
from sidecar.telemetry.events import Event
from sidecar.telemetry.parts import joined
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from sidecar.workers.link import LinkRefusedError
from tests.doubles.running import loaded
from tests.doubles.told_worker import SERVING, ToldCrew, ToldWorker


class FakeDrain:
    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, why: str) -> None:
        self.begun.append(why)

    def standing(self) -> str:
        return "draining: announced"

    def snapshot(self) -> dict[str, object]:
        return {"stage": "none", "cut": 0}


class Scene:
    def __init__(self, workers: int = 2) -> None:
        self.crew = ToldCrew(*[ToldWorker(slot) for slot in range(workers)])
        self.stats = Stats()
        self.tasks = Tasks(asyncio.get_running_loop())
        self.lifecycle = Lifecycle()
        self.lifecycle.advance(Phase.SERVING)
        self.drain = FakeDrain()
        self.rules = loaded("http://127.0.0.1:1")
        self.reloader = Reloader(lambda: self.rules, self._adopt, self.rules, self.stats, self.tasks)
        self.oversight = MergedOversight(
            "rules.yaml",
            crew=self.crew.as_crew,
            sights=Sights(self.stats, self.tasks),
            stats=self.stats,
            lifecycle=self.lifecycle,
            drain=cast(Drain, self.drain),
            reloader=self.reloader,
        )

    async def _adopt(self, _loaded: object) -> None:
        raise AssertionError("the same rules")

    async def conditions(self) -> list[tuple[str, bool, str]]:
        await self.oversight.refresh()
        return [(one.name, one.holds, one.detail) for one in self.oversight.conditions()]

    def told(self) -> list[list[object]]:
        return [worker.told for worker in self.crew.workers]


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    made = Scene()
    yield made
    await made.tasks.close()


def with_upstream(holds: bool) -> Sequence[Condition]:
    rules = Condition("rules", holds=True, detail="generation 1")
    return (rules, SERVING, Condition("upstream app", holds=holds, detail="told"))


async def test_nobody_who_has_told_anything_is_unready(scene: Scene) -> None:
    told = scene.oversight.conditions()
    assert [one.holds for one in told if one.name == "serving"] == [False]
    assert not scene.oversight.has_been_ready


async def test_it_is_ready_when_a_worker_is_and_the_generation_is_the_instances_own(scene: Scene) -> None:
    scene.crew.workers[0].conditions = with_upstream(True)
    scene.crew.workers[1].conditions = with_upstream(False)
    scene.reloader.generation = 7
    assert await scene.conditions() == [
        ("rules", True, "generation 7"),
        ("serving", True, "serving"),
        ("upstream app", True, "told"),
    ]
    assert scene.oversight.has_been_ready


async def test_having_been_ready_is_remembered(scene: Scene) -> None:
    await scene.conditions()
    assert scene.oversight.has_been_ready
    for worker in scene.crew.workers:
        worker.conditions = with_upstream(False)
    assert ("upstream app", False, "told") in await scene.conditions()
    assert scene.oversight.has_been_ready


async def test_who_leaves_is_unready_whatever_its_workers_say_and_says_how_far_it_is(scene: Scene) -> None:
    scene.lifecycle.advance(Phase.DRAINING)
    told = await scene.conditions()
    assert [one for one in told if one[0] == "serving"] == [("serving", False, "draining: announced")]


async def test_status_has_the_instances_own_words_and_every_worker(scene: Scene) -> None:
    await scene.oversight.refresh()
    told = joined(scene.oversight.status())
    assert (told["phase"], told["drain"]) == ("serving", {"stage": "none", "cut": 0})
    assert told["rules"] == {"file": "rules.yaml", "hash": scene.rules.digest, "generation": 1}
    assert [(member["slot"], member["pid"], member["connections"]) for member in told["workers"]] == [
        (0, 40, 1),
        (1, 41, 1),
    ]


async def test_why_a_breaker_opened_is_known_whichever_worker_opened_it(scene: Scene) -> None:
    fields = {"from": "closed", "to": "open", "why": "6 of 10 attempts failed within 10s"}
    scene.stats.events.adopt(Event(5.0, "breaker", "upstream.app", "closed to open", fields), 1)
    for worker in scene.crew.workers:
        worker.breaker = "open"
    await scene.oversight.refresh()
    told = joined(scene.oversight.status())["breakers"]["upstream.app"]
    assert told == {"state": "open", "why_open": "6 of 10 attempts failed within 10s"}


async def test_a_command_reaches_every_worker_that_is_there_and_is_one_event(scene: Scene) -> None:
    await scene.oversight.refresh()
    scene.crew.workers[0].link.ended = True
    assert scene.oversight.command_breaker("upstream.app", "open")
    assert scene.told() == [[], [Command("breaker", "upstream.app", "open")]]
    (event,) = scene.oversight.events()
    assert (event["kind"], event["subject"], event["text"]) == (
        "command",
        "upstream.app",
        "POST /breakers/…/open",
    )


async def test_what_no_worker_knows_is_not_commanded(scene: Scene) -> None:
    await scene.oversight.refresh()
    assert not scene.oversight.command_breaker("nobody", "open")
    assert not scene.oversight.command_endpoint("app/b", "drain")
    assert (scene.told(), scene.oversight.events(), scene.oversight.drained_endpoints) == ([[], []], [], set())


async def test_which_endpoints_are_drained_is_remembered_for_workers_to_come(scene: Scene) -> None:
    await scene.oversight.refresh()
    assert scene.oversight.command_endpoint("app/a", "drain")
    assert scene.oversight.drained_endpoints == {"app/a"}
    assert scene.oversight.command_endpoint("app/a", "ready")
    assert scene.oversight.drained_endpoints == set()


async def test_names_are_told_once(scene: Scene) -> None:
    await scene.oversight.refresh()
    assert (scene.oversight.breaker_names(), scene.oversight.endpoint_names()) == (["upstream.app"], ["app/a"])


async def test_a_reload_and_a_drain_are_the_supervisors(scene: Scene) -> None:
    assert (await scene.oversight.reload("POST /reload"))["result"] == "unchanged"
    scene.oversight.start_drain("POST /drain")
    assert scene.drain.begun == ["POST /drain"]
    assert not await scene.oversight.drained(0.0)
    scene.lifecycle.advance(Phase.CLOSING)
    assert await scene.oversight.drained(0.0)


async def test_metrics_and_rules_are_those_of_the_instance(scene: Scene) -> None:
    scene.crew.workers[1].serve(3)
    await scene.oversight.refresh()
    pieces, _ = scene.oversight.exposition("")
    assert b'sidecar_requests_total{method="GET",route="all",status="200"} 3.0' in b"".join(pieces)
    assert "upstreams" in scene.oversight.effective_rules()
    assert joined(scene.oversight.status())["version"]


async def test_to_trace_one_workers_allocations_is_an_event_that_names_it(scene: Scene) -> None:
    for worker in scene.crew.workers:
        worker.refusal = LinkRefusedError("not now")
    told = await scene.oversight.inspect(MemoryTerms(trace="start"), 1)
    assert told == {"worker 1": {"error": "not now"}}
    with pytest.raises(NoSuchWorkerError):
        await scene.oversight.inspect(MemoryTerms(trace="stop"), 7)
    (event,) = scene.oversight.events()
    assert (event["kind"], event["subject"]) == ("debug", "worker 1")


async def test_what_a_worker_counted_is_told_when_it_is_gone(scene: Scene) -> None:
    sights = scene.oversight._sights
    for worker in scene.crew.workers:
        worker.serve(5)
    await scene.oversight.refresh()
    sights.lost(0)
    del scene.crew.workers[0]
    scene.crew.workers[0].serve(1)
    await scene.oversight.refresh()
    told = joined(scene.oversight.status())
    (route,) = told["routes"]
    assert (route["name"], route["requests"], route["statuses"]) == ("all", 11, {"2xx": 11})
    assert route["latency"]["count"] == 11
