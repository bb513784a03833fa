"""Room where a listener is full: connections that carry nothing give way to newcomers.

Owns who gives way, and how often anybody looks. Without it, whoever opens `max_connections` connections and is slow
with its heads keeps everybody else out, however short the timeouts: as soon as one ends, he takes the place again.
First go those that owe a head, or the rest of one, then those kept after an answer (RFC 9112 section 9.5 lets us close
them at any time), then those whose body hardly comes, then those whose answer is not taken, each time the longest
waiting ones. No other request ever does. nginx reuses idle connections like this, but none that has sent a part of a
head.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from operator import itemgetter

from sidecar.transport.arrival import FIRST_WORD_SECONDS
from sidecar.transport.registry import Closable, Registry

# One look goes over all connections, so it makes room for several: 2 ms for 10 000 then are 13 µs for each.
_SHARE = 64
# Where nobody can give way, newcomers would have all connections looked at each time; where few can, nearly so.
_FRUITLESS_SECONDS = 0.1
_PAUSE = 4.0  # times as long as a look took that found fewer than it wanted: a fifth of all time is for looks
_NEWS_SECONDS = 60.0

_BY_RANK = itemgetter(0, 1)


class Room:
    """That of one listener. `gave_way` is told how many did, each time that some do, and whether that is news: nobody
    had to for a minute."""

    __slots__ = ("_gave_way", "_last", "_not_before", "_now", "_registry")

    def __init__(self, registry: Registry, now: Callable[[], float], gave_way: Callable[[int, bool], None]) -> None:
        self._registry = registry
        self._now = now
        self._gave_way = gave_way
        self._not_before = -inf
        self._last = -inf

    def make(self, places: int) -> bool:
        """Has some of the `places` connections, all there may be, give way. Whether any did."""
        now = self._now()
        if now < self._not_before:
            return False
        waiting: list[tuple[int, float, Closable]] = []
        # Who has waited for less may be about to speak, or has spoken: its request is on the way.
        latest = now - FIRST_WORD_SECONDS
        for connection in self._registry:
            found = connection.waits()
            if found is not None and found[1] <= latest:
                waiting.append((*found, connection))
        waiting.sort(key=_BY_RANK)
        wanted = max(1, places // _SHARE)
        given = 0
        for _, _, connection in waiting:
            if given == wanted:
                break
            if connection.give_way():
                self._registry.discard(connection)  # at once: its transport ends in a later turn of the loop
                given += 1
        if given:
            self._gave_way(given, now >= self._last + _NEWS_SECONDS)
            self._last = now
        if given < wanted:
            ended = self._now()
            self._not_before = ended + (_PAUSE * (ended - now) if given else _FRUITLESS_SECONDS)
        return given > 0
