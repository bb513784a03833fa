"""The process that leads the workers: real ones, led from this process."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import sidecar
from sidecar.app import supervised as module
from sidecar.app.errors import CommandError, Exit
from sidecar.app.instance import Plan
from sidecar.app.lifecycle import Phase
from sidecar.app.supervised import Supervised
from sidecar.rules.load import Loaded
from sidecar.transport.sockets import BindError
from sidecar.workers.crew import Start
from tests.doubles.backend import Backend
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS
from tests.doubles.running import loaded, rules_text

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="several workers need memory files")


def rules(url: str, version: str = "one", more: str = "") -> Loaded:
    """Rules whose version shows in every answer."""
    text = rules_text(url, route=f"response_headers: {{set: {{x-rules: {version}}}}}")
    return loaded(rules=text.replace("admin:", f"{more}drain: {{announce: 0s}}\nadmin:"))


def ending_with(code: int) -> Callable[[Supervised, int, int], Start]:
    """A worker that ends at once."""
    return lambda self, slot, link: Start([sys.executable, "-S", "-c", f"raise SystemExit({code})"])


@asynccontextmanager
async def supervised(plan: Loaded, workers: int = 2) -> AsyncIterator[Supervised]:
    """An instance that has not been started, and is taken down."""
    one = Supervised(Plan(plan, lambda: plan, workers=workers))
    async with asyncio.timeout(2 * START_SECONDS):
        try:
            yield one
        finally:
            await one.close()
    assert one.crew.workers == []


async def versions(one: Supervised, times: int = 12) -> set[bytes | None]:
    """What so many clients, each on a connection of its own, find in force."""
    found = set()
    for _ in range(times):
        async with await Peer.connect(one.addresses[0].port) as peer:
            found.add((await peer.get()).get("x-rules"))
    return found


async def test_it_serves_once_every_worker_does_and_knows_where() -> None:
    async with Backend() as backend, supervised(rules(backend.url)) as one:
        assert one.lifecycle.phase.word == "starting"
        await one.start()
        assert one.lifecycle.phase.word == "serving"
        assert one.stats.workers_up == {0: True, 1: True}
        assert one.addresses[0].port > 0
        assert one.admin_address.port > 0
        assert await versions(one) == {b"one"}
        assert (one.stats.config_generation, one.stats.config_hash) == (1, rules(backend.url).digest)
        assert one.stats.config_reloaded_at > 0


async def test_when_one_worker_cannot_adopt_all_keep_the_rules_of_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    inner = f"  - {{name: inner, address: 'unix:{path}'}}\n"
    async with Backend() as backend, supervised(rules(backend.url, more=inner)) as one:
        await one.start()
        closed = inner.replace("}", ", unix: {mode: 600}}")
        adopting = rules(backend.url, "two", closed + "  - {name: second, address: 'unix:/nowhere/at/all'}\n")
        with pytest.raises(BindError):
            await one._adopt(adopting)
        assert path.stat().st_mode & 0o777 == 0o666
        places = one._places

        def nothing_new(slot: int, found: Loaded) -> tuple[object, list[int]]:
            return places(slot, found) if slot == 0 else ([], [])

        monkeypatch.setattr(one, "_places", nothing_new)
        adopting = rules(backend.url, "three", "  - {name: second, address: '127.0.0.2:0'}\n")
        with pytest.raises(BindError, match=r"worker 1: no socket for 127\.0\.0\.2:0 was handed down"):
            await one._adopt(adopting)
        assert await versions(one) == {b"one"}
        monkeypatch.setattr(one, "_places", places)
        await one._adopt(rules(backend.url, "four"))
        assert await versions(one) == {b"four"}


async def test_rules_that_came_while_a_worker_was_starting_reach_it() -> None:
    async with Backend() as backend, supervised(rules(backend.url)) as one:
        await one.start()
        worker = one.crew.workers[1]
        one._begun[worker] = rules(backend.url, "older")
        one._loaded = newer = rules(backend.url, "newer")
        await one._catch_up(worker)
        assert one._begun[worker] is newer
        while await versions(one) != {b"one", b"newer"}:  # the kernel may send all of them to one worker
            pass


async def test_a_signal_that_comes_before_the_workers_serve_is_not_waited_for() -> None:
    async with supervised(rules("http://127.0.0.1:1")) as one:
        starting = asyncio.ensure_future(one.start())
        while len(one.crew.workers) < 2:
            await asyncio.sleep(0)
        one.drain.begin("SIGTERM")
        await starting
        assert one.lifecycle.phase is Phase.DRAINING
        assert await one.drain.run() == 0


@pytest.mark.parametrize("code", [1, 3])
async def test_workers_that_never_serve_end_it_with_a_sentence(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    monkeypatch.setattr(Supervised, "_command", ending_with(code))
    monkeypatch.setattr("sidecar.workers.crew._FIRST_BOUND", 0.001)
    async with supervised(rules("http://127.0.0.1:1")) as one:
        with pytest.raises(CommandError, match=f"ended with exit code {code} before it was ready, 5 times") as failure:
            await one.start()
        assert failure.value.code == Exit.BROKEN  # a service manager starts it again: see docs/systemd.md


async def test_a_crew_that_can_no_longer_be_kept_drains_it_and_ends_it_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sidecar.workers.crew._FIRST_BOUND", 0.001)
    one = Supervised(Plan(rules("http://127.0.0.1:1"), lambda: rules("http://127.0.0.1:1"), workers=2))
    async with asyncio.timeout(2 * START_SECONDS):
        await one.start()
        monkeypatch.setattr(Supervised, "_command", ending_with(1))
        one.crew._command = one._command
        for worker in one.crew.workers:
            worker.kill()
        await one.lifecycle.reached(Phase.DRAINING)
        assert await one.drain.run() == 0
        with pytest.raises(CommandError, match="before it was ready, 5 times in a row"):
            await one.close()


def test_a_system_without_memory_files_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    with pytest.raises(CommandError, match="this system has no memory files, which several workers need; run one"):
        module._memory(2)


def test_workers_run_the_code_that_their_supervisor_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    environment = module._environment()
    assert environment["PYTHONPATH"] == f"{Path(sidecar.__file__).parents[1]}{os.pathsep}elsewhere"
    assert 0 < int(environment["PYTHONHASHSEED"]) < 1 << 32
    assert environment["PYTHONHASHSEED"] != module._environment()["PYTHONHASHSEED"]
