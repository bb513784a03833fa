"""As much of an event loop as sets timers, on a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Timer:
    """What `call_later` gives."""

    def __init__(self, at: float, work: Callable[[], object]) -> None:
        self.at = at
        self.work = work

    def cancel(self) -> None:
        """It is not called any more."""
        self.at = float("inf")


class Timers:
    """`now` is where the clock stands."""

    def __init__(self) -> None:
        self.now = 0.0
        self._set: list[Timer] = []

    def call_later(self, seconds: float, work: Callable[..., object], *given: Any) -> Any:
        """See asyncio.AbstractEventLoop."""
        timer = Timer(self.now + seconds, lambda: work(*given))
        self._set.append(timer)
        return timer

    def due(self) -> list[float]:
        """In how many seconds each of them is called, in the order in which they were set."""
        return [one.at - self.now for one in self._set if one.at != float("inf")]

    def pass_by(self, seconds: float) -> None:
        """Moves the clock, and calls what comes due on the way at its time."""
        end = self.now + seconds
        while due := [one for one in self._set if one.at <= end]:
            timer = min(due, key=lambda one: one.at)
            self._set.remove(timer)
            self.now = timer.at
            timer.work()
        self.now = end

    def jump(self, seconds: float) -> None:
        """Moves the clock as for a process that was frozen: whatever is late is called once, now."""
        self.now += seconds
        for timer in [one for one in self._set if one.at <= self.now]:
            self._set.remove(timer)
            timer.work()
