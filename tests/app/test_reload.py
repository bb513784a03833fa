"""Rules read again: what comes of it, who waits for what, and where it is told."""

from __future__ import annotations

import asyncio
import errno
import gc
import json
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from sidecar.app.reload import Reloader
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from sidecar.rules.problems import ConfigError, Problem
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks

RULES = "version: 1\nupstreams: {app: {endpoints: http://a:1}}\nroutes: [{name: all, upstream: app}]\n"
FILES = {"/etc/r.yaml": "print"}
BROKEN = ConfigError(
    [Problem("/etc/r.yaml", 4, 2, "warning", "odd"), Problem("/etc/r.yaml", 5, 3, "error", "wrong")], {"/run/t": ""}
)


def rules(*sets: str) -> Loaded:
    return replace(load_text(RULES, "r.yaml", Given(sets=sets)), sources=FILES)


class World:
    """A reloader with rules to read, and a place to take them."""

    def __init__(self, tidy: Callable[[], None] = lambda: None) -> None:
        self.there: Loaded | Exception = rules()
        self.reads = 0
        self.adopted: list[Loaded] = []
        self.refusal: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.adopting = asyncio.Event()
        self.stats = Stats()
        self.tasks = Tasks(asyncio.get_running_loop())
        self.reloader = Reloader(
            self.read,
            self.adopt,
            rules(),
            self.stats,
            self.tasks,
            tidy=tidy,
            clock=lambda: 7.0,
            wall=lambda: 1000.0,
        )

    def read(self) -> Loaded:
        self.reads += 1
        if isinstance(self.there, Exception):
            raise self.there
        return self.there

    async def adopt(self, loaded: Loaded) -> None:
        self.adopting.set()
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        self.adopted.append(loaded)


def events(world: World) -> list[tuple[str, str]]:
    return [(event.kind, event.text) for event in world.stats.events.recent]


async def test_a_changed_value_is_taken_over_and_told_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.there = rules("drain.deadline=30s")
    report = await world.reloader.reload("SIGHUP")
    assert (report.result, report.why, report.generation) == ("reloaded", "SIGHUP", 2)
    assert [str(change) for change in report.changes] == ["drain.deadline: 25s -> 30s"]
    assert world.adopted == [world.there]
    assert world.reloader.current is world.there
    stats = world.stats
    assert (stats.config_generation, stats.config_hash, stats.config_reloaded_at) == (2, world.there.digest, 1000.0)
    assert stats.config_reloads == {"reloaded": 1, "unchanged": 0, "failed": 0}
    assert events(world) == [("reload", "SIGHUP: generation 2 is in force, 1 change")]
    assert "drain.deadline: 25s -> 30s" in caplog.messages


async def test_a_read_that_never_ends_is_a_failure_and_the_next_one_is_made() -> None:
    world, gate = World(), threading.Event()
    world.there = rules("drain.deadline=30s")

    def read() -> Loaded:
        gate.wait()
        return world.read()

    reloader = Reloader(read, world.adopt, rules(), world.stats, world.tasks, patience=0.01)
    report = await reloader.reload("SIGHUP")
    assert report.result == "failed"
    assert report.problems[0].startswith("the rules were not read within 0.01 s; is a file of theirs a pipe")
    reloader.patience = 60.0
    gate.set()
    assert (await reloader.reload("SIGHUP")).result == "reloaded"
    assert len(world.adopted) == 1


async def test_the_same_values_are_no_new_generation() -> None:
    world = World()
    world.there = replace(rules(), sources={"/etc/other.yaml": "print"})
    report = await world.reloader.reload("file changed")
    assert (report.result, report.generation, report.changes, report.note) == ("unchanged", 1, (), "")
    assert world.adopted == []
    assert world.reloader.current is world.there
    assert world.reloader.sources == {"/etc/other.yaml": "print"}
    assert (world.stats.config_reloads["unchanged"], world.stats.config_reloaded_at) == (1, 0.0)
    assert events(world) == [("reload", "file changed: unchanged, generation 1")]


