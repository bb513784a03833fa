"""Tasks are kept, named, heard when they fail, and ended together."""

from __future__ import annotations

import asyncio
import time

import pytest

from sidecar.transport.tasks import BEGAN, Tasks


async def test_a_task_is_kept_until_it_ends() -> None:
    tasks = Tasks(asyncio.get_running_loop())
    go = asyncio.Event()

    async def work() -> None:
        await go.wait()

    task = tasks.start(work(), "work")
    assert len(tasks) == 1
    assert task.get_name() == "work"
    assert BEGAN[task] <= time.monotonic()
    go.set()
    await task
    await asyncio.wait([task])
    assert len(tasks) == 0


async def test_a_failure_is_logged_under_the_name(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(asyncio.get_running_loop())

    async def work() -> None:
        raise RuntimeError("a bug")

    task = tasks.start(work(), "the work")
    await asyncio.wait([task])
    await tasks.close()
    assert "task the work failed" in caplog.text
    assert "a bug" in caplog.text


async def test_close_cancels_and_waits_silently(caplog: pytest.LogCaptureFixture) -> None:
    tasks = Tasks(asyncio.get_running_loop())
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    tasks.start(work(), "one")
    tasks.start(work(), "two")
    await asyncio.sleep(0)
    await tasks.close()
    assert ended == [True, True]
    assert len(tasks) == 0
    assert not caplog.records
