"""How many requests at once an upstream does well with, learned from how fast it answers (`max: adaptive`).

Owns the limit, and what it is learned from: attempts, a window of them at a time. R is their mean time to the head of
an answer, N the mean number in flight, and `base` the R of an upstream in which nobody waits.

    calm    N < limit / 2                     the limit is not used and stays; base follows R
    used    else                              limit = limit * min(1, 1.25 * base / R) + sqrt(limit)
    trial   used up and long not calm, or     N / 2, after a jump N / 4, is the limit for one window: whether less in
            fallen by a quarter, or R jumped  flight is faster, or gets more answers

The mean, because Little's law is about means: limit * base / R is what is being worked on, the rest waits in the
upstream, and a root more is what keeps it busy. A trial tells an upstream that is slow because it is crowded from one
that has become slow: with e = log(R before / R) / log(N before / N), 1 is a queue and 0 is none. So `base` is never the
smallest of many noisy times, which sinks, and no average of crowded ones, which creeps (docs/adr/0009).

Knows no clock, no queue and no place: `now` and the number in flight are arguments.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence

from sidecar.policies.adaptive_spec import AdaptiveSpec

# R above `base` by so much is no sign of a queue yet: no window is known better. Below the other, nobody waits.
_TOLERANCE = 1.25
_AT_EASE = 1.1
# A trial is due when the limit is below this share of what it was; or when so many found it used up.
_FALLEN = 0.7
_USED_UP = 0.05
_CROWDED = 3.0  # over the limit: the share of a window that met it, of which half is enough
# Of a trial's e: a queue from here on, and below the other none; between them it may be that of other callers. So near
# to `base` it takes more to doubt it.
_QUEUE = 0.5
_NO_QUEUE = 0.25
_DOUBT = 0.8
_NEAR = 0.15
_FOLLOWED = 1.2  # N has to be so many times less
# A window is judged when its mean is known well enough for the step that follows, which is a root of the limit: the
# square of the standard error over that of the mean, times the limit. That takes as many answers as the limit is high,
# so a window takes some times R, whatever the limit is.
_ERROR = 0.125
_MOST_ERROR = 0.03
_ERROR_OF_TRIAL = 0.05
_MOST_ERROR_OF_TRIAL = 0.02
_LEAST_COUNT = 10.0
_LEAST_SECONDS = 0.1
_MOST_SECONDS = 4.0
# What begins with nothing under way hears of the fast ones first; and in a trial for how long to be exact.
_FIRST_SECONDS = 1.0
_STALE = 10.0  # seconds, and times R
# `base` is an average over about so many answers.
_MEMORY = 400.0
_MEMORY_OF_TRIAL = 100.0
# From one trial to the next: seconds, and windows of it, for it costs up to half of what the upstream can do.
_APART = 10.0
_WINDOWS_APART = 25.0
_WINDOWS_IN_DOUBT = 10.0
_LONG = 2.0  # of a window in this, or an upstream that has been away would be tried in minutes only
# Where so many more of a window than without a crowd got no answer the limit was too high, and it comes near again by
# steps that double. Where hardly any did, the upstream was away, which says nothing of how much it can do.
_TURNED_AWAY = 0.1
_AWAY = 0.95
_FIRST_STEP = 0.1
_CHANCE = 3.0  # standard errors of such a share
_HELPED = 0.5  # of the share that got no answer: as few are left where less in flight helps
_HEARD = 40.0  # to know such a share
# R beyond so many times base, and twice what it was, is tried at once, and with less: what is so slow shows it late.
_JUMP = 2.0
_DEEP = 4.0
# As slow with so many times fewer in flight, and e below this: a queue of others would have become shorter too. Where
# that is not known, base rises to no more than so many times what was sure, which drifts, or an error would stay.
_SURELY = 3.0
_ALONE = 0.15
_UNSURE = 3.0
_DRIFT = 1.1
_FAR = 30.0  # from there on it is worth to know
_LEAST_TIME = 1e-6  # of R, in seconds: what is divided by

_SERVICE_UNAVAILABLE = 503
_GATEWAY_TIMEOUT = 504
_TOO_MANY_REQUESTS = 429
_SERVER_ERROR = 500

CELLS = 25  # how many numbers its state is


class AdaptiveLimit:
    """One limit as it is learned. All of its state is numbers, which several workers may share (`cells`, `load`)."""

    # fmt: off
    __slots__ = (
        "_apart", "_before_n", "_before_r", "_burnt", "_count", "_drops", "_due", "_first_n", "_first_r", "_full",
        "_high", "_ill", "_in_flight", "_known", "_lost", "_low", "_pace", "_rate", "_rest", "_since", "_squares",
        "_step", "_sure", "_total", "_trial",
        "base", "current", "limit",
    )
    # fmt: on

    def __init__(self, spec: AdaptiveSpec) -> None:
        self._low = float(spec.min)
        self._high = float(spec.max)
        self.limit = float(spec.start)  # what is learned
        self.current = spec.start  # what is in force
        self.base = 0.0  # in seconds; 0 as long as nothing is known
        self._known = self.limit  # what it was when it was last known to be right, or a slow average since
        self._sure = 0.0  # base when it was last that of nobody waiting beyond doubt
        self._rate = 0.0  # attempts a second while the limit was not used
        self._ill = 0.0  # the share that gets no answer however few are in flight
        self._lost = 0.0  # the share that got none before the trial, 0 where the trial is of times
        self._burnt = math.inf  # where too many got no answer
        self._step = 0.0
        self._pace = 0.0  # R of the window before
        self._due = 0.0  # when the next trial is
        self._apart = 0.0  # how long that is after the last
        self._rest = 0.0  # no trial before
        self._trial = 0.0  # the limit of the one that is under way, 0 without
        self._first_n = self._first_r = 0.0  # the window before it
        self._before_n = self._before_r = 0.0  # the one before its last step
        self._since = -1.0  # from when on this window counts; negative before the first
        self._begin(-1.0)

    def attempted(self, now: float, seconds: float, status: int, in_flight: int) -> bool:
        """See Admission; `in_flight` with this one. Whether `current` is another."""
        if self._since < 0.0:
            self._since = now
        # What ends so soon after a change was in the crowd of before. To leave out whatever began before it (Envoy,
        # pull request 11579) would leave out the slow ones only.
        if now < self._since:
            return False
        if status in (0, _SERVICE_UNAVAILABLE, _GATEWAY_TIMEOUT):
            self._drops += 1.0
        elif status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS or seconds < 0.0:
            return False  # how fast an error is says nothing, nor one caller's quota, nor an answer before its request
        else:
            self._count += 1.0
            self._total += seconds
            self._squares += seconds * seconds
        self._in_flight += in_flight
        self._full += 1.0 if in_flight >= self.current else 0.0
        return self._whole(now) and self._judge(now)

    def inherit(self, before: AdaptiveLimit) -> None:
        """Go on from what is known under the rules before, within these."""
        self.load(before.cells())

    def cells(self) -> array[float]:
        """All that is known, `CELLS` numbers; that a trial is on comes after what it is compared with."""
        # fmt: off
        return array("d", (
            self.limit, self.base, self._known, self._pace, self._due, self._rest, self._first_n, self._first_r,
            self._before_n, self._before_r, self._since, self._count, self._drops, self._total, self._squares,
            self._in_flight, self._full, self._burnt, self._step, self._apart, self._sure, self._rate, self._ill,
            self._lost, self._trial,
        ))
        # fmt: on

    def load(self, cells: Sequence[float]) -> None:
        """Know what these say, within this one's bounds. Zeros are of nobody who knew anything."""
        if not cells[0]:
            return
        (limit, self.base, self._known, self._pace, self._due, self._rest, self._first_n, self._first_r) = cells[:8]
        (self._before_n, self._before_r, self._since, self._count, self._drops, self._total) = cells[8:14]
        (self._squares, self._in_flight, self._full, self._burnt, self._step, self._apart) = cells[14:20]
        (self._sure, self._rate, self._ill, self._lost, trial) = cells[20:25]
        self._trial = trial and self._within(trial)
        self.limit = self._within(limit)
        self.current = round(self._trial or self.limit)

    def snapshot(self) -> Mapping[str, object]:
        """`unloaded_ms`: how fast it answers when nobody waits, None if unknown. `trying`: whether a trial is on."""
        return {"unloaded_ms": self.base * 1e3 or None, "trying": self._trial > 0.0}

    def _within(self, limit: float) -> float:
        return min(self._high, max(self._low, limit))

    def _begin(self, since: float) -> None:
        self._since = since
        self._count = self._drops = self._full = 0.0
        self._total = self._squares = self._in_flight = 0.0

    def _whole(self, now: float) -> bool:
        lasted = now - self._since
        count = self._count
        heard = count + self._drops
        if heard < _LEAST_COUNT or lasted < _LEAST_SECONDS or lasted * count < self._total:
            return False
        if lasted > _MOST_SECONDS:
            return True
        if self._trial > 0.0 and self._lost > 0.0:
            return heard >= _HEARD
        if self._drops > count:
            return True
        square = self._total * self._total
        spread = count * self._squares - square  # over count * square: the square of the relative error
        if self._trial > 0.0:
            if lasted > _FIRST_SECONDS and self._clear(spread, count * square):
                return True
            if lasted * count < 2.0 * self._total:
                return False
            error = min(_MOST_ERROR_OF_TRIAL, _ERROR_OF_TRIAL / self._trial)
        else:
            if self.base == 0.0 and lasted < _FIRST_SECONDS:
                return False
            over = self._total - _JUMP * max(self.base, self._pace) * count
            if self._full > 0.0 and over > 0.0 and over * over * count > 4.0 * spread:
                return True
            error = min(_MOST_ERROR, _ERROR / self.limit)
        return spread <= error * count * square

    def _clear(self, spread: float, unit: float) -> bool:
        """Whether it is known which side of the middle e is, if the window before is known as badly."""
        middle = 0.5 * math.log(max(1.0, self._before_n * self._count / self._in_flight))
        beside = math.log(self._before_r * self._count / max(_LEAST_TIME, self._total)) - middle
        return beside * beside * unit > 8.0 * spread

    def _judge(self, now: float) -> bool:
        heard = self._count + self._drops
        lost = self._drops / heard
        n = max(1.0, self._in_flight / heard)
        r = max(_LEAST_TIME, self._total / self._count) if self._count else 0.0
        lasted = now - self._since
        if lasted > _STALE + _STALE * self._pace:
            self._trial = 0.0  # so few in so long are not of one time
        elif self._trial and self._lost:
            self._tried_drops(now, r, lost, min(lasted, _LONG))
        elif self._trial and lost > 0.5:
            self._trial = 0.0  # hardly anybody gets an answer: how long one takes says nothing
        elif self._trial:
            self._learn_ill(min(lost, self._ill))
            self._tried(now, n, r, min(lasted, _LONG))
        elif n < self.limit / 2.0:
            self._calm(now, r, lost, lasted)
        else:
            self._used(now, n, r, lost, lasted)
        self.limit = self._within(self.limit)
        self._pace = r or self._pace
        before = self.current
        self.current = round(self._trial or self.limit)
        self._begin(now if self.current == before else now + min(self._pace, _MOST_SECONDS))
        return self.current != before

    def _learn(self, r: float, memory: float) -> None:
        self.base = self.base + (r - self.base) * self._count / (self._count + memory) if self.base else r

    def _learn_ill(self, lost: float) -> None:
        heard = self._count + self._drops
        self._ill += (lost - self._ill) * heard / (heard + _MEMORY_OF_TRIAL)

    def _calm(self, now: float, r: float, lost: float, lasted: float) -> None:
        heard = self._count + self._drops
        self._learn_ill(lost)
        if self._full:
            # It was reached, though on the whole half would do: a burst, or the beginning of something else.
            if lost < _TURNED_AWAY:
                self.limit += max(0.0, min(math.sqrt(self.limit), self._burnt - 1.0 - self.limit))
            return
        if self._count >= _LEAST_COUNT and (self.base == 0.0 or r < self.base / 2.0):
            self.base = r
        elif self.base > 0.0:
            self._learn(r, _MEMORY)
        self._sure = self.base
        self._rate += (heard / lasted - self._rate) * heard / (heard + _MEMORY_OF_TRIAL)
        self._known = self.limit
        self._apart = self._longest(min(lasted, _LONG))
        self._due = now + self._apart

    def _used(self, now: float, n: float, r: float, lost: float, lasted: float) -> None:
        heard = self._count + self._drops
        # What is lost by chance, where so many are lost to nobody's crowd, is none of it. It is learned, both ways: a
        # share that could only sink would make the rest a crowd.
        over = lost - self._ill
        if over <= _CHANCE * math.sqrt(self._ill * (1.0 - self._ill) / heard):
            over = 0.0
            self._learn_ill(lost)
        if over < _TURNED_AWAY:
            self._burnt += self._step
            self._step *= 2.0
        elif lost < _AWAY:
            self._burnt = self.current
            self._step = _FIRST_STEP
        if self.base == 0.0:
            # It may be crowded already: a trial is due.
            self.base = self._sure = r if self._count >= _LEAST_COUNT else 0.0
        lowest = self.limit < self._low + 1.0
        # Met only now and then is a burst: it leaves by itself, and a limit that follows it down refuses the next.
        crowded = over > 0.0 or self._full > min(0.5, _CROWDED / self.limit) * heard
        rested = crowded and now >= self._rest and not lowest
        jumped = rested and 0.0 < _JUMP * max(self.base, self._pace) < r
        if lowest and r:
            self._learn(r, _MEMORY_OF_TRIAL)  # there is no less to compare with
        elif jumped or (self._due <= now and not lowest and self._full > _USED_UP * heard):
            self._try(n, r, over, _DEEP if jumped else 2.0)
            return
        more = math.sqrt(self.limit)
        if r < _AT_EASE * self.base:
            more = max(more, self.limit / 2.0)
        more = max(0.0, min(more * (1.0 - lost), self._burnt - 1.0 - self.limit))
        limit = self._worked(n, r, 0.5) * (1.0 - over / 2.0) + more
        if rested and limit < _FALLEN * self._known - 1.0:
            self._try(n, r, over, 2.0)
            return
        if not crowded:
            limit = max(limit, self.limit)
        self._known += (limit - self._known) * (0.2 if limit > self._known else 0.05)
        self.limit = limit

    def _worked(self, n: float, r: float, least: float) -> float:
        """How many do not wait. (More than the limit are in flight in shadow mode only.)"""
        return max(n, self.limit) * (min(1.0, max(least, _TOLERANCE * self.base / r)) if r else 1.0)

    def _try(self, n: float, r: float, lost: float, less: float) -> None:
        if not r and lost <= _TURNED_AWAY:
            return  # no answer, as ever: nothing to compare
        if not self._trial:
            self._first_n = n
            self._first_r = r
            self._lost = lost if lost > _TURNED_AWAY else 0.0
        self._before_n = n
        self._before_r = r
        self._trial = self._within(min(self.limit, math.floor(n / less)))

    def _tried_drops(self, now: float, r: float, lost: float, lasted: float) -> None:
        """Whether fewer in flight get more answers. Half of a long queue may still be too much for any."""
        helped = lost <= _HELPED * self._lost
        if not helped and self._trial >= self._low + 1.0:
            self._before_n = self._trial
            self._trial = self._within(math.floor(self._trial / 2.0))
            return
        if helped:
            self.limit = min(self.limit, max(self._trial, _FALLEN * self._before_n))
        else:
            self._ill = lost
            self._burnt = math.inf
            self.limit = max(self.limit, self._known)
        self._rested(now, lasted, not helped)

    def _tried(self, now: float, n: float, r: float, lasted: float) -> None:
        less = self._before_n / n
        queue = math.log(self._before_r / r) / math.log(less) if less > _FOLLOWED else 0.0
        near = abs(r - self.base) <= _NEAR * self.base
        fewer = self._first_n / n
        least = self._trial < self._low + 1.0
        alone = (fewer >= _SURELY or self._first_n < _SURELY) and math.log(self._first_r / r) < _ALONE * math.log(
            max(1.0, fewer)
        )
        doubt = True
        on = False
        if less <= _FOLLOWED:
            alone = doubt = False  # streams that stay, or another traffic: nothing is known
        elif queue >= (_DOUBT if near else _QUEUE):
            self.base = min(self.base, r)
            on = not least
        elif near:
            self._learn(r, _MEMORY_OF_TRIAL)
            doubt = queue >= _QUEUE
        elif r < self.base or queue < _NO_QUEUE:
            if r > self.base:
                self.limit = max(self.limit, self._known)  # it has fallen for nothing
            self.base = r
            on = r > _FAR * self._sure and fewer < _SURELY and not least
        else:
            on = not least  # neither: with less it will be clear. Left open, the limit would stay low
            doubt = False
        if on:
            self._try(n, r, 0.0, 2.0)
            return
        if alone or self.base < self._sure:
            self._sure = self.base
        elif self.base > _UNSURE * self._sure:
            self.base = _UNSURE * self._sure
            self._sure *= _DRIFT
        self._rested(now, lasted, doubt)
        self.limit = self._worked(self._first_n, self._first_r, 0.0) + math.sqrt(self.limit)
        if alone:
            need = self._rate * self.base
            self.limit = max(self.limit, min(_DEEP * self.limit, need + 2.0 * math.sqrt(need)))
        self._known = self.limit

    def _rested(self, now: float, lasted: float, doubt: bool) -> None:
        """No trial for a while: one is over."""
        soon = _WINDOWS_IN_DOUBT * lasted
        self._apart = soon if doubt else max(soon, min(2.0 * self._apart, self._longest(lasted)))
        self._due = now + self._apart
        self._rest = now + soon
        self._trial = 0.0

    def _longest(self, lasted: float) -> float:
        """Seconds to the next trial where nothing is in doubt."""
        return max(_APART, _WINDOWS_APART * lasted)
