"""The backend's capacity is what it says, its line is in order, and work for a caller that has gone is done."""

import asyncio
import heapq
import itertools
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from benchmarks.overload_backend import Backend, Connection, Line


class Clock:
    """The little of an event loop that the backend asks for, in virtual time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._due, (when, next(self._order), call, arguments))

    def run(self) -> None:
        while self._due:
            self.now, _, call, arguments = heapq.heappop(self._due)
            call(*arguments)


class Caller:
    """A transport that keeps what was written."""

    def __init__(self, backend: Backend) -> None:
        self.got = b""
        self.connection = Connection(backend)
        self.connection.connection_made(cast(asyncio.BaseTransport, self))

    def ask(self, path: str) -> None:
        self.connection.data_received(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())

    def write(self, data: bytes) -> None:
        self.got += data

    def is_closing(self) -> bool:
        return False

    def state(self) -> dict[str, int]:
        self.got = b""
        self.ask("/state")
        found: dict[str, int] = json.loads(self.got.rpartition(b"\r\n\r\n")[2])
        return found


def line(places: int = 1, sigma: float = 0.0) -> Line[Connection]:
    return Line(places, 0.02, sigma, seed=1)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def backend(clock: Clock, of: Line[Connection]) -> Backend:
    return Backend(of, cast(asyncio.AbstractEventLoop, clock))


def test_it_does_places_by_mean_requests_a_second() -> None:
    places: Line[int] = Line(10, 0.02, 0.5, seed=1)
    ends = [end for number in range(20_000) if (end := places.arrive(0.0, number)) is not None]
    heapq.heapify(ends)
    last = 0.0
    while ends:
        last = heapq.heappop(ends)
        following = places.done(last)
        if following is not None:
            heapq.heappush(ends, following[1])
    assert 20_000 / last == pytest.approx(500, rel=0.02)


def test_a_place_that_is_told_late_has_lost_nothing() -> None:
    places: Line[str] = Line(1, 0.02, 0.0, seed=1)
    first = places.arrive(0.0, "first")
    assert first is not None
    assert places.arrive(0.001, "second") is None
    following = places.done(first)
    assert following is not None
    assert following[0] == "second"
    assert following[1] == pytest.approx(0.04)


def test_who_came_first_is_served_first() -> None:
    places: Line[int] = Line(1, 0.02, 0.5, seed=1)
    end = places.arrive(0.0, 0)
    assert [places.arrive(0.0, number) for number in range(1, 5)] == [None] * 4
    served = []
    while end is not None and (following := places.done(end)) is not None:
        number, end = following
        served.append(number)
    assert served == [1, 2, 3, 4]


def test_a_place_nobody_waits_for_is_free_again() -> None:
    places: Line[str] = Line(1, 0.02, 0.0, seed=1)
    end = places.arrive(0.0, "one")
    assert end is not None
    assert places.done(end) is None
    assert places.arrive(1.0, "two") == pytest.approx(1.02)


def test_work_for_a_caller_that_has_gone_is_done_and_wasted(clock: Clock) -> None:
    behind = backend(clock, line())
    gone, patient = Caller(behind), Caller(behind)
    gone.ask("/job")
    patient.ask("/job")
    gone.connection.connection_lost(None)
    clock.run()
    assert (gone.got, patient.got[:12]) == (b"", b"HTTP/1.1 200")
    assert clock.now == pytest.approx(0.04), "the second waited for the first although nobody wanted that any more"
    assert patient.state() == {"arrived": 2, "answered": 1, "wasted": 1, "waiting": 0}


def test_a_change_of_pace_holds_for_what_begins_after_it(clock: Clock) -> None:
    caller = Caller(backend(clock, line()))
    caller.ask("/job")
    caller.ask("/pace/3")
    caller.ask("/job")
    clock.run()
    assert clock.now == pytest.approx(0.08)


def test_other_paths_do_not_wait_for_a_place(clock: Clock) -> None:
    behind = backend(clock, line())
    Caller(behind).ask("/job")
    caller = Caller(behind)
    caller.ask("/ready")
    assert caller.got.startswith(b"HTTP/1.1 200")
    caller.ask("/nowhere")
    assert b"HTTP/1.1 404" in caller.got


def test_a_head_in_pieces_is_one_request(clock: Clock) -> None:
    caller = Caller(backend(clock, line()))
    for byte in b"GET /ready HTTP/1.1\r\n\r\n":
        caller.connection.data_received(bytes([byte]))
    assert caller.got.count(b"HTTP/1.1 200") == 1
