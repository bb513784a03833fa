"""The loop's own life sign."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sidecar.app.watchdog import Pulse
from tests.doubles.timers import Timers


def heard(timers: Timers, beats: list[float]) -> Callable[[], bool]:
    """Beats that are, and when."""

    def beat() -> bool:
        beats.append(timers.now)
        return True

    return beat


def test_it_beats_at_once_and_then_twice_within_the_time() -> None:
    timers: Any = Timers()
    beats: list[float] = []
    Pulse(30.0, heard(timers, beats), timers).start()
    timers.pass_by(60.0)
    assert beats == [0.0, 15.0, 30.0, 45.0, 60.0]


def test_one_that_was_not_heard_is_given_again_long_before_the_time_is_over() -> None:
    timers: Any = Timers()
    beats: list[float] = []
    taken = iter([True, False, False, True, True])

    def beat() -> bool:
        beats.append(timers.now)
        return next(taken)

    Pulse(16.0, beat, timers).start()
    timers.pass_by(18.0)
    assert beats == [0.0, 8.0, 9.0, 10.0, 18.0]


def test_once_stopped_it_is_silent() -> None:
    timers: Any = Timers()
    beats: list[float] = []
    pulse = Pulse(2.0, heard(timers, beats), timers)
    pulse.stop()
    pulse.start()
    pulse.stop()
    timers.pass_by(10.0)
    assert beats == [0.0]
