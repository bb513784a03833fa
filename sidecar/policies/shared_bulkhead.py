"""A concurrency limit that holds for all workers of an instance: the machine of bulkhead.py over shared places.

A newcomer overtakes nobody, because a place is free to take only while nobody waits anywhere. Who frees one hands it on
in the same call, to another worker too (shared_places.py). Knows no clock and no task.
"""

from __future__ import annotations

from collections.abc import Mapping

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import REFUSED, WAIT, Admission, Applicant, Binding
from sidecar.policies.shared_places import TIMES_ADMITTED, TIMES_QUEUED, TIMES_REFUSED, SharedPlaces, piece_of
from sidecar.policies.sharing import Memory

_PLACE = 1


class SharedBulkhead(Bulkhead):
    """The machine of one route's concurrency limit, for every worker. A worker keeps one state for all rules that ever
    had this limit, as the memory does: it follows those that are current."""

    __slots__ = ("_follows", "_limits", "_shared")

    def __init__(self, name: str, spec: BulkheadSpec, memory: Memory) -> None:
        """See Bulkhead."""
        Bulkhead.__init__(self, name, spec)
        self._limits = self._places
        piece = piece_of(memory, name)
        living: SharedPlaces | None = piece.living
        self._follows = False  # whether its limits are in force
        self._shared = SharedPlaces(piece, 0, 0) if living is None else living
        self._places = self._shared
        if living is None:
            self._follow()

    @classmethod
    def bound(cls, binding: Binding) -> SharedBulkhead:
        """See Admission."""
        return cls(binding.name, binding.specs[0], binding.shared)

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """See Bulkhead."""
        places = self._shared
        if not self._follows:
            self._follow()
        places.enter()
        try:
            verdict = self._ask(now, applicant)
        finally:
            places.leave()
        places.report(now)
        return verdict

    def resume(self, now: float, applicant: Applicant) -> int:
        """See Bulkhead."""
        places = self._shared
        places.enter()
        try:
            verdict = self._ask_again(now, applicant)
        finally:
            places.leave()
        places.report(now)
        return verdict

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """See Bulkhead."""
        places = self._shared
        places.enter()
        try:
            if applicant in places.granted:
                places.granted.remove(applicant)
                places.occupy(-1)
                places.hand_on(now)
            else:
                places.leave_queue(applicant)
        finally:
            places.leave()
        places.report(now)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """See Bulkhead."""
        places = self._shared
        places.enter()
        try:
            places.occupy(-1)
            if places.waiting() > 0:
                places.hand_on(now)
        finally:
            places.leave()
        places.report(now)

    def attempted(self, now: float, seconds: float, status: int) -> None:
        """See Bulkhead: what any worker hears, all learn from."""
        places = self._shared
        places.enter()
        try:
            places.learn(now, seconds, status)
        finally:
            places.leave()
        places.report(now)

    def snapshot(self, now: float) -> Mapping[str, object]:
        """See Bulkhead: the instance's numbers."""
        places = self._shared
        places.recall()
        return {
            "max": places.max,
            "in_flight": places.taken(),
            "max_queue": places.max_queue,
            "queued": places.waiting(),
            "admitted_total": places.counted(TIMES_ADMITTED),
            "queued_total": places.counted(TIMES_QUEUED),
            "refused_total": places.counted(TIMES_REFUSED),
            **({} if places.learned is None else places.learned.snapshot()),
        }

    def inherit(self, before: Admission, now: float) -> None:
        """See Bulkhead. The places are where they were; who waits in this worker follows its rules."""
        if not isinstance(before, SharedBulkhead):
            return
        places = self._shared
        self._follow()
        places.enter()
        try:
            if self.shadow:
                places.grant_all(now)
            else:
                places.hand_on(now)
        finally:
            places.leave()
        places.report(now)

    def _follow(self) -> None:
        self._follows = True
        self._shared.follow(self._limits)

    def _ask(self, now: float, applicant: Applicant) -> int:
        places = self._shared
        waiting = places.waiting()
        if waiting == 0 and places.taken() < places.max:
            places.occupy(1)
            places.count(TIMES_ADMITTED)
            return _PLACE
        until = self._until(now, applicant)
        if self.shadow or waiting >= places.max_queue or until <= now:
            places.count(TIMES_REFUSED)
            return REFUSED
        places.join(applicant, until)
        places.count(TIMES_QUEUED)
        # A place may be free while older ones wait that no ticket shows. Nobody is told inside its own call.
        places.hand_on(now)
        if applicant in places.granted:
            places.granted.remove(applicant)
            places.count(TIMES_ADMITTED)
            return _PLACE
        self.wait_until = until
        return WAIT

    def _ask_again(self, now: float, applicant: Applicant) -> int:
        places = self._shared
        # As in Bulkhead: a grant wins over a time that is up at the same instant.
        if applicant in places.granted:
            places.granted.remove(applicant)
            places.count(TIMES_ADMITTED)
            return _PLACE
        until = places.queue.get(applicant, now)
        if until > now:
            self.wait_until = until
            return WAIT
        places.leave_queue(applicant)
        places.count(TIMES_REFUSED)
        return REFUSED
