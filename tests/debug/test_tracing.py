"""A leak shows as growth by the line that made it."""

import tracemalloc
from collections.abc import Iterator
from typing import Any, cast

import pytest

from sidecar.debug import tracing
from sidecar.debug.tracing import Tracing


@pytest.fixture
def trace() -> Iterator[Tracing]:
    made = Tracing(lambda: None)
    yield made
    made.stop()


def leak(held: list[bytearray], count: int) -> str:
    """Hold so many kilobytes more; the line that does."""
    for number in range(count):
        held += [bytearray(1024 + number % 2)]  # this line
    return f"tests/debug/test_tracing.py:{leak.__code__.co_firstlineno + 3}"


def growing(told: dict[str, object] | None) -> list[dict[str, Any]]:
    assert told is not None
    return cast("list[dict[str, Any]]", told["growing"])


def test_what_is_held_more_than_before_is_told_by_its_line(trace: Tracing) -> None:
    held: list[bytearray] = []
    trace.start(1)
    line = leak(held, 200)
    first = growing(trace.look(5))[0]
    assert first["at"] == [line]
    assert first["grown_bytes"] >= 200 * 1024
    assert first["grown_blocks"] >= 200
    leak(held, 100)
    second = growing(trace.look(5))[0]
    assert second["at"] == [line]
    assert 100 * 1024 <= second["grown_bytes"] < 200 * 1024
    assert second["bytes"] >= 300 * 1024


def test_what_is_held_no_more_has_not_grown(trace: Tracing) -> None:
    held: list[bytearray] = []
    trace.start(1)
    line = leak(held, 50)
    trace.look(5)
    held.clear()
    assert [line] not in [one["at"] for one in growing(trace.look(1000))]


def test_with_more_frames_the_callers_are_told_the_innermost_first(trace: Tracing) -> None:
    held: list[bytearray] = []
    trace.start(2)
    line = leak(held, 100)
    here = test_with_more_frames_the_callers_are_told_the_innermost_first.__code__.co_firstlineno + 3
    assert growing(trace.look(5))[0]["at"] == [line, f"tests/debug/test_tracing.py:{here}"]


def test_its_own_lines_are_not_told(trace: Tracing) -> None:
    trace.start(1)
    trace.look(5)
    lines = [one["at"][0] for one in growing(trace.look(1000))]
    assert [line for line in lines if line.startswith(("sidecar/debug/tracing", "tracemalloc"))] == []


def test_it_pauses_between_its_bites(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "_BITE", 10)
    pauses: list[None] = []
    trace = Tracing(lambda: pauses.append(None))
    held: list[bytearray] = []
    trace.start(1)
    try:
        leak(held, 100)
        trace.look(5)
    finally:
        trace.stop()
    assert len(pauses) >= 10


def test_off_it_tells_nothing_and_stopped_it_forgets(trace: Tracing) -> None:
    assert trace.look(5) is None
    trace.start(1)
    assert tracemalloc.is_tracing()
    trace.stop()
    assert not tracemalloc.is_tracing()
    assert trace.look(5) is None
