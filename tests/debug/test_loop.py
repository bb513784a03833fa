"""The loop is told of by what it is and what it looks after; the collector's pauses while somebody watches."""

import asyncio
import gc
import os
from itertools import count
from typing import Any, cast

import pytest

from sidecar.debug import loop as module
from sidecar.debug.loop import CollectorWatch, descriptors, facts


@pytest.mark.both_loops
async def test_the_loop_is_named_with_what_it_looks_after() -> None:
    told = facts(lambda: {"worst": 0.5}, lambda: 7)
    running = asyncio.get_running_loop()
    assert str(told["loop"]).startswith(f"{type(running).__module__}.{type(running).__qualname__}")
    assert (told["lag"], told["deadlines"], told["tasks"]) == ({"worst": 0.5}, 7, len(asyncio.all_tasks()))


async def test_what_nobody_measures_is_null() -> None:
    told = facts(None, None)
    assert (told["lag"], told["deadlines"]) == (None, None)


def test_descriptors_are_counted_by_their_kind() -> None:
    before = cast("dict[str, Any]", descriptors())
    reader, writer = os.pipe()
    try:
        after = cast("dict[str, Any]", descriptors())
    finally:
        os.close(reader)
        os.close(writer)
    assert after["kinds"].get("pipe", 0) == before["kinds"].get("pipe", 0) + 2
    assert after["open"] == sum(after["kinds"].values())
    assert after["limit"] <= after["hard_limit"] or after["hard_limit"] == -1


def test_a_system_that_does_not_tell_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FOLDER", "/nowhere/at/all")
    assert descriptors()["open"] == 0


def test_the_collectors_pauses_are_noted_only_while_it_is_watched() -> None:
    seconds = count(0.0, 0.25)
    watch = CollectorWatch(lambda: next(seconds))
    gc.collect()
    watched = list(gc.callbacks)
    with watch:
        assert len(gc.callbacks) == len(watched) + 1
        gc.collect(0)
        gc.collect(2)
    gc.collect()
    assert gc.callbacks == watched
    told = cast("dict[str, Any]", watch.told())
    assert [one["generation"] for one in told["longest"]][:2] == [2, 0]
    assert told["count"] == 2
    assert told["seconds"] == 0.5
