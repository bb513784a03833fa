"""The looks into this process, each on the thread where it does no harm."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import tracemalloc
from typing import Any, cast

import pytest

from sidecar.app.inspection import Inspection
from sidecar.debug.terms import BusyError, LoopTerms, MemoryTerms, ProfileTerms, TaskTerms
from tests.doubles.process import ROOT


async def test_tasks_are_told() -> None:
    told = cast("dict[str, Any]", await Inspection().answer(TaskTerms()))
    assert told["count"] == len(asyncio.all_tasks())
    assert "MainThread" in [one["name"] for one in told["threads"]]


async def test_memory_is_told_and_tracing_left_as_it_was_asked_for() -> None:
    inspection = Inspection()
    usual = sys.getswitchinterval()
    try:
        started = cast("dict[str, Any]", await inspection.answer(MemoryTerms(top=3, trace="start")))
        assert started["trace"]["growing"] is not None
    finally:
        stopped = cast("dict[str, Any]", await inspection.answer(MemoryTerms(top=3, trace="stop")))
    assert len(stopped["objects"]["types"]) == 3
    assert not tracemalloc.is_tracing()
    assert sys.getswitchinterval() == usual


async def test_the_loop_is_told_with_what_its_owner_measures() -> None:
    told = await Inspection(lambda: {"worst": 0.5}, lambda: 3).answer(LoopTerms())
    assert (told["lag"], told["deadlines"], told["collector_pauses"]) == ({"worst": 0.5}, 3, None)
    assert cast("dict[str, Any]", told["descriptors"])["open"] >= 0


async def test_the_collector_is_watched_for_as_long_as_asked() -> None:
    told = cast("dict[str, Any]", await Inspection().answer(LoopTerms(0.05)))
    assert told["collector_pauses"]["watched_seconds"] >= 0.04


async def test_one_profile_is_taken_at_a_time_and_ends_with_whoever_asked() -> None:
    inspection = Inspection()
    usual = sys.getswitchinterval()
    first = asyncio.ensure_future(inspection.answer(ProfileTerms(60.0, 50)))
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="a profile is under way"):
        await inspection.answer(ProfileTerms(0.1, 50))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not [thread for thread in threading.enumerate() if thread.name == "profile"]
    assert sys.getswitchinterval() == usual
    told = cast("dict[str, Any]", await inspection.answer(ProfileTerms(0.1, 50)))
    assert told["samples"] == sum(count for _, count in told["stacks"])


def test_a_proxy_is_made_without_importing_what_only_a_look_needs() -> None:
    code = (
        "import sys, sidecar.app.wiring, sidecar.app.admin_door, sidecar.app.merged_oversight\n"
        "print([one for one in ('tracemalloc', 'sidecar.debug.memory', 'sidecar.debug.sampler') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")