async def test_without_a_file_it_says_that_there_is_none() -> None:
    world = World()
    world.there = replace(rules(), sources={})
    report = await world.reloader.reload("POST /reload")
    assert (report.result, report.note) == ("unchanged", "there is no file to read again")


async def test_rules_that_cannot_be_used_change_nothing_and_every_problem_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    before = world.reloader.current
    world.there = BROKEN
    report = await world.reloader.reload("file changed")
    assert (report.result, report.generation, report.problems) == ("failed", 1, ("/etc/r.yaml:5:3: error: wrong",))
    assert world.reloader.current is before
    assert report.digest == before.digest
    assert world.reloader.sources == {"/run/t": ""}
    assert (world.stats.config_reloads["failed"], world.stats.config_reload_failed) == (1, True)
    assert events(world) == [
        ("reload", "file changed: failed, generation 1 stays in force: /etc/r.yaml:5:3: error: wrong")
    ]
    assert [(one.levelname, one.getMessage()) for one in caplog.records if one.name == "sidecar.reload"] == [
        ("ERROR", "/etc/r.yaml:5:3: error: wrong")
    ]


async def test_repaired_rules_end_the_failure_and_the_last_error_stays_visible() -> None:
    world = World()
    world.there = BROKEN
    failed = await world.reloader.reload("file changed")
    world.there = rules()
    report = await world.reloader.reload("file changed")
    assert report.result == "unchanged"
    assert not world.stats.config_reload_failed
    assert (world.reloader.last, world.reloader.last_error) == (report, failed)


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [
        (OSError(errno.EADDRINUSE, "cannot listen on :80: in use"), "cannot listen on :80: in use"),
        (OSError("no reason"), "no reason"),
        (BROKEN, "/etc/r.yaml:5:3: error: wrong"),
        (ConfigError([]), "the rules cannot be used"),
        (KeyError("app"), "KeyError: 'app'"),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_what_cannot_be_taken_over_leaves_the_old_rules(refusal: Exception, problem: str) -> None:
    world = World()
    before = world.reloader.current
    world.there = rules("drain.deadline=30s")
    world.refusal = refusal
    report = await world.reloader.reload("SIGHUP")
    assert (report.result, report.problems, report.generation) == ("failed", (problem,), 1)
    assert world.reloader.current is before
    assert world.stats.config_hash == ""
    world.refusal = None
    assert (await world.reloader.reload("SIGHUP")).generation == 2


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), PermissionError(13, "Permission denied")])
async def test_whatever_reading_raises_is_a_failed_reload(failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.there = failure
    report = await world.reloader.reload("SIGHUP")
    assert report.result == "failed"
    told = [record for record in caplog.records if record.exc_info]
    assert bool(told) == isinstance(failure, RuntimeError)  # a bug has its traceback in the log
    assert world.reloader.sources == FILES


async def asked(world: World, *whys: str) -> list[asyncio.Task[object]]:
    """Tasks that have asked for a reload each."""
    tasks = [asyncio.get_running_loop().create_task(_object(world, why)) for why in whys]
    await asyncio.sleep(0)
    return tasks


async def _object(world: World, why: str) -> object:
    return await world.reloader.reload(why)


async def test_who_asks_during_a_reload_shares_the_next_one_and_gets_the_last_version() -> None:
    world = World()
    world.gate.clear()
    world.there = rules("drain.deadline=30s")
    first = await asked(world, "SIGHUP")
    await world.adopting.wait()
    world.there = rules("drain.deadline=40s")
    later = await asked(world, "file changed", "POST /reload", "file changed")
    world.there = rules("drain.deadline=50s")
    world.gate.set()
    (one,) = await asyncio.gather(*first)
    second, *same = await asyncio.gather(*later)
    assert all(report is second for report in same)
    assert second is not one
    assert world.reloader.last is second
    assert getattr(second, "why", None) == "file changed, POST /reload"
    assert world.reads == 2
    assert [loaded.rules.drain.deadline for loaded in world.adopted] == [30.0, 50.0]


async def test_who_leaves_takes_no_reload_along() -> None:
    world = World()
    world.gate.clear()
    world.there = rules("drain.deadline=30s")
    leaving, staying = await asked(world, "POST /reload", "SIGHUP")
    await world.adopting.wait()
    leaving.cancel()
    world.gate.set()
    await staying
    assert leaving.cancelled()
    assert world.reloader.generation == 2


async def test_the_end_of_the_process_is_told_to_whoever_waits() -> None:
    world = World()
    world.gate.clear()
    world.there = rules("drain.deadline=30s")
    at_work = await asked(world, "SIGHUP")
    await world.adopting.wait()
    waiting = await asked(world, "POST /reload")
    await world.tasks.close()
    for report in await asyncio.gather(*at_work, *waiting):
        assert getattr(report, "problems", None) == ("the process ends",)
    assert world.reloader.generation == 1


async def test_the_status_has_the_last_reload_and_the_last_error_as_json() -> None:
    world = World()
    assert world.reloader.as_mapping() == {"last": None, "last_error": None}
    world.there = BROKEN
    await world.reloader.reload("SIGHUP")
    world.there = rules("drain.deadline=30s")
    await world.reloader.reload("SIGHUP")
    told = json.loads(json.dumps(world.reloader.as_mapping()))
    assert told["last"] == {
        "result": "reloaded",
        "why": "SIGHUP",
        "time": 1000.0,
        "seconds": 0.0,
        "generation": 2,
        "hash": world.reloader.current.digest,
        "changes": ["drain.deadline: 25s -> 30s"],
        "problems": [],
        "warnings": [],
        "note": "",
    }
    assert told["last_error"]["problems"] == ["/etc/r.yaml:5:3: error: wrong"]


async def test_of_many_changes_the_first_hundred_are_told() -> None:
    world = World()
    routes = ", ".join(f"{{name: r{place}, match: {{path: /{place}}}, upstream: app}}" for place in range(150))
    world.there = rules(f"routes=[{routes}]")
    report = await world.reloader.reload("SIGHUP")
    assert len(report.changes) == 151
    told = report.as_mapping()["changes"]
    assert isinstance(told, list)
    assert (len(told), told[-1]) == (101, "and 51 more")


async def test_warnings_are_told_with_the_rules_that_have_them(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.there = rules("routes.all.rewrite={add_prefix: /v1, mode: shadow}")
    report = await world.reloader.reload("SIGHUP")
    assert len(report.warnings) == 1
    assert report.warnings[0] in caplog.messages


async def test_nothing_is_collected_during_a_reload_and_the_reading_thread_gives_way_often() -> None:
    found: list[tuple[bool, bool]] = []
    tidied: list[bool] = []
    usual = sys.getswitchinterval()

    class Watching(World):
        def read(self) -> Loaded:
            found.append((gc.isenabled(), sys.getswitchinterval() < usual))
            return super().read()

        async def adopt(self, loaded: Loaded) -> None:
            found.append((gc.isenabled(), sys.getswitchinterval() < usual))

    world = Watching(tidy=lambda: tidied.append(gc.isenabled()))
    world.there = rules("drain.deadline=30s")
    await world.reloader.reload("SIGHUP")
    assert found == [(False, True), (False, False)]
    assert tidied == [False]
    assert gc.isenabled()
    assert sys.getswitchinterval() == usual


async def test_reading_is_done_off_the_loop() -> None:
    world = World()
    loop = asyncio.get_running_loop()
    turned = asyncio.Event()

    def read() -> Loaded:
        asyncio.run_coroutine_threadsafe(_set(turned), loop).result(10)  # on the loop's own thread this would hang
        return rules()

    reloader = Reloader(read, world.adopt, rules(), world.stats, world.tasks)
    assert (await reloader.reload("SIGHUP")).result == "unchanged"
    assert turned.is_set()


async def _set(event: asyncio.Event) -> None:
    event.set()
