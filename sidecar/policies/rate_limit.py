"""How many requests a route admits over time: what a rule may say, and the machine that holds a route to its rules.

Owns the order of a route's limits and those that wait for a token; how one bucket counts is the business of gcra.py.
Knows no clock, no socket and no task: `now` is an argument, and whoever asked comes back by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from sidecar.model.observer import RouteObserver
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Admission, Applicant, Binding, Key
from sidecar.policies.gcra import Limit, Slot
from sidecar.policies.units import (
    Count,
    KeySource,
    Mode,
    Name,
    Number,
    OneOrMany,
    PerSecond,
    Seconds,
    demand,
    show_number,
    show_rate,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimitSpec:
    """At most so many requests over time, for each key."""

    name: Annotated[Name, "names the limit in replies, logs and metrics; unique in its route"]
    rate: Annotated[PerSecond, "requests admitted over time, for each key"]
    burst: Annotated[
        Number | None, "requests admitted at once after a rest; absent: one second's worth, at least 1"
    ] = None
    key: Annotated[
        tuple[KeySource, ...],
        OneOrMany(),
        "what has its own bucket: client_ip, header:NAME, cookie:NAME, path:VARIABLE or a list; absent: one for all",
    ] = ()
    max_wait: Annotated[Seconds, "wait at most this long for a token before answering 429"] = 0.0
    max_keys: Annotated[Count, "buckets remembered at most"] = 100_000
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("rate", self.rate > 0, "must be more than 0; to refuse everything, take the route out"),
            ("burst", self.burst is None or self.burst > 0, "must be more than 0"),
            ("key", len(set(self.key)) == len(self.key), "names the same source twice"),
            ("max_keys", self.max_keys >= 1, "must be at least 1"),
        )

    @property
    def capacity(self) -> float:
        """The burst in force: the written one, or one second's worth of the rate and at least one request."""
        return max(1.0, self.rate) if self.burst is None else self.burst


class _Waiting:
    """One that waits: until when, and what is kept for it."""

    __slots__ = ("slots", "until")

    def __init__(self, until: float, slots: list[Slot]) -> None:
        self.until = until
        self.slots = slots


