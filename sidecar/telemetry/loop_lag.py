"""How late the event loop is: the first thing to look at when everything is slow and no backend is.

A timer asks to be called and measures how much later it is. Four calls a second cost nothing and see every stall of a
quarter of a second; shorter ones are seen as often as they fall on a call.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from sidecar.telemetry.stats import Stats

PERIOD = 0.25
# Scrapes are 15 to 60 seconds apart, so a gauge of this very moment would miss nearly all; the worst of the last ten
# seconds is what an alert wants.
_KEPT = 40


class TimerHandle(Protocol):
    """A call to come."""

    def cancel(self) -> None:
        """Takes it back."""


class TimerLoop(Protocol):
    """What is asked of an event loop."""

    def time(self) -> float:
        """Monotonic seconds."""

    def call_at(self, when: float, callback: Callable[[], None]) -> TimerHandle:
        """Calls at an instant of `time`."""


class LoopLag:
    """Keeps `stats.loop_lag` at the worst lateness of the last ten seconds, from `start` until `stop`."""

    __slots__ = ("_due", "_handle", "_lags", "_loop", "_stats", "_worst", "_worst_at")

    def __init__(self, loop: TimerLoop, stats: Stats) -> None:
        self._loop = loop
        self._stats = stats
        self._lags: deque[float] = deque(maxlen=_KEPT)
        self._due = 0.0
        self._worst = self._worst_at = 0.0
        self._handle: TimerHandle | None = None

    def start(self) -> None:
        """Begin to measure; a second call changes nothing."""
        if self._handle is None:
            self._ask()

    def stop(self) -> None:
        """Measure no more and leave no timer behind; the gauge goes to zero."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self._lags.clear()
        self._stats.loop_lag = 0.0

    def told(self) -> Mapping[str, object]:
        """The samples of the last ten seconds, the oldest first, and the worst since the start; all in seconds."""
        return {
            "period": PERIOD,
            "samples": [round(lag, 6) for lag in self._lags],
            "worst": round(self._worst, 6),
            "worst_ago": round(self._loop.time() - self._worst_at, 3) if self._worst_at else None,
        }

    def _ask(self) -> None:
        self._due = self._loop.time() + PERIOD
        self._handle = self._loop.call_at(self._due, self._called)

    def _called(self) -> None:
        # uvloop rounds timers to milliseconds and may be early.
        now = self._loop.time()
        lag = max(0.0, now - self._due)
        self._lags.append(lag)
        if lag > self._worst:
            self._worst, self._worst_at = lag, now
        self._stats.loop_lag = round(max(self._lags), 6)
        self._ask()
