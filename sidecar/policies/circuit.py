"""The living state of one circuit breaker: what it has counted, where it stands, and every step from state to state.

    state      admits                  leaves for      when
    closed     all                     open            too many failed or slow attempts (the order is in `_record`)
    open       none                    half_open       its time is over: noticed when somebody asks, there is no timer
    half_open  some at a time, leased  closed          enough of them succeeded: empty window, first open time again
                                       open            one failed: twice the time
    any        -                       open, closed    by hand, and then it stays until it is given back

A probe succeeds when its answer is whole, or when its lease is over and its answer has begun well: one that lasts, an
event stream or a tunnel, ends too late to tell of a recovery. Should it break off after that and before the circuit has
moved, it has failed all the same: one failure opens a circuit in doubt, whenever it comes, and what succeeded before
says less than what is known last. It never succeeds twice. Leases end when somebody asks or tells, and the result is
the same as if a timer had ended each at its instant.

It lives on through a reload, and the machines of the rules before and after share it: a late result lands where it
belongs and is judged by the newest thresholds. Numbers of permits only grow, so that what belongs to an earlier state
is known by its number (the generation of gobreaker, v2/gobreaker.go). Knows no clock, no task and no rule's name.
"""

from __future__ import annotations

import math
import random

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.contract import NO_TIME, REFUSED
from sidecar.policies.units import show_duration
from sidecar.policies.window import Window

CLOSED = 0
OPEN = 1
HALF_OPEN = 2
WORDS = ("closed", "open", "half_open")

AUTO = 0
FORCED_OPEN = 1
FORCED_CLOSED = 2
FORCES = ("auto", "open", "close")

_CLOSED = CLOSED
_OPEN = OPEN
_HALF_OPEN = HALF_OPEN
_AUTO = AUTO

_SUCCESS = Outcome.SUCCESS
_FAILURE = Outcome.FAILURE
_IGNORED = Outcome.IGNORED

# While probes are out the answer is near: they take as long as an answer takes. The end of a lease is only the worst
# case, and a client sent away for that long would miss the recovery.
_PROBES_ARE_OUT = 1.0
_MOST_DOUBLINGS = 60  # past any max_open_for; 2.0**1024 would not be a float


class Thresholds:
    """The rule's values as numbers that compare at once: infinity for a `slow_after` that is off, 0 for a
    `consecutive_failures` that is."""

    __slots__ = (
        "consecutive_failures",
        "failure_ratio",
        "half_open_requests",
        "lease_seconds",
        "max_open_for",
        "min_requests",
        "open_for",
        "slices",
        "slow_after",
        "slow_ratio",
        "window",
    )

    def __init__(self) -> None:
        """All zero: whoever makes one fills in every value."""
        self.failure_ratio = 0.0
        self.slow_ratio = 0.0
        self.slow_after = math.inf
        self.consecutive_failures = 0
        self.min_requests = 0
        self.window = 0.0
        self.slices = 1
        self.open_for = 0.0
        self.max_open_for = 0.0
        self.half_open_requests = 0
        self.lease_seconds = 0.0


