"""Requests that wait for an endpoint while there is none (`hold` in the rules): bounded, and let go at a pace.

Owns who is held, since when, until when, and when each may go. May not know what an endpoint is, nor a clock or a task:
the upstream says that there is one again (`release`) or none any more (`suspend`), `now` is an argument, and waking one
that waits is the applicant's own affair.

    try_acquire ─► held ── release ─► has an instant ── the instant comes ─► let go
                    │  ▲─── suspend ──────┘
                    └── its time is over ─► refused

A newcomer that finds an endpoint is not asked to queue behind those that still wait for their instant: it comes at the
pace of every day, and it is their coming all at once that a backend just started would not survive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from heapq import heappop, heappush

from sidecar.model.observer import UpstreamObserver
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Admission, Applicant
from sidecar.policies.health_gate import HoldSpec

# Without `release`: however many are held, all go within about this long; and few go no further apart than this.
_ALL_WITHIN = 1.0
_WIDEST_GAP = 1 / 20

_HELD = math.inf  # of an instant: there is none


class Place:
    """Of one that is held: its time, and its instant once it has one."""

    __slots__ = ("instant", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.instant = _HELD


class Line:
    """Those that wait, in order. It outlives the rules: every machine that ever had this place in them shares it."""

    __slots__ = ("held", "held_total", "phantoms", "refused_total", "released_total", "since", "timed_out_total")

    def __init__(self) -> None:
        self.held: dict[Applicant, Place] = {}
        self.since = _HELD  # when holding began; no instant while nobody has been held
        self.phantoms: list[float] = []  # a heap: until when those would be held that a shadow only counts
        self.held_total = 0
        self.released_total = 0
        self.timed_out_total = 0
        self.refused_total = 0


class Hold(Admission):
    """The machine of one upstream's hold. Asked only when no endpoint is available; refuses with `no_endpoint`.

    A refusal names no time to come back at: nobody knows when a backend that is gone will be back.
    """

    __slots__ = ("_gap", "_line", "_max", "_observer", "_timeout")

    def __init__(self, name: str, spec: HoldSpec, observer: UpstreamObserver) -> None:
        """`name` is the rule as people see it, such as `app/hold`."""
        super().__init__(name, Reason.NO_ENDPOINT, spec.mode == "shadow")
        self._line = Line()
        self._max = spec.max_requests
        self._timeout = spec.timeout
        self._gap = 0.0 if spec.release is None else 1 / spec.release  # 0: as many as there are set it
        self._observer = observer

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """A place in the line, or none. In shadow mode nobody waits: the word is always REFUSED."""
        until = now + self._timeout
        if applicant.deadline < until:
            until = applicant.deadline
        if self.shadow:
            self._count(now, until)
            return REFUSED
        line = self._line
        if len(line.held) >= self._max or until <= now:
            line.refused_total += 1
            self._observer.hold_counted("refused")
            return REFUSED
        line.held[applicant] = Place(until)
        line.held_total += 1
        self._observer.hold_counted("held")
        self._begin(now)
        self.wait_until = until
        return WAIT

    def _count(self, now: float, until: float) -> None:
        phantoms = self._line.phantoms
        while phantoms and phantoms[0] <= now:
            heappop(phantoms)
        if len(phantoms) >= self._max or until <= now:
            self._observer.hold_counted("shadow_refused")
        else:
            heappush(phantoms, until)
            self._observer.hold_counted("shadow_held")

    def resume(self, now: float, applicant: Applicant) -> int:
        """ADMITTED at its instant, a refusal when its time is up without one, else the rest of the wait."""
        line = self._line
        place = line.held.get(applicant)
        if place is None:
            return REFUSED
        if now >= place.instant:
            del line.held[applicant]
            line.released_total += 1
            self._observer.hold_counted("released")
            return ADMITTED
        if now >= place.until:
            del line.held[applicant]
            line.timed_out_total += 1
            self._observer.hold_counted("timed_out")
            return REFUSED
        self.wait_until = min(place.instant, place.until)
        return WAIT

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """One that is held has left. Nothing happens for one that is not."""
        if self._line.held.pop(applicant, None) is not None:
            self._observer.hold_counted("left")

    def release(self, now: float) -> None:
        """An endpoint is available. Everyone who is held gets an instant, in order, and hears of it once."""
        line = self._line
        line.phantoms.clear()
        waiting = [applicant for applicant, place in line.held.items() if place.instant == _HELD]
        gap = self._gap or min(_WIDEST_GAP, _ALL_WITHIN / max(1, len(waiting)))
        for number, applicant in enumerate(waiting):
            place = line.held[applicant]
            # Whose time ends before its turn goes when half of the rest is over: an instant at its end would help
            # nobody. Those that came one by one leave so, whatever the pace.
            place.instant = min(now + number * gap, now + max(0.0, place.until - now) / 2)
        since, line.since = line.since, _HELD
        if since != _HELD:
            self._observer.hold_ended(len(waiting), now - since)
        for applicant in waiting:  # the state is complete before anyone is told
            if applicant in line.held:
                applicant.granted(now)

    def suspend(self, now: float) -> None:
        """No endpoint is available any more: who has not gone yet stays, in its order and with its own end.

        Nobody is told: whoever comes at its instant finds it gone, and waits on."""
        line = self._line
        for place in line.held.values():
            place.instant = _HELD
        if line.held:
            self._begin(now)

    def _begin(self, now: float) -> None:
        if self._line.since == _HELD:
            self._line.since = now
            self._observer.hold_began()

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see: `held` includes the `releasing`, who have their instant; totals since the start."""
        line = self._line
        return {
            "max_requests": self._max,
            "held": len(line.held),
            "releasing": sum(place.instant != _HELD for place in line.held.values()),
            "seconds": 0.0 if line.since == _HELD else now - line.since,
            "held_total": line.held_total,
            "released_total": line.released_total,
            "timed_out_total": line.timed_out_total,
            "refused_total": line.refused_total,
        }

    def inherit(self, before: Admission, now: float) -> None:
        """Take over everyone with their time and their instant, more than `max_requests` too, and in shadow mode."""
        if isinstance(before, Hold):
            self._line = before._line
