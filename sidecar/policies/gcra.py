"""One rate limit's buckets, counted by the generic cell rate algorithm: a single float for each bucket.

The float is the theoretical arrival time (TAT), the instant at which the bucket is full again. With T = 1/rate:

    tat' = max(now, tat) + T        admitted iff  tat' - now <= burst * T        else wait = tat' - burst * T - now

(ITU-T I.371 annex A, the virtual scheduling form.) `ask` computes and stores nothing, `take` stores what the last
`ask` found: so a list of limits is asked first and spent afterwards, and a refusal costs nothing anywhere.

A request that waits holds the slot at which it will go. Given back, the last slot rolls the TAT back: all is as if it
had never been. One in the middle cannot: those behind it know their instants already, and with a TAT moved under them
two would go at once. It becomes a gap, and the next request that would have to wait takes it instead of the tail. A gap
whose instant has passed is lost: a token returned late would add itself to those that have grown since, and a window
that begins after the gap would see more than its burst. Too few for an interval, never too many.
Knows no clock; which limits a route has is the business of rate_limit.py.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import OrderedDict

from sidecar.policies.contract import Applicant, Key
from sidecar.policies.key_table import KeyTable

# Sums of T round; without this a burst of b would now and then admit b - 1. In tokens, once and not for each request.
_SLACK = 1.0 / 256.0
_PIECES = 1024
_LARGEST = 999_999_999_999_999  # RFC 9651 3.3.1: integers have at most 15 digits


class Slot:
    """A place in one bucket that was given to a request, to be given back."""

    __slots__ = ("before", "evictions", "key", "limit", "tat")

    def __init__(self, limit: Limit, key: str, before: float, tat: float, evictions: int) -> None:
        self.limit = limit
        self.key = key
        self.before = before  # the TAT without it
        self.tat = tat
        self.evictions = evictions  # of the table when it was given


class Limit:
    """The buckets of one limit: one float without a key, a table with one."""

    __slots__ = (
        "_asked", "_before", "_gaps", "_gaps_as_of", "_last_piece", "_last_whole", "_piece", "_pieces", "_reach",
        "_slot", "burst", "interval", "key", "max_wait", "name", "quota", "rule", "shadow", "skipped", "span", "table",
        "tat",
    )  # fmt: skip

    def __init__(
        self, rule: str, rate: float, burst: float, max_wait: float, shadow: bool, key: Key | None, max_keys: int
    ) -> None:
        """`rule` is the limit as people see it, such as `login/per-client`; its last part is its name."""
        self.rule = rule
        self.name = rule.rpartition("/")[2]
        self.burst = burst
        self.interval = 1.0 / rate
        self.span = burst * self.interval  # seconds from empty to full
        self.max_wait = max_wait
        self.shadow = shadow
        self.skipped = False  # of whoever asks now: it refused, and they go on all the same
        self.key = key
        self.table = KeyTable(max_keys)  # stays empty without a key
        self.quota = min(int(burst), _LARGEST)
        self._reach = self.span + self.interval * _SLACK
        self.tat = -math.inf  # of the one bucket, without a key
        self._asked = ""
        self._before = 0.0
        self._slot = 0.0
        # By key, those given back in the middle, sorted: (the slot's TAT, the TAT without it).
        self._gaps: OrderedDict[str, list[tuple[float, float]]] = OrderedDict()
        self._gaps_as_of = 0
        self._piece = f'"{self.name}";r='.encode()
        self._pieces: list[bytes] = [b""] * min(self.quota + 1, _PIECES)
        self._last_whole = -1
        self._last_piece = b""

    def ask(self, now: float, applicant: Applicant) -> float:
        """Seconds until a request may go, 0 for at once. Stores nothing but the answer, for `take`."""
        key = self.key
        if key is None:
            tat = self.tat
        else:
            self._asked = applicant.key(key)
            tat = self.table.tat(self._asked)
        if tat < now:
            tat = now
        self._before = tat
        tat += self.interval
        self._slot = tat
        ahead = tat - now
        if ahead <= self._reach:
            return 0.0
        if self._gaps:
            return self._earliest_gap(now, ahead - self.span)
        return ahead - self.span

    def take(self, now: float) -> None:
        """Spend what the last `ask` found."""
        if self._gaps and self._fill_gap():
            return
        if self.key is None:
            self.tat = self._slot
        else:
            self.table.store(self._asked, self._slot, now)

    def taken(self) -> Slot:
        """What the last `take` spent."""
        return Slot(self, self._asked, self._before, self._slot, self.table.evictions)

    def give_back(self, now: float, slot: Slot) -> None:
        """A slot is free again. Nothing comes back to a bucket that is full again by now, or whose table has lost a
        bucket meanwhile: it might have been this one, and a refund must never make a token."""
        if slot.tat <= now or slot.evictions != self.table.evictions:
            return
        if slot.tat == self._tat_of(slot.key):
            self._roll_back(slot)
        else:
            self._leave_gap(now, slot)

    def remaining(self, now: float, key: str = "") -> float:
        """Tokens in the bucket, with their fraction; negative while requests wait for theirs."""
        tat = self._tat_of(key)
        if tat <= now:
            return self.burst
        return (self.span - (tat - now)) / self.interval

    def whole(self, tokens: float) -> int:
        """The requests that these tokens admit at once."""
        if tokens < 0.0:
            return 0
        tokens += _SLACK
        # Compared before it is made an integer: a burst may be more than 64 bits hold.
        if tokens >= self.quota:
            return self.quota
        return int(tokens)

    def piece(self, now: float, applicant: Applicant) -> bytes:
        """This limit's item of the RateLimit field, for the bucket of an applicant.

        `t` is the time "until additional quota is made available" (draft-ietf-httpapi-ratelimit-headers, Reset
        Parameter): until the next token, and not until the bucket is full; so it agrees with Retry-After. A bucket
        that gets no fuller has none.
        """
        tokens = self.remaining(now, "" if self.key is None else applicant.key(self.key))
        whole = self.whole(tokens)
        # From one token a second on the next is never more than a second away: `t` is 1 whatever the fraction, and the
        # text is kept.
        if self.interval > 1.0 or tokens < 0.0:
            return self._spell(whole, tokens)
        if whole >= len(self._pieces):
            # A large bucket that refills as fast as it is emptied says the same again and again.
            if whole != self._last_whole:
                self._last_whole = whole
                self._last_piece = self._spell(whole, tokens)
            return self._last_piece
        piece = self._pieces[whole]
        if not piece:
            piece = self._pieces[whole] = self._spell(whole, tokens)
        return piece

    def policy(self) -> bytes:
        """This limit's item of the RateLimit-Policy field: `w` seconds (at least 1) bring `q` requests back."""
        return f'"{self.name}";q={self.quota};w={min(max(1, math.ceil(self.span)), _LARGEST)}'.encode()

    def inherit(self, before: Limit, now: float) -> None:
        """Take over the buckets of this limit under the rules before, which had the same key. Where rate or burst
        have changed a bucket keeps its fill ratio."""
        factor = self.span / before.span
        self.tat = before.tat
        max_keys, self.table = self.table.max_keys, before.table
        if factor != 1.0:
            if self.tat > now:
                self.tat = now + (self.tat - now) * factor
            self.table.rescale(now, factor)
        self.table.resize(max_keys, now)
        self._gaps_as_of = self.table.evictions

    def _tat_of(self, key: str) -> float:
        return self.tat if self.key is None else self.table.tat(key)

    def _spell(self, whole: int, tokens: float) -> bytes:
        if whole >= self.quota:
            return b"%b%d" % (self._piece, whole)
        if whole > 0 and tokens < whole:
            tokens = whole  # rounded up just now
        seconds = (whole + 1 - tokens) * self.interval
        return b"%b%d;t=%d" % (self._piece, whole, min(max(1, math.ceil(seconds - 1e-6)), _LARGEST))

    def _roll_back(self, slot: Slot) -> None:
        self._drop_stale_gaps()
        tat, gaps = slot.before, self._gaps.get(slot.key)
        if gaps:
            # Gaps that are now the last of all are no gaps any more.
            while gaps and gaps[len(gaps) - 1][0] == tat:
                tat = gaps.pop()[1]
            if not gaps:
                del self._gaps[slot.key]
        if self.key is None:
            self.tat = tat
        else:
            self.table.amend(slot.key, tat)

    def _leave_gap(self, now: float, slot: Slot) -> None:
        self._drop_stale_gaps()
        gaps = self._gaps.get(slot.key)
        if gaps is None:
            # As the table does: each new key takes the oldest that is worth nothing any more along.
            if self._gaps:
                oldest = self._gaps[next(iter(self._gaps))]
                if oldest[len(oldest) - 1][0] <= now:
                    self._gaps.popitem(last=False)
            gaps = self._gaps[slot.key] = []
        insort(gaps, (slot.tat, slot.before))

    def _drop_stale_gaps(self) -> None:
        if self._gaps_as_of != self.table.evictions:
            self._gaps.clear()
            self._gaps_as_of = self.table.evictions

    def _earliest_gap(self, now: float, wait: float) -> float:
        """The wait for the earliest gap still to come, or else `wait`, the tail's."""
        self._drop_stale_gaps()
        gaps = self._gaps.get(self._asked)
        if gaps is None:
            return wait
        del gaps[: bisect_right(gaps, (now, math.inf))]
        if not gaps:
            del self._gaps[self._asked]
            return wait
        first = bisect_right(gaps, (now + self.span, math.inf))
        if first == len(gaps):
            return wait
        self._slot, self._before = gaps[first]
        return self._slot - self.span - now

    def _fill_gap(self) -> bool:
        """Whether the slot that was asked for is a gap; it is one no longer."""
        gaps = self._gaps.get(self._asked)
        if gaps is None:
            return False
        place = bisect_right(gaps, (self._slot, -math.inf))
        if place == len(gaps) or gaps[place][0] != self._slot:
            return False
        del gaps[place]
        if not gaps:
            del self._gaps[self._asked]
        return True
