"""The window of window.py in shared memory: the same ring of slices, for whoever holds its circuit's lock.

Attempts are booked here under the lock. Plain successes are not: each worker counts its own in a cell that it alone
writes to, and the next one inside books what has come together there, in the second it was counted in.
Knows no clock.
"""

from __future__ import annotations

from sidecar.policies.sharing import Memory
from sidecar.policies.window import Window

_SECOND = 0  # header
_REQUESTS = 1
_FAILURES = 2
_SLOW = 3
_HEADER = 4


class SharedWindow(Window):
    """See Window. What it tells holds from `load` on, for as long as the lock is held; `store` puts it back."""

    __slots__ = ("_numbers",)

    def __init__(self, memory: Memory, name: str, slices: int) -> None:
        """A window of another length has other memory: see `fill`."""
        Window.__init__(self, slices)
        piece = memory.piece(name, header=_HEADER, table=3 * slices)
        numbers = piece.cells.cast("B").cast("q")  # whole numbers, as the ring counts them
        self._numbers = numbers
        rows = piece.table
        self._requests = numbers[rows : rows + slices]
        self._failures = numbers[rows + slices : rows + 2 * slices]
        self._slow = numbers[rows + 2 * slices : rows + 3 * slices]

    def load(self) -> None:
        """Go on from where the last one left it."""
        numbers = self._numbers
        self._second = numbers[_SECOND]
        self.requests = numbers[_REQUESTS]
        self.failures = numbers[_FAILURES]
        self.slow = numbers[_SLOW]

    def store(self) -> None:
        """Leave it to the next."""
        numbers = self._numbers
        numbers[_SECOND] = self._second
        numbers[_REQUESTS] = self.requests
        numbers[_FAILURES] = self.failures
        numbers[_SLOW] = self.slow

    def book(self, second: int, successes: int) -> None:
        """Count plain successes of a second, which may be past."""
        if second > self._second:
            self.roll(second)
        if second > self._second - self.slices:
            self._requests[second % self.slices] += successes
            self.requests += successes

    def roll(self, now: float) -> None:
        """See Window. One that died between a slice and its total has left them apart, so they are added up anew."""
        before = self._second
        Window.roll(self, now)
        if self._second != before:
            self.requests = sum(self._requests)
            self.failures = sum(self._failures)
            self.slow = sum(self._slow)

    def fill(self, counts: Window) -> None:
        """Hold what a window of the same length holds, whatever it held before."""
        self._second = counts._second
        for place in range(self.slices):
            self._requests[place] = counts._requests[place]
            self._failures[place] = counts._failures[place]
            self._slow[place] = counts._slow[place]
        self.requests, self.failures, self.slow = counts.requests, counts.failures, counts.slow
