"""Tasks and threads are found, each where it stands."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from sidecar.debug import stacks
from sidecar.transport.tasks import BEGAN, Tasks


async def outer(gate: asyncio.Event) -> None:
    await inner(gate)


async def inner(gate: asyncio.Event) -> None:
    await gate.wait()


@pytest.fixture
async def gate() -> AsyncIterator[asyncio.Event]:
    """What a task of the name `waits` stands before."""
    tasks, made = Tasks(asyncio.get_running_loop()), asyncio.Event()
    task = tasks.start(outer(made), "waits")
    tasks.start(_await(task), "waits for a task")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    yield made
    await tasks.close()


async def _await(task: asyncio.Task[None]) -> None:
    await task


def told(name: str) -> dict[str, Any]:
    every = cast("list[dict[str, Any]]", stacks.tasks(BEGAN, time.monotonic())["tasks"])
    return next(one for one in every if one["name"] == name)


async def test_a_task_that_waits_is_told_by_its_chain_of_coroutines(gate: asyncio.Event) -> None:
    one = told("waits")
    assert one["coroutine"] == "outer"
    assert one["state"] == "waiting"
    assert [line.partition(" ")[2] for line in one["stack"]] == ["outer", "inner", "Event.wait"]
    assert one["stack"][0].startswith("tests/debug/test_stacks.py:")
    assert one["waits_for"] == "Future"


async def test_how_old_a_task_is_is_known_of_those_that_our_keeper_started(gate: asyncio.Event) -> None:
    assert told("waits")["age_seconds"] >= 0
    current = asyncio.current_task()
    assert current is not None
    one = told(current.get_name())
    assert (one["age_seconds"], one["state"], one["waits_for"]) == (None, "running", None)


async def test_a_task_that_waits_for_another_names_it(gate: asyncio.Event) -> None:
    assert told("waits for a task")["waits_for"] == "task waits"


async def test_of_many_tasks_the_first_are_told_and_all_are_counted(
    gate: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "MOST_TASKS", 1)
    seen = stacks.tasks(BEGAN, time.monotonic())
    assert [one["name"] for one in cast("list[dict[str, Any]]", seen["tasks"])] == ["waits"]
    assert seen["count"] == len(asyncio.all_tasks())


async def test_threads_are_told_with_their_stacks_and_which_runs_the_loop() -> None:
    entered, leave = threading.Event(), threading.Event()

    def stand() -> None:
        entered.set()
        leave.wait()

    thread = threading.Thread(target=stand, name="stands still")
    thread.start()
    try:
        entered.wait()
        seen: dict[object, dict[str, Any]] = {one["name"]: one for one in stacks.threads()}
    finally:
        leave.set()
        thread.join()
    assert (seen["MainThread"]["loop"], seen["stands still"]["loop"]) == (True, False)
    assert any(line.endswith("<locals>.stand") for line in seen["stands still"]["stack"])
    assert seen["MainThread"]["stack"][-1].endswith(" threads")