class Circuit:
    """One circuit. `state` and `generation` may be read by the path of a request; all else goes through methods."""

    __slots__ = (
        "_last",
        "_observer",
        "_rng",
        "consecutive_failures",
        "forced",
        "generation",
        "leases",
        "open_seconds",
        "open_until",
        "opened",
        "overdue",
        "reopenings",
        "state",
        "successes",
        "thresholds",
        "well_begun",
        "window",
    )

    def __init__(self, thresholds: Thresholds, rng: random.Random, observer: BreakerObserver) -> None:
        """Closed, with an empty window."""
        self.thresholds = thresholds
        self.state = _CLOSED
        self.forced = _AUTO
        self.generation = 1  # the permit that all share while closed
        self.window = Window(thresholds.slices)
        self.consecutive_failures = 0
        self.opened = 0  # times it has opened, ever
        self.reopenings = 0  # times it has opened again since it last was closed
        self.open_seconds = 0.0
        self.open_until = 0.0
        self.successes = 0  # of probes in this half-open period
        self.leases: dict[int, float] = {}  # permit -> instant at which its place is free again
        # Permits whose place is free again and whose end is still to come. It counts when it comes: an attempt that
        # times out settles just after its lease's end.
        self.overdue: set[int] = set()
        self.well_begun: set[int] = set()  # permits with a good head; of those overdue, the ones that have succeeded
        self._last = 1
        self._rng = rng
        self._observer = observer

    def acquire(self, now: float) -> int:
        """A permit, or REFUSED; see `retry_after` then."""
        self.wake(now)
        if self.state == _CLOSED:
            return self.generation
        if self.state == _OPEN:
            return REFUSED
        if len(self.leases) >= self.thresholds.half_open_requests:
            return REFUSED
        self._last += 1
        self.leases[self._last] = now + self.thresholds.lease_seconds
        return self._last

    def admits(self, now: float) -> bool:
        """Whether `acquire` would give a permit. Only time moves the state here."""
        self.wake(now)
        if self.state != _HALF_OPEN:
            return self.state == _CLOSED
        return len(self.leases) < self.thresholds.half_open_requests

    def retry_after(self, now: float) -> float:
        """Seconds until asking again makes sense, for one that has just been refused."""
        if self.state == _HALF_OPEN:
            return _PROBES_ARE_OUT
        return NO_TIME if self.forced == FORCED_OPEN else self.open_until - now

    def answering(self, now: float, permit: int) -> None:
        """The answer to one probe has begun well."""
        self.wake(now)
        if permit in self.leases:
            self.well_begun.add(permit)
        elif permit in self.overdue and permit not in self.well_begun:  # after an upload that outlasted the lease
            self.well_begun.add(permit)
            self.succeeded()

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """One permit's result. That of an earlier state changes nothing."""
        if self.state == _CLOSED:
            if permit == self.generation and outcome is not _IGNORED:
                self._record(now, outcome is _FAILURE, seconds > self.thresholds.slow_after)
        elif self.state == _HALF_OPEN:
            self.expire(now)
            counted = False
            if permit in self.leases:
                del self.leases[permit]
            elif permit in self.overdue:
                self.overdue.discard(permit)
                counted = permit in self.well_begun
            else:
                return  # also when it has just closed, by leases that are over
            self.well_begun.discard(permit)
            if outcome is _SUCCESS:
                if not counted:
                    self.succeeded()
            elif outcome is _FAILURE:
                self.reopen(now, "a probe failed")

    def wake(self, now: float) -> None:
        """What time alone does: an open circuit whose time is over becomes half open, and leases end."""
        if self.state == _HALF_OPEN:
            self.expire(now)
        elif self.state == _OPEN and now >= self.open_until:
            self._move(_HALF_OPEN, f"it was open for {self.open_seconds:.1f}s")

    def expire(self, now: float) -> None:
        """Leases whose time is over give their places back, and succeed where the answer has begun well."""
        ended = [permit for permit, end in self.leases.items() if end <= now]
        for permit in ended:
            del self.leases[permit]
            self.overdue.add(permit)
            if permit in self.well_begun:
                self.succeeded()
                if self.state != _HALF_OPEN:
                    return  # closed: no permit of before means anything

    def succeeded(self) -> None:
        """One success while half open."""
        self.successes += 1
        if self.successes >= self.thresholds.half_open_requests:
            self._close(f"{self.successes} probe{_plural(self.successes)} succeeded")

    def reopen(self, now: float, why: str) -> None:
        """One failure while half open: open again, for twice as long as before."""
        self.reopenings += 1
        self._open(now, why)

    def force(self, word: str) -> None:
        """`open` or `close` by hand, until `auto` gives it back. `auto` changes nothing where nothing was forced.

        Raises ValueError for another word."""
        if word not in FORCES:
            raise ValueError(f"`{word}` is none of {', '.join(FORCES)}")
        forced = FORCES.index(word)
        if forced == self.forced:
            return
        self.forced = forced
        if forced == FORCED_OPEN:
            self.open_until, self.open_seconds = math.inf, math.inf
            if self.state != _OPEN:
                self.opened += 1
                self._move(_OPEN, "by hand")
        elif forced == FORCED_CLOSED and self.state == _CLOSED:
            return  # nothing has changed for anybody; what was counted stays to be seen
        else:
            self._close("by hand")

    def adopt(self, fresh: Circuit, now: float) -> None:
        """Go on under the thresholds of a fresh circuit, and tell its observer. An open time that runs is kept."""
        if fresh.thresholds.slices != self.window.slices:
            self.window = self.window.reshaped(fresh.thresholds.slices, now)
        self.thresholds = fresh.thresholds
        self._observer = fresh._observer

    def _record(self, now: float, failed: bool, slow: bool) -> None:
        window, limits = self.window, self.thresholds
        window.add(now, failed, slow)
        if failed:
            self.consecutive_failures += 1
        else:
            self.consecutive_failures = 0
        if self.forced != _AUTO:
            return
        if 0 < limits.consecutive_failures <= self.consecutive_failures:
            self._open(now, f"{self.consecutive_failures} failure{_plural(self.consecutive_failures)} in a row")
        elif window.requests < limits.min_requests:
            return
        elif window.failures / window.requests >= limits.failure_ratio:
            self._open(
                now, f"{window.failures} of {window.requests} attempts failed within {show_duration(limits.window)}"
            )
        elif window.slow / window.requests >= limits.slow_ratio:
            self._open(
                now,
                f"{window.slow} of {window.requests} attempts took longer than {show_duration(limits.slow_after)} "
                f"within {show_duration(limits.window)}",
            )

    def _open(self, now: float, why: str) -> None:
        limits = self.thresholds
        doubled = limits.open_for * 2.0 ** min(self.reopenings, _MOST_DOUBLINGS)
        # The jitter keeps the breakers of many sidecars from probing one backend at the same instant.
        self.open_seconds = min(limits.max_open_for, doubled) * (0.9 + 0.2 * self._rng.random())
        self.open_until = now + self.open_seconds
        self.opened += 1
        self._move(_OPEN, why)

    def _close(self, why: str) -> None:
        self.window.clear()
        self.consecutive_failures = 0
        self.reopenings = 0
        self.open_seconds = self.open_until = 0.0
        self._move(_CLOSED, why)

    def _move(self, after: int, why: str) -> None:
        before = self.state
        self.state = after
        self.successes = 0
        self.leases.clear()
        self.overdue.clear()
        self.well_begun.clear()
        self._last += 1
        self.generation = self._last
        if after != before:
            self._observer.transition(WORDS[before], WORDS[after], why)


def _plural(count: int) -> str:
    return "s" if count > 1 else ""
