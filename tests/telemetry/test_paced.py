"""Lines come at an even pace, whatever pace they arrive at; time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.telemetry.paced import Paced
from sidecar.transport.tasks import Tasks
from tests.transport.doubles import VirtualLoop


class Page:
    """Where the lines go, and when they came."""

    def __init__(self, loop: VirtualLoop, rate: float) -> None:
        self.loop = loop
        self.lines: list[tuple[float, bytes]] = []
        self.tasks = Tasks(loop)
        self.paced = Paced(self._put, self.tasks.start, rate)

    def _put(self, line: bytes) -> None:
        self.lines.append((self.loop.time(), line))

    def offer(self, count: int) -> int:
        """How many of these found a place."""
        taken = 0
        for number in range(count):
            if self.paced.has_room:
                self.paced(b"%d" % number)
                taken += 1
        return taken

    def times(self) -> list[float]:
        return [when for when, _ in self.lines]


@pytest.fixture
def virtual() -> Iterator[VirtualLoop]:
    loop = VirtualLoop()
    yield loop
    loop.close()
    assert not loop.errors, loop.errors


def test_lines_come_in_order_and_evenly(virtual: VirtualLoop) -> None:
    page = Page(virtual, 5.0)
    page.offer(5)
    virtual.advance(0.9)
    assert [line for _, line in page.lines] == [b"0", b"1", b"2", b"3", b"4"]
    assert [after - before for before, after in pairwise(page.times())] == pytest.approx([0.2] * 4, abs=0.01)


def test_the_task_is_there_only_while_lines_wait(virtual: VirtualLoop) -> None:
    page = Page(virtual, 10.0)
    assert len(page.tasks) == 0
    page.offer(3)
    assert len(page.tasks) == 1
    virtual.advance(1.0)
    assert len(page.tasks) == 0
    page.offer(1)
    virtual.advance(1.0)
    assert len(page.lines) == 4


def test_a_second_s_lines_wait_and_no_more(virtual: VirtualLoop) -> None:
    page = Page(virtual, 20.0)
    assert page.offer(100) == 20
    virtual.advance(1.1)
    assert len(page.lines) == 20
    assert page.paced.has_room


def test_a_line_a_minute_is_a_pace_too(virtual: VirtualLoop) -> None:
    page = Page(virtual, 1 / 60)
    assert page.offer(2) == 1
    virtual.advance(1.0)
    assert page.offer(2) == 1
    virtual.advance(50.0)
    assert len(page.lines) == 1
    virtual.advance(10.0)
    assert len(page.lines) == 2


def test_another_pace_counts_from_the_next_line_on(virtual: VirtualLoop) -> None:
    page = Page(virtual, 1.0)
    page.paced.keep_to(100.0)
    assert page.offer(200) == 100
    virtual.advance(1.1)
    assert len(page.lines) == 100


def test_a_flush_lets_out_what_waits(virtual: VirtualLoop) -> None:
    page = Page(virtual, 2.0)
    page.offer(2)
    page.paced.flush()
    assert [line for _, line in page.lines] == [b"0", b"1"]
    virtual.advance(5.0)
    assert len(page.lines) == 2


def test_a_task_that_is_cancelled_leaves_the_lines_for_the_flush(virtual: VirtualLoop) -> None:
    page = Page(virtual, 2.0)
    page.offer(2)
    virtual.turn()
    virtual.run(page.tasks.close())
    page.paced.flush()
    assert len(page.lines) == 2


@given(
    st.floats(0.1, 1000.0),
    st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 50)), max_size=12),
)
def test_no_second_has_more_lines_than_the_rate_and_its_burst(rate: float, arrivals: list[tuple[float, int]]) -> None:
    loop = VirtualLoop()
    try:
        page = Page(loop, rate)
        taken = 0
        for pause, count in arrivals:
            if pause:
                loop.run(asyncio.sleep(pause))
            taken += page.offer(count)
        loop.run(asyncio.sleep(1.0 / rate + 3.0))
        assert len(page.lines) == taken
        times = page.times()
        for start in times:
            assert sum(start <= when < start + 1.0 for when in times) <= rate + max(1.0, rate * 0.1) + 1
    finally:
        loop.close()
