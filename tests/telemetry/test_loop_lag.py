"""The loop's lateness is measured by a timer that leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from sidecar.telemetry.loop_lag import PERIOD, LoopLag
from sidecar.telemetry.stats import Stats


class Handle:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """A loop that is as late as the test wants."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked: list[tuple[float, Callable[[], None], Handle]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        handle = Handle()
        self.asked.append((when, callback, handle))
        return handle

    def run(self, late: float) -> None:
        when, callback, _ = self.asked.pop()
        self.now = when + late
        callback()


def test_the_gauge_is_how_late_the_timer_was() -> None:
    loop, stats = Loop(), Stats()
    LoopLag(loop, stats).start()
    loop.run(late=0.3)
    assert stats.loop_lag == pytest.approx(0.3)


def test_the_worst_of_ten_seconds_is_kept_and_then_forgotten() -> None:
    loop, stats = Loop(), Stats()
    LoopLag(loop, stats).start()
    loop.run(late=0.5)
    for _ in range(round(10 / PERIOD) - 1):
        loop.run(late=0.001)
        assert stats.loop_lag == pytest.approx(0.5)
    loop.run(late=0.001)
    assert stats.loop_lag == pytest.approx(0.001)


def test_a_timer_that_is_early_is_not_late() -> None:
    loop, stats = Loop(), Stats()
    LoopLag(loop, stats).start()
    loop.run(late=-0.001)
    assert stats.loop_lag == 0.0


def test_a_stall_delays_the_next_call_instead_of_piling_up() -> None:
    loop, stats = Loop(), Stats()
    LoopLag(loop, stats).start()
    loop.run(late=5.0)
    assert [when for when, _, _ in loop.asked] == [loop.now + PERIOD]


def test_stopping_leaves_no_timer() -> None:
    loop, stats = Loop(), Stats()
    lag = LoopLag(loop, stats)
    lag.start()
    lag.start()
    loop.run(late=0.2)
    assert len(loop.asked) == 1
    lag.stop()
    lag.stop()
    assert loop.asked[0][2].cancelled
    assert stats.loop_lag == 0.0


async def test_it_measures_a_real_loop() -> None:
    loop = asyncio.get_running_loop()
    stats = Stats()
    called = asyncio.Event()

    class Seen(LoopLag):
        __slots__ = ()

        def _called(self) -> None:
            super()._called()
            called.set()

    lag = Seen(loop, stats)
    lag.start()
    await called.wait()
    lag.stop()
    assert stats.loop_lag == 0.0


def test_the_samples_and_the_worst_since_the_start_are_told() -> None:
    loop = Loop()
    lag = LoopLag(loop, Stats())
    assert lag.told() == {"period": PERIOD, "samples": [], "worst": 0.0, "worst_ago": None}
    lag.start()
    loop.run(late=0.5)
    for _ in range(40):
        loop.run(late=0.0)
    told = lag.told()
    assert told["samples"] == [0.0] * 40
    assert told["worst"] == pytest.approx(0.5)
    assert told["worst_ago"] == pytest.approx(40 * PERIOD)
