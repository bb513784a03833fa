"""How many attempts there were of late, how many of them failed and how many were slow: a ring of one-second slices.

Knows no clock; `now` is monotonic seconds. The totals run along, so that asking costs nothing and a slice is touched
again only to be emptied. A window of N slices reaches back between N-1 and N seconds, because the newest slice is
still being filled. An idle gap as long as the window empties it in one go.
"""

from __future__ import annotations

import math


class Window:
    """Counts over the last `slices` seconds. `requests`, `failures` and `slow` hold as of the last `add` or `roll`."""

    __slots__ = ("_failures", "_requests", "_second", "_slow", "failures", "requests", "slices", "slow")

    def __init__(self, slices: int) -> None:
        """Empty. `slices` is the length in whole seconds, at least 1."""
        self.slices = slices
        self.requests = 0
        self.failures = 0
        self.slow = 0
        self._requests: list[int] | memoryview[int] = [0] * slices
        self._failures: list[int] | memoryview[int] = [0] * slices
        self._slow: list[int] | memoryview[int] = [0] * slices
        self._second = 0  # the second that the newest slice stands for

    def add(self, now: float, failed: bool, slow: bool) -> None:
        """Count one attempt. One that is both failed and slow counts as both."""
        second = int(now)
        if second > self._second:
            self.roll(now)
        place = self._second % self.slices
        self._requests[place] += 1
        self.requests += 1
        if failed:
            self._failures[place] += 1
            self.failures += 1
        if slow:
            self._slow[place] += 1
            self.slow += 1

    def roll(self, now: float) -> None:
        """Let go of what is too old. A `now` of the past changes nothing."""
        second = int(now)
        if second <= self._second:
            return
        if second - self._second >= self.slices or self.requests == 0:
            self.clear()
            self._second = second
            return
        while self._second < second:
            self._second += 1
            place = self._second % self.slices
            self.requests -= self._requests[place]
            self.failures -= self._failures[place]
            self.slow -= self._slow[place]
            self._requests[place] = self._failures[place] = self._slow[place] = 0

    def clear(self) -> None:
        """Forget everything."""
        if self.requests:
            for place in range(self.slices):
                self._requests[place] = self._failures[place] = self._slow[place] = 0
        self.requests = self.failures = self.slow = 0

    def reshaped(self, slices: int, now: float) -> Window:
        """A window of another length that holds the newest of these counts."""
        self.roll(now)
        made = Window(slices)
        made._second = self._second
        for age in range(min(slices, self.slices)):
            if age > self._second:
                break
            before, place = (self._second - age) % self.slices, (self._second - age) % slices
            made._requests[place] = self._requests[before]
            made._failures[place] = self._failures[before]
            made._slow[place] = self._slow[before]
        made.requests, made.failures, made.slow = sum(made._requests), sum(made._failures), sum(made._slow)
        return made


def slices_of(seconds: float) -> int:
    """Whole slices that cover a window of `seconds`: a fraction takes one more."""
    return max(1, math.ceil(seconds))
