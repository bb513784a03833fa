"""How many retries the traffic pays for, so that in an outage retries do not become the load.

Finagle's form (com.twitter.finagle.service.RetryBudget): a request deposits one credit, a retry withdraws 1/ratio of
them, credits live 10 s, and a floor of `min_per_second` retries is free, so that little traffic can be repeated too.
Two things differ from Finagle, both towards less load and less surprise:

- Finagle grants the floor of the whole 10 s in advance, so the first second of an outage sees ten times
  `min_per_second`. Here the floor fills a bucket that holds one second of it (and one retry at least).
- Finagle books a withdrawal in the current second, so a credit that was spent and then expires leaves a debt. Here
  each credit is spent once, the oldest first: they would expire first.

A retry is paid for when it is decided on, before its wait, so those that wait in backoff are counted.
One budget serves every route of an upstream with the same `budget`. Knows no clock: `now` is monotonic seconds, from 0.
"""

from __future__ import annotations

from collections.abc import Mapping

_SLICES = 10  # one second each: how long a credit lives

# Of one retry: 10 requests at a ratio of 0.3 pay for three retries, although 10 - 1/0.3 - 1/0.3 is a hair below 1/0.3.
_ROUNDING = 1e-9


class RetryBudget:
    """Deposits and withdrawals of one upstream.

    For any window of t seconds, whatever the interleaving:

        retries <= ratio * (requests of the window and of the 10 s before it)
                   + min_per_second * t + max(1, min_per_second)      (the last two are 0 where min_per_second is)

    which is at most min_per_second * (t + 10) beside the ratio's part, for a min_per_second of 0.1 or more. From the
    budget's beginning on, attempts are therefore at most (1 + ratio) * requests + min_per_second * t + max(1,
    min_per_second).
    """

    __slots__ = (
        "_capacity",
        "_cost",
        "_floor",
        "_floor_at",
        "_fresh",
        "_next_slice",
        "_older",
        "_slices",
        "min_per_second",
        "ratio",
    )

    def __init__(self, ratio: float, min_per_second: float) -> None:
        """`ratio`: retries that a request pays for (0: only the floor). `min_per_second`: the floor."""
        self.ratio = ratio
        self.min_per_second = min_per_second
        self._cost = 1.0 / ratio if ratio > 0.0 else 0.0  # credits of a retry
        self._capacity = max(1.0, min_per_second) if min_per_second > 0.0 else 0.0  # retries
        self._floor = self._capacity  # retries, as of `_floor_at`
        self._floor_at = 0.0
        self._fresh = 0.0  # credits of the current second: a request touches this alone
        self._older = 0.0  # sum of `_slices`
        self._slices = [0.0] * _SLICES  # credits of the nine seconds before; the current second's place is 0
        self._next_slice = 1.0  # when the current second is over

    def deposit(self, now: float) -> None:
        """A request has begun."""
        if now >= self._next_slice:
            self._turn(now)
        self._fresh += 1.0

    def try_withdraw(self, now: float) -> bool:
        """Pay for one retry; False, and nothing spent, where it is not affordable."""
        if now >= self._next_slice:
            self._turn(now)
        self._refill(now)
        credit = self._older + self._fresh
        worth = credit * self.ratio
        if worth >= 1.0 - _ROUNDING:
            self._spend(min(self._cost, credit))
            return True
        if worth + self._floor < 1.0 - _ROUNDING:
            return False
        # Credits first: unlike the floor they do not come back.
        self._spend(credit)
        self._floor = max(0.0, self._floor - (1.0 - worth))
        return True

    def available(self, now: float) -> float:
        """How many retries are affordable now; a fraction is on the way to the next one."""
        if now >= self._next_slice:
            self._turn(now)
        self._refill(now)
        return (self._older + self._fresh) * self.ratio + self._floor

    def apart(self) -> RetryBudget:
        """A new budget on the same terms, with no traffic yet."""
        return RetryBudget(self.ratio, self.min_per_second)

    def inherit(self, before: RetryBudget, now: float) -> None:
        """Take over what is left of the budget that had this place. It is moved, not copied, because exchanges of
        the rules before may still withdraw there: a credit pays once. The floor keeps its fill ratio."""
        if before is self:
            return
        if now >= before._next_slice:
            before._turn(now)
        before._refill(now)
        self._slices = before._slices
        self._fresh = before._fresh
        self._older = before._older
        self._next_slice = before._next_slice
        if before._capacity > 0.0:
            self._floor = self._capacity * (before._floor / before._capacity)
        self._floor_at = now
        before._slices = [0.0] * _SLICES
        before._fresh = 0.0
        before._older = 0.0
        before._floor = 0.0

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see."""
        return {
            "ratio": self.ratio,
            "min_per_second": self.min_per_second,
            "available": round(self.available(now), 3),
        }

    def _turn(self, now: float) -> None:
        """Begin the second that `now` is in; what is ten seconds old expires."""
        second = int(now)
        last = int(self._next_slice) - 1
        slices = self._slices
        slices[last % _SLICES] = self._fresh
        self._fresh = 0.0
        for step in range(min(second - last, _SLICES)):
            slices[(second - step) % _SLICES] = 0.0
        # Made anew and not kept running, so that rounding never adds up.
        total = 0.0
        for credit in slices:
            total += credit
        self._older = total
        self._next_slice = second + 1.0

    def _refill(self, now: float) -> None:
        if now > self._floor_at:
            floor = self._floor + (now - self._floor_at) * self.min_per_second
            self._floor = min(self._capacity, floor)
            self._floor_at = now

    def _spend(self, credit: float) -> None:
        """Take this many credits, the oldest first."""
        if credit < self._older:
            self._older -= credit
            slices = self._slices
            place = int(self._next_slice) % _SLICES  # follows the current second's place: the oldest
            # Once round at most: by rounding, the slices may hold a hair less than their sum says.
            for _ in range(_SLICES):
                taken = min(credit, slices[place])
                slices[place] -= taken
                credit -= taken
                place = (place + 1) % _SLICES
                if credit <= 0.0:
                    return
            return
        self._fresh = max(0.0, self._fresh - (credit - self._older))
        if self._older > 0.0:
            self._older = 0.0
            self._slices = [0.0] * _SLICES
