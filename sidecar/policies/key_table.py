"""What is remembered of each key of a rate limit: one float, for a bounded number of keys.

The float is the bucket's theoretical arrival time (TAT): the instant at which it is full again. A full bucket is the
same as none, so it may be forgotten without a trace; any other takes somebody's spent tokens with it, and is counted.
The order is that of the last admission, so who refreshes the table with new keys pushes out those that rest longest.
Knows no clock and no request; keys come shortened, so that a caller cannot choose how much memory a key takes.
"""

from __future__ import annotations

import math
from collections import OrderedDict

FULL = -math.inf  # the TAT of a key that is not remembered
_FULL = FULL  # compiled, a C number that nobody can import

# Two for each one that comes in: the table shrinks again after a flood, and no request pays for a sweep.
_FORGOTTEN_AT_ONCE = 2


class KeyTable:
    """The buckets of at most `max_keys` keys, least recently admitted first.

    240 bytes a key as Python counts, 40 MiB more in the process at 100 000 keys after a flood of a million (measured).
    """

    __slots__ = ("_tats", "evictions", "max_keys")

    def __init__(self, max_keys: int) -> None:
        """`max_keys` is at least 1."""
        self.max_keys = max_keys
        self.evictions = 0  # buckets forgotten although tokens of them were spent
        # A plain dict keeps the order too, but looks for its first key past all the holes of those taken before it.
        self._tats: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tats)

    def load(self, now: float) -> None:
        """Look at what others may have changed since: nothing, where nobody else has it."""

    def tat(self, key: str) -> float:
        """The instant at which the key's bucket is full again; FULL for one that is not remembered."""
        tat: float | None = self._tats.get(key)
        if tat is None:
            return _FULL
        return tat

    def store(self, key: str, tat: float, now: float) -> None:
        """Remember the key's admission; a new key makes room first."""
        tats = self._tats
        if key in tats:
            tats[key] = tat
            tats.move_to_end(key)
            return
        if tats:
            self._forget_full(now)
            if len(tats) >= self.max_keys:
                self._evict(now)
        tats[key] = tat

    def amend(self, key: str, tat: float) -> None:
        """Correct a bucket that is still remembered; this is no admission, so its place in the order stays."""
        if key in self._tats:
            self._tats[key] = tat

    def resize(self, max_keys: int, now: float) -> None:
        """Let the table hold `max_keys` from now on."""
        self.max_keys = max_keys
        while len(self._tats) > max_keys:
            self._evict(now)

    def rescale(self, now: float, factor: float) -> None:
        """Multiply what each bucket lacks by `factor`: rates or bursts have changed, the fill ratio stays."""
        tats = self._tats
        for key, tat in tats.items():
            if tat > now:
                tats[key] = now + (tat - now) * factor

    def _forget_full(self, now: float) -> None:
        tats = self._tats
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not tats:
                return
            oldest = next(iter(tats))
            if tats[oldest] > now:
                return
            del tats[oldest]

    def _evict(self, now: float) -> None:
        _, tat = self._tats.popitem(last=False)
        if tat > now:
            self.evictions += 1
