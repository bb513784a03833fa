"""An upstream of so many places and a load on it, in virtual time: what a limit in front of it makes of the two.

Also Gradient2, the limit of Netflix's concurrency-limits, by its formula: what it is known to get wrong shows here.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

TIMED_OUT = 0
OVERLOADED = 503

Times = Callable[[float, random.Random], float]


class Learner(Protocol):
    """A limit that learns. `attempted` as AdaptiveLimit has it."""

    current: int

    def attempted(self, now: float, seconds: float, status: int, in_flight: int) -> bool:
        """One attempt went so."""


class Gradient2:
    """limit = 0.8 * limit + 0.2 * (g * limit + 4), with g = 1.5 * long / short from 0.5 to 1. Drops are samples."""

    def __init__(self) -> None:
        self.current = 20
        self._limit = 20.0
        self._long = 0.0
        self._samples = 0

    def attempted(self, now: float, seconds: float, status: int, in_flight: int) -> bool:
        """See AdaptiveLimit."""
        self._samples += 1
        warm = min(self._samples, 600)
        self._long += (seconds - self._long) * (1 / warm if warm <= 10 else 2 / 601)
        if seconds > 0 and self._long / seconds > 2:
            self._long *= 0.95
        if in_flight < self._limit / 2:
            return False
        gradient = max(0.5, min(1.0, 1.5 * self._long / seconds)) if seconds > 0 else 1.0
        self._limit = min(200.0, max(20.0, self._limit * 0.8 + (gradient * self._limit + 4) * 0.2))
        before, self.current = self.current, int(self._limit)
        return self.current != before


def spread(mean: float, variation: float) -> Times:
    """Lognormal times; `variation` is the standard deviation over the mean."""
    square = math.log(1 + variation * variation)
    return lambda now, rng: rng.lognormvariate(math.log(mean) - square / 2, math.sqrt(square))


@dataclass
class Seen:
    """What came of a load. `done` are instants and seconds of answers, `refused` the instants of refusals."""

    done: list[tuple[float, float]] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    dropped: int = 0
    most: int = 0  # in flight

    def rate(self, since: float, until: float) -> float:
        """Answers a second."""
        return sum(since <= at < until for at, _ in self.done) / (until - since)

    def seconds(self, quantile: float, since: float = 0.0) -> float:
        """Of answers since then."""
        times = sorted(seconds for at, seconds in self.done if at >= since)
        return times[int(len(times) * quantile)]

    def mean(self, since: float, until: float = math.inf) -> float:
        """Mean seconds of the answers of this time."""
        times = [seconds for at, seconds in self.done if since <= at < until]
        return sum(times) / len(times)


class Crowd:
    """`places` requests are worked on at once, for `times`; others wait in line, or with `turns_away` are a 503,
    and so is a share of `fails` of those that were worked on.
    Clients come at random, `rate` of them a second, and give up after `patience`. Functions are of now."""

    def __init__(
        self,
        limit: Learner,
        *,
        rate: Callable[[float], float],
        places: Callable[[float], int],
        times: Times,
        patience: float = math.inf,
        turns_away: bool = False,
        fails: Callable[[float], float] = lambda now: 0.0,
        seed: int = 7,
    ) -> None:
        self.limit = limit
        self.rate = rate
        self.places = places
        self.times = times
        self.patience = patience
        self.turns_away = turns_away
        self.fails = fails
        self.rng = random.Random(seed)
        self.now = 0.0
        self.seen = Seen()
        self.in_flight = 0
        self._busy = 0
        self._line: deque[list[float]] = deque()
        self._number = count()
        self._ahead: list[tuple[float, int, Callable[..., None], list[float] | None]] = []
        self._at(self._next(), self._arrive, None)

    def run(self, until: float) -> Seen:
        """What has come of it by then."""
        while self._ahead[0][0] < until:
            self.now, _, act, request = heapq.heappop(self._ahead)
            act(request)
        return self.seen

    def _at(self, when: float, act: Callable[..., None], request: list[float] | None) -> None:
        heapq.heappush(self._ahead, (when, next(self._number), act, request))

    def _next(self) -> float:
        rate = self.rate(self.now)
        return self.now + (self.rng.expovariate(rate) if rate else 0.05)

    def _arrive(self, _: None) -> None:
        self._at(self._next(), self._arrive, None)
        if not self.rate(self.now):
            return
        if self.in_flight >= self.limit.current:
            self.seen.refused.append(self.now)
            return
        self.in_flight += 1
        self.seen.most = max(self.seen.most, self.in_flight)
        request = [self.now]  # emptied once it is over
        if self.turns_away and self._busy >= self.places(self.now):
            self._over(request, OVERLOADED)
            return
        if self.patience < math.inf:
            self._at(self.now + self.patience, self._give_up, request)
        self._line.append(request)
        self._work()

    def _work(self) -> None:
        while self._line and self._busy < self.places(self.now):
            request = self._line.popleft()
            if request:
                self._busy += 1
                self._at(self.now + self.times(self.now, self.rng), self._done, request)

    def _done(self, request: list[float]) -> None:
        self._busy -= 1
        fails = self.fails(self.now)
        if request and fails and self.rng.random() < fails:
            self._over(request, OVERLOADED)
        elif request:
            self.seen.done.append((self.now, self.now - request[0]))
            self._over(request, 200)
        self._work()

    def _give_up(self, request: list[float]) -> None:
        if request:
            self._over(request, TIMED_OUT)

    def _over(self, request: list[float], status: int) -> None:
        self.seen.dropped += status != 200
        seconds = self.now - request.pop()
        self.limit.attempted(self.now, seconds, status, self.in_flight)
        self.in_flight -= 1
