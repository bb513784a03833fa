"""How many requests a route has in flight at once, and how many may queue for a place (`concurrency` in the rules).

Owns the places of one route and the queue for them. May not know a clock or a task: `now` is an argument, and waking
one that waits is the applicant's own affair.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.adaptive_concurrency import AdaptiveLimit
from sidecar.policies.adaptive_spec import AdaptiveSpec
from sidecar.policies.contract import REFUSED, WAIT, Admission, Applicant, Binding
from sidecar.policies.units import COUNT, Kind, Mode, Seconds, as_it_is, demand, parse_count

# All places are alike, so one number is every permit: a permit is counted, never looked up.
_PLACE = 1


ADAPTIVE: Final = "adaptive"


def _parse_limit(text: str) -> int | str:
    if text == ADAPTIVE:
        return text
    if not text[:1].isalpha():
        return parse_count(text)
    hint = f"; did you mean `{ADAPTIVE}`?" if text.lower()[:4] == ADAPTIVE[:4] else ""
    raise ValueError(f"`{text}` is neither a whole number nor `{ADAPTIVE}`{hint}")


LIMIT: Final = Kind("whole number or adaptive", _parse_limit, {"anyOf": [COUNT.json, {"enum": [ADAPTIVE]}]}, as_it_is)
Limit = Annotated[int | Literal["adaptive"], LIMIT]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkheadSpec:
    """At most so many requests in flight, then a bounded queue, then 503."""

    max: Annotated[Limit, "requests in flight at once; adaptive: learned from how fast the upstream answers"]
    adaptive: Annotated[AdaptiveSpec | None, "with max: adaptive: how far it may go"] = None
    max_queue: Annotated[int, COUNT, "requests that may wait for a place, first in first out"] = 0
    max_wait: Annotated[Seconds | None, "longest wait for a place; absent: until the request's deadline"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("max", self.max == ADAPTIVE or self.max >= 1, "must be at least 1"),
            (
                "max_wait",
                self.max_queue == 0 or self.max_wait is None or self.max_wait > 0,
                "is 0, so nothing can ever wait in the queue of max_queue; give it a duration or drop max_queue",
            ),
        )

    @property
    def learned(self) -> AdaptiveSpec | None:
        """How far a limit that is learned may go, None where it is a number."""
        return (self.adaptive or AdaptiveSpec()) if self.max == ADAPTIVE else None

    @property
    def most(self) -> int:
        """The limit, or how far it may go."""
        return (self.adaptive or AdaptiveSpec()).max if self.max == ADAPTIVE else self.max


class Places:
    """The living state of one concurrency limit. It outlives the rules: every machine that ever had this place in
    them shares it, so that a permit of older rules is given back where it is counted."""

    __slots__ = (
        "admitted_total",
        "granted",
        "in_flight",
        "learned",
        "max",
        "max_queue",
        "queue",
        "queued_total",
        "refused_total",
        "spare",
        "telling",
        "untold",
    )

    def __init__(self, limit: int, max_queue: int, spare: int = 0, learned: AdaptiveLimit | None = None) -> None:
        """`spare` places are counted beside the limit; `learned` is what moves it, None where it stays."""
        self.learned = learned
        self.spare = spare
        self.max = limit + spare
        self.max_queue = max_queue
        self.in_flight = 0  # places taken, those of the granted included
        self.queue: OrderedDict[Applicant, float] = OrderedDict()  # who waits, in order, and until when
        self.granted: set[Applicant] = set()  # whose place is kept until they ask for it, or leave
        self.untold: deque[Applicant] = deque()  # granted, and not yet told so
        self.telling = False
        self.admitted_total = 0
        self.queued_total = 0
        self.refused_total = 0

    def hand_on(self, now: float) -> None:
        """Give every free place to the head of the queue. The state is complete before anyone is told."""
        while self.queue and self.in_flight < self.max:
            self._grant_next()
        self.tell(now)

    def grant_all(self, now: float) -> None:
        """Let everyone in who waits, above `max` too."""
        while self.queue:
            self._grant_next()
        self.tell(now)

    def _grant_next(self) -> None:
        applicant = self.queue.popitem(last=False)[0]
        self.in_flight += 1
        self.granted.add(applicant)
        self.untold.append(applicant)

    def tell(self, now: float) -> None:
        """Tell the granted. One that leaves inside `granted`, against the contract, costs no depth of the stack: the
        place it frees is told by the loop that already runs."""
        if self.telling:
            return
        self.telling = True
        try:
            while self.untold:
                applicant = self.untold.popleft()
                if applicant in self.granted:
                    applicant.granted(now)
        finally:
            self.telling = False


class Bulkhead(Admission):
    """The machine of one route's concurrency limit.

    While anyone waits, no place is free: every place that comes free is handed on in the same call. So a newcomer that
    finds a place overtakes nobody, and the happy path asks for one number only.

    A refusal names no time to come back at: when the next place comes free depends on what the running requests do, and
    a guess from past durations is least true when it is asked for, while the backend is slow.
    """

    __slots__ = ("_max_wait", "_places")

    def __init__(self, name: str, spec: BulkheadSpec) -> None:
        """`name` is the rule as people see it, such as `login/concurrency`."""
        super().__init__(name, Reason.CONCURRENCY_LIMITED, spec.mode == "shadow")
        # In shadow mode nobody waits: who would have queued is in flight at once, so places and queue are one number.
        queue = 0 if self.shadow else spec.max_queue
        learned = None if spec.learned is None else AdaptiveLimit(spec.learned)
        limit = spec.most if learned is None else learned.current
        self._places = Places(limit, queue, spec.max_queue - queue, learned)
        self.measures = learned is not None
        self._max_wait = -1.0 if spec.max_wait is None else spec.max_wait  # negative: as long as the deadline allows

    @classmethod
    def bound(cls, binding: Binding) -> Bulkhead:
        """See Admission."""
        return cls(binding.name, binding.specs[0])

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """A place, a place in the queue, or neither."""
        places = self._places
        if places.in_flight < places.max:
            places.in_flight += 1
            places.admitted_total += 1
            return _PLACE
        return self._enqueue(now, applicant)

    def _enqueue(self, now: float, applicant: Applicant) -> int:
        places = self._places
        until = self._until(now, applicant)
        # `shadow` beside `max_queue`, since a machine of older rules shares the places of newer ones.
        if self.shadow or len(places.queue) >= places.max_queue or until <= now:
            places.refused_total += 1
            return REFUSED
        places.queue[applicant] = until
        places.queued_total += 1
        self.wait_until = until
        return WAIT

    def _until(self, now: float, applicant: Applicant) -> float:
        """How long it may wait."""
        until = applicant.deadline
        if self._max_wait >= 0.0 and now + self._max_wait < until:
            until = now + self._max_wait
        return until

    def resume(self, now: float, applicant: Applicant) -> int:
        """The place that was granted; else a refusal when the time is up, else the rest of the wait."""
        places = self._places
        # A grant wins over a time that was up at the same instant: the place is there, and a refusal would waste it.
        if applicant in places.granted:
            places.granted.remove(applicant)
            places.admitted_total += 1
            return _PLACE
        until = places.queue.get(applicant, now)
        if until > now:  # a coarse timer may be early
            self.wait_until = until
            return WAIT
        places.queue.pop(applicant, None)
        places.refused_total += 1
        return REFUSED

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """One that waits has left. Nothing happens for one that does not wait."""
        places = self._places
        if applicant in places.granted:
            places.granted.remove(applicant)
            places.in_flight -= 1
            places.hand_on(now)
        else:
            places.queue.pop(applicant, None)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """A place is free, whatever became of who had it."""
        places = self._places
        places.in_flight -= 1
        if places.queue:
            places.hand_on(now)

    def attempted(self, now: float, seconds: float, status: int) -> None:
        """See Admission: what a limit is learned from."""
        places = self._places
        learned = places.learned
        if learned is not None and learned.attempted(now, seconds, status, places.in_flight):
            places.max = learned.current + places.spare
            places.hand_on(now)

    def snapshot(self, now: float) -> Mapping[str, object]:
        """`max` and `max_queue` as counted (in shadow mode the queue's places are among `max`), what is taken of them,
        and totals since the start."""
        places = self._places
        return {
            "max": places.max,
            "in_flight": places.in_flight,
            "max_queue": places.max_queue,
            "queued": len(places.queue),
            "admitted_total": places.admitted_total,
            "queued_total": places.queued_total,
            "refused_total": places.refused_total,
            **({} if places.learned is None else places.learned.snapshot()),
        }

    def inherit(self, before: Admission, now: float) -> None:
        """Take over the places with everyone in them and in the queue, under the limits of this machine's rules.

        More places are given out at once; fewer are reached as requests end. Who queues keeps its place and its time,
        even in a queue that is now longer than it may grow; in shadow mode nobody waits on, so everybody is let in.
        A limit that both learn goes on from where it was.
        """
        if not isinstance(before, Bulkhead):
            return
        places = before._places
        new = self._places
        if new.learned is not None and places.learned is not None:
            new.learned.inherit(places.learned)
            new.max = new.learned.current + new.spare
        places.learned = new.learned
        places.spare = new.spare
        places.max = new.max
        places.max_queue = new.max_queue
        self._places = places
        if self.shadow:
            places.grant_all(now)
        else:
            places.hand_on(now)
