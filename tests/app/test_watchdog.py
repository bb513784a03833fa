"""The loop's own life sign."""

from __future__ import annotations

from typing import Any

from sidecar.app.watchdog import Pulse
from tests.doubles.timers import Timers


def test_it_beats_at_once_and_then_twice_within_the_time() -> None:
    timers: Any = Timers()
    beats: list[float] = []
    Pulse(30.0, lambda: beats.append(timers.now), timers).start()
    timers.pass_by(60.0)
    assert beats == [0.0, 15.0, 30.0, 45.0, 60.0]


def test_once_stopped_it_is_silent() -> None:
    timers: Any = Timers()
    beats: list[float] = []
    pulse = Pulse(2.0, lambda: beats.append(timers.now), timers)
    pulse.stop()
    pulse.start()
    pulse.stop()
    timers.pass_by(10.0)
    assert beats == [0.0]
