"""Where the loop's thread is, is found by a thread beside it, which ends when nobody waits for it any more."""

import asyncio
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import Any, cast

import pytest

from sidecar.debug import sampler as module
from sidecar.debug.sampler import FRAMELESS, IDLE, OTHER, Sampler, profile


def stand(entered: threading.Event, leave: threading.Lock) -> None:
    entered.set()
    leave.acquire()


def sampled(times: int, *, at_its_loop: bool = False) -> dict[str, Any]:
    """What so many samples tell of a thread that stands in `stand`; `at_its_loop`: and that is where its loop waits."""
    entered, leave = threading.Event(), threading.Lock()
    leave.acquire()
    thread = threading.Thread(target=stand, args=(entered, leave))
    thread.start()
    entered.wait()
    try:
        ident = thread.ident or 0
        sampler = Sampler(ident, standing(ident) if at_its_loop else None, 1)
        sampler.start()
        for _ in range(times):
            sampler.sample()
        sampler.stop()
    finally:
        leave.release()
        thread.join()
    return cast("dict[str, Any]", sampler.told())


def standing(ident: int) -> FrameType:
    """The frame of `stand`, once the thread does nothing else any more."""
    while (frame := sys._current_frames()[ident]).f_code is not stand.__code__:
        time.sleep(0)
    return frame


def test_a_stack_is_counted_with_the_outermost_function_first() -> None:
    told = sampled(2)
    assert told["samples"] == sum(count for _, count in told["stacks"]) == 2
    stack = told["stacks"][-1][0]
    assert stack[0].startswith("threading.py:Thread._bootstrap")
    assert "tests/debug/test_sampler.py:stand" in stack


def test_a_thread_that_waits_at_its_loop_has_no_stack() -> None:
    told = sampled(3, at_its_loop=True)
    assert {stack for stack, _ in told["stacks"]} <= {(IDLE,), (FRAMELESS,)}
    assert sum(count for _, count in told["stacks"]) == 3


def test_stacks_beyond_the_bound_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_STACKS", 0)
    assert sampled(1)["stacks"] == [((OTHER,), 1)]


@pytest.mark.both_loops
async def test_what_a_callback_runs_is_told_from_the_callback_on() -> None:
    stopped = False

    def busy() -> None:
        end = time.monotonic() + 0.05
        while time.monotonic() < end:
            pass
        if not stopped:
            asyncio.get_running_loop().call_soon(busy)

    busy()
    mine: list[tuple[str, ...]] = []
    async with asyncio.timeout(30):
        while not mine:
            told = cast("dict[str, Any]", await profile(0.3, 500))
            mine = [stack for stack, _ in told["stacks"] if stack[0].endswith("<locals>.busy")]
    stopped = True
    assert told["samples"] == sum(count for _, count in told["stacks"])
    assert not [stack for stack, _ in told["stacks"] if "base_events.py" in stack[0]]


def test_time_without_a_frame_is_work_as_far_as_the_processors_clock_says() -> None:
    sampler = Sampler(threading.get_ident(), None, 100)
    sampler._counts[()] = 10
    told = dict(sampler._stacks(10, 0.3))
    assert told == {(IDLE,): 7, (FRAMELESS,): 3}
    assert dict(sampler._stacks(10, None)) == {(IDLE,): 10}


async def test_whoever_leaves_ends_the_samples() -> None:
    before = sys.getswitchinterval()
    task = asyncio.ensure_future(profile(60.0, 100))
    async with asyncio.timeout(10):
        while not any(thread.name == "profile" for thread in threading.enumerate()):
            await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert not [thread for thread in threading.enumerate() if thread.name == "profile"]
    assert sys.getswitchinterval() == before
