"""Objects are counted by their types, and what grows between two looks is named."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any, cast

import pytest

from sidecar.debug.memory import BITE, MemoryBook
from sidecar.debug.terms import BusyError, MemoryTerms


class Leaked:
    """Something that the collector knows of."""

    def __init__(self) -> None:
        self.me = [self]


NAME = f"{__name__}.Leaked"


def objects(told: dict[str, object]) -> dict[str, Any]:
    return cast("dict[str, Any]", told["objects"])


def test_what_grows_between_two_looks_is_named_by_its_type() -> None:
    book = MemoryBook(lambda seconds: None)
    first = objects(book.look(MemoryTerms(top=1000)))
    assert first["growing"] is None
    held = [Leaked() for _ in range(3000)]
    second = objects(book.look(MemoryTerms(top=1000)))
    (grown,) = [one for one in second["growing"] if one["type"] == NAME]
    assert (grown["grown"], grown["count"]) == (len(held), len(held))
    (counted,) = [one for one in second["types"] if one["type"] == NAME]
    assert counted["grown"] == len(held)
    assert counted["bytes"] >= 16 * len(held)


def test_the_most_frequent_types_come_first_and_no_more_than_asked_for() -> None:
    types = objects(MemoryBook(lambda seconds: None).look(MemoryTerms(top=5)))["types"]
    counts = [one["count"] for one in types]
    assert len(counts) == 5
    assert counts == sorted(counts, reverse=True)
    assert {one["grown"] for one in types} == {None}


def test_it_counts_in_bites_with_a_pause_after_each() -> None:
    pauses: list[float] = []
    held = [Leaked() for _ in range(2 * BITE)]
    count = objects(MemoryBook(pauses.append).look(MemoryTerms(top=1)))["count"]
    assert count >= len(held)
    assert len(pauses) >= count // BITE


def test_nothing_is_counted_where_no_type_is_asked_for() -> None:
    told = MemoryBook(lambda seconds: pytest.fail("it counted")).look(MemoryTerms(top=0))
    assert told["objects"] is None
    assert told["trace"] is None


def test_the_process_and_the_collector_are_told_of() -> None:
    told = cast("dict[str, Any]", MemoryBook(lambda seconds: None).look(MemoryTerms(top=0)))
    assert told["peak_resident_bytes"] >= 1 << 20
    assert told["resident_bytes"] is None or told["resident_bytes"] >= 1 << 20
    assert told["peak_resident_bytes"] >= (told["resident_bytes"] or 0)
    assert len(told["collector"]["counts"]) == len(told["collector"]["thresholds"]) == 3


def test_one_look_is_taken_at_a_time() -> None:
    entered, leave = threading.Event(), threading.Event()

    def pause(seconds: float) -> None:
        entered.set()
        leave.wait()

    book = MemoryBook(pause)
    thread = threading.Thread(target=book.look, args=(MemoryTerms(),))
    thread.start()
    try:
        entered.wait()
        with pytest.raises(BusyError, match="another look at the memory is under way"):
            book.look(MemoryTerms())
    finally:
        leave.set()
        thread.join()
    assert book.look(MemoryTerms(top=0))["objects"] is None


def test_tracing_is_started_looked_at_and_stopped_by_its_terms() -> None:
    book = MemoryBook(lambda seconds: None)
    try:
        started = cast("dict[str, Any]", book.look(MemoryTerms(top=5, trace="start", frames=3)))
        assert started["trace"]["frames"] == 3
        assert book.look(MemoryTerms(top=5))["trace"] is not None
    finally:
        assert book.look(MemoryTerms(top=0, trace="stop"))["trace"] is None


def test_tracing_that_is_forgotten_ends_by_itself(caplog: pytest.LogCaptureFixture) -> None:
    book = MemoryBook(lambda seconds: None, forgotten=0.0)
    book.look(MemoryTerms(top=0, trace="start"))
    if (ending := book._ending) is not None:  # it may be over already
        ending.join(30)
    assert not tracemalloc.is_tracing()
    assert "nobody has looked" in caplog.text


def test_every_look_puts_the_end_of_tracing_off_and_stopping_it_leaves_no_thread() -> None:
    book = MemoryBook(lambda seconds: None)
    book.look(MemoryTerms(top=0, trace="start"))
    first = book._ending
    book.look(MemoryTerms(top=0))
    second = book._ending
    assert first is not None
    assert second is not None
    assert second is not first
    first.join(30)
    book.look(MemoryTerms(top=0, trace="stop"))
    second.join(30)
    assert (book._ending, tracemalloc.is_tracing()) == (None, False)
