"""Why a request was not tried again: the product counts that, without saying whose retry it was.

A count belongs to the request of its route that ended when it was made, and to one only.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict

from sidecar.drill.record import Record, Request

# From the decision to the client that hears of it.
_ON_ITS_WAY = 0.05
_BEFORE = 1e-6

# Whose these are is known without asking.
_CLEAR = frozenset({"not_idempotent", "shadow"})


class Skips:
    """The retries not made, to be given out once each. Ask in the order of the requests' ends."""

    def __init__(self, record: Record) -> None:
        self._counts: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for count in sorted(record.counts, key=lambda one: one.at):
            if count.kind == "retry_skipped" and count.why not in _CLEAR:
                self._counts[count.of].append((count.at, count.why))

    def of(self, request: Request) -> str:
        """The reason of the one that was counted last before this request ended; empty where there is none."""
        counts = self._counts.get(request.route, [])
        heard = request.ended if request.head is None else request.head
        place = bisect_right(counts, (heard + _BEFORE, chr(0x10FFFF))) - 1
        if place < 0 or counts[place][0] < max(request.began - _BEFORE, heard - _ON_ITS_WAY):
            return ""
        return counts.pop(place)[1]
