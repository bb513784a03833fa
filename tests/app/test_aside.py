"""Work beside the loop: its result, its failure, and an end that does not wait for it."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import suppress

import pytest

from sidecar.app.aside import aside, short_turns

# A read that never comes back; the process ends all the same.
STUCK = """
import asyncio, threading
from sidecar.app.aside import aside

async def main():
    begun = threading.Event()
    task = asyncio.ensure_future(aside(lambda: (begun.set(), threading.Event().wait())))
    await asyncio.to_thread(begun.wait)
    task.cancel()

asyncio.run(main())
print("ended")
"""


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What work waits for; open in the end, so that no thread stays."""
    made = threading.Event()
    yield made
    made.set()


async def test_what_it_returns_and_what_it_raises_is_heard() -> None:
    assert await aside(lambda: threading.current_thread() is threading.main_thread()) is False
    with pytest.raises(ZeroDivisionError):
        await aside(lambda: 1 // 0)


async def test_what_failed_work_has_made_goes_with_its_error_and_needs_no_collector() -> None:
    class Tree:
        """All that was read until it failed."""

    made: list[weakref.ref[Tree]] = []

    def work() -> None:
        tree = Tree()
        made.append(weakref.ref(tree))
        raise ValueError(str(tree))

    gc.disable()
    try:
        with suppress(ValueError):
            await aside(work)
        assert made[0]() is None
    finally:
        gc.enable()


async def test_the_loop_goes_on_meanwhile(gate: threading.Event) -> None:
    task = asyncio.ensure_future(aside(gate.wait))
    await asyncio.sleep(0)
    assert not task.done()
    gate.set()
    assert await task


async def test_whoever_leaves_is_told_nothing_more(gate: threading.Event) -> None:
    ended = threading.Event()

    def work() -> None:
        gate.wait()
        ended.set()

    task = asyncio.ensure_future(aside(work))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    await asyncio.to_thread(ended.wait)


def test_a_process_ends_although_a_read_never_does() -> None:
    done = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "ended\n"


def test_turns_are_as_short_as_anybody_wants_them_and_then_as_they_were() -> None:
    usual = sys.getswitchinterval()
    long, short = short_turns(0.002), short_turns(0.001)
    long.__enter__()
    assert sys.getswitchinterval() == pytest.approx(0.002)
    short.__enter__()
    assert sys.getswitchinterval() == pytest.approx(0.001)
    long.__exit__(None, None, None)  # not in the order they began
    assert sys.getswitchinterval() == pytest.approx(0.001)
    short.__exit__(None, None, None)
    assert sys.getswitchinterval() == usual