class RateLimits(Admission):
    """All limits of one route, asked as one: admitted by every one of them, or spending nothing.

    The narrowest is asked first (the one with the most key sources), so that a caller who is over its own limit is
    told so, and not that everybody is. Each limit's own mode counts; the machine as a whole is never in shadow.
    """

    __slots__ = ("_lead", "_limits", "_observer", "_only", "_specs", "_waiting")

    def __init__(self, route: str, limits: Sequence[tuple[RateLimitSpec, Key | None]], observer: RouteObserver) -> None:
        """Each limit with its compiled key, None for one whose Spec names no key source."""
        super().__init__(f"{route}/rate_limits", Reason.RATE_LIMITED)
        ordered = sorted(limits, key=lambda pair: -len(pair[0].key))
        self._specs = tuple([spec for spec, _ in ordered])
        self._limits = tuple([_limit(route, spec, key) for spec, key in ordered])
        self._only = self._limits[0] if len(self._limits) == 1 else None
        self._observer = observer
        self._waiting: dict[Applicant, _Waiting] = {}
        # What a caller is not held to is not announced.
        policies = b", ".join([limit.policy() for limit in self._limits if not limit.shadow])
        self.announces = bool(policies)
        self._lead = b"RateLimit-Policy: " + policies + b"\r\nRateLimit: " if policies else b""

    @classmethod
    def bound(cls, binding: Binding) -> RateLimits:
        """See Admission."""
        limits = [(spec, binding.compile_key(spec.key) if spec.key else None) for spec in binding.specs]
        return cls(binding.owner, limits, binding.observer)

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """ADMITTED, REFUSED, or WAIT where every limit that is short has a `max_wait` that its wait fits into."""
        longest = 0.0
        skipped = False
        for limit in self._limits:
            wait = limit.ask(now, applicant)
            if wait > 0.0:
                if wait <= limit.max_wait and now + wait <= applicant.deadline:
                    # In shadow mode it spends as it would, and nobody waits for it.
                    if wait > longest and not limit.shadow:
                        longest = wait
                elif limit.shadow:
                    limit.skipped = skipped = True
                else:
                    return self._refuse(limit, wait, skipped)
        if skipped:
            return self._go_on(now, now + longest, applicant)
        for limit in self._limits:
            limit.take(now)
        if longest > 0.0:
            return self._wait(now + longest, applicant)
        return ADMITTED

    def resume(self, now: float, applicant: Applicant) -> int:
        """ADMITTED from `wait_until` on, WAIT with the same `wait_until` before it."""
        waiting = self._waiting[applicant]
        if now < waiting.until:
            self.wait_until = waiting.until
            return WAIT
        del self._waiting[applicant]
        return ADMITTED

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """Give back what is kept for one that waits; nothing for one that does not."""
        waiting = self._waiting.pop(applicant, None)
        if waiting is not None:
            for slot in waiting.slots:
                slot.limit.give_back(now, slot)

    def answer_fields(self, now: float, applicant: Applicant) -> bytes:
        """RateLimit-Policy and RateLimit of every enforced limit; empty when all are in shadow mode."""
        if not self._lead:
            return b""
        only = self._only
        if only is not None:
            return self._lead + only.piece(now, applicant) + b"\r\n"
        pieces = []
        for limit in self._limits:
            if not limit.shadow:
                pieces.append(limit.piece(now, applicant))  # noqa: PERF401 - a comprehension's variable is not typed
        return self._lead + b", ".join(pieces) + b"\r\n"

    def snapshot(self, now: float) -> Mapping[str, object]:
        """For each limit its rule values and its buckets; `remaining` only where there is one bucket for all."""
        shown: dict[str, object] = {}
        for spec, limit in zip(self._specs, self._limits, strict=True):
            values: dict[str, object] = {
                "rate": show_rate(spec.rate),
                "burst": show_number(spec.capacity),
                "key": list(spec.key),
                "mode": spec.mode,
            }
            if limit.key is None:
                values["remaining"] = limit.whole(limit.remaining(now))
            else:
                values["keys"] = len(limit.table)
                values["max_keys"] = limit.table.max_keys
                values["evictions"] = limit.table.evictions
            shown[spec.name] = values
        return {"limits": shown, "waiting": len(self._waiting)}

    def inherit(self, before: Admission, now: float) -> None:
        """Take over the buckets of every limit of the same name and key. Those that wait stay with the machine that
        told them how long."""
        if not isinstance(before, RateLimits):
            return
        old = {spec.name: (spec, limit) for spec, limit in zip(before._specs, before._limits, strict=True)}
        for spec, limit in zip(self._specs, self._limits, strict=True):
            found = old.get(spec.name)
            if found is not None and found[0].key == spec.key:
                limit.inherit(found[1], now)

    def _refuse(self, limit: Limit, wait: float, skipped: bool) -> int:
        self.rule = limit.rule
        self.retry_after = wait
        if skipped:
            self._tell()
        return REFUSED

    def _go_on(self, now: float, until: float, applicant: Applicant) -> int:
        """Admit past the limits in shadow mode that refused; they spend nothing and are counted."""
        slots = []
        for limit in self._limits:
            if not limit.skipped:
                limit.take(now)
                slots.append(limit.taken())
        if until > now:
            self._waiting[applicant] = _Waiting(until, slots)
        self._tell()
        self.wait_until = until
        return WAIT if until > now else ADMITTED

    def _wait(self, until: float, applicant: Applicant) -> int:
        self._waiting[applicant] = _Waiting(until, [limit.taken() for limit in self._limits])
        self.wait_until = until
        return WAIT

    def _tell(self) -> None:
        for limit in self._limits:
            if limit.skipped:
                limit.skipped = False
                self._observer.shadow_rejected(limit.rule, self.reason)


def _limit(route: str, spec: RateLimitSpec, key: Key | None) -> Limit:
    return Limit(
        f"{route}/{spec.name}", spec.rate, spec.capacity, spec.max_wait, spec.mode == "shadow", key, spec.max_keys
    )
