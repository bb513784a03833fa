"""Faults made on purpose, to see how callers take them. Refused unless the process was started with --allow-faults.

Owns the dice. May not know a clock or a module-wide generator: `now` and a `random.Random` are given, so that equal
seeds make equal histories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import Annotated

from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Admission, Applicant, Binding
from sidecar.policies.units import Mode, Ratio, Seconds, Status, demand


@dataclass(frozen=True, slots=True, kw_only=True)
class DelaySpec:
    """Make a share of the requests late."""

    ratio: Annotated[Ratio, "share of the requests"]
    duration: Annotated[Seconds, "how late"]

    def __post_init__(self) -> None:
        demand(("duration", self.duration > 0, "must be more than 0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortSpec:
    """Answer a share of the requests with a status instead of asking the upstream."""

    ratio: Annotated[Ratio, "share of the requests"]
    status: Annotated[Status, "the answer"] = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSpec:
    """Faults made on purpose."""

    delay: Annotated[DelaySpec | None, "late requests"] = None
    abort: Annotated[AbortSpec | None, "refused requests"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(("delay", bool(self.delay or self.abort), "is missing; a fault needs `delay` or `abort`"))


class Fault(Admission):
    """The machine of one route's faults.

    Delay and abort are drawn apart, each by its own ratio, and a delay can be followed by an abort, which is drawn when
    the delay is over: so Envoy has it (fault_filter.cc, `decodeHeaders` and `postDelayInjection`). Of who is being
    delayed nothing is kept.
    """

    __slots__ = (
        "_abort_ratio",
        "_aborted_total",
        "_delay",
        "_delay_ratio",
        "_delayed_total",
        "_rng",
    )

    def __init__(self, name: str, spec: FaultSpec, rng: Random) -> None:
        """`name` is the rule as people see it, such as `canary/fault`."""
        super().__init__(name, Reason.FAULT_INJECTED, spec.mode == "shadow")
        delay, abort = spec.delay, spec.abort
        # Negative: not in the rules, and no number is drawn for it.
        self._delay_ratio = -1.0 if delay is None else delay.ratio
        self._delay = 0.0 if delay is None else delay.duration
        self._abort_ratio = -1.0 if abort is None else abort.ratio
        self.status = 0 if abort is None else abort.status
        self._rng = rng
        self._delayed_total = 0
        self._aborted_total = 0

    @classmethod
    def bound(cls, binding: Binding) -> Fault:
        """See Admission."""
        return cls(binding.name, binding.specs[0], binding.rng)

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """WAIT for a delayed one, never past its deadline; else REFUSED for an aborted one, else ADMITTED.

        In shadow mode a delay is counted and not waited for, since nobody would."""
        if self._delay_ratio >= 0.0 and self._rng.random() < self._delay_ratio:
            self._delayed_total += 1
            until = now + self._delay
            if applicant.deadline < until:
                until = applicant.deadline
            if until > now and not self.shadow:
                self.wait_until = until
                return WAIT
        return self._abort()

    def resume(self, now: float, applicant: Applicant) -> int:
        """The delay is over: REFUSED for an aborted one, else ADMITTED."""
        return self._abort()

    def _abort(self) -> int:
        if self._abort_ratio >= 0.0 and self._rng.random() < self._abort_ratio:
            self._aborted_total += 1
            return REFUSED
        return ADMITTED

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What the rules ask for (absent: null), and how many requests were hit since the start."""
        return {
            "delay_ratio": None if self._delay_ratio < 0.0 else self._delay_ratio,
            "delay_seconds": None if self._delay_ratio < 0.0 else self._delay,
            "abort_ratio": None if self._abort_ratio < 0.0 else self._abort_ratio,
            "abort_status": None if self._abort_ratio < 0.0 else self.status,
            "delayed_total": self._delayed_total,
            "aborted_total": self._aborted_total,
        }

    def inherit(self, before: Admission, now: float) -> None:
        """Take over the totals, and the generator where it stands, so that a reload does not repeat the same draws."""
        if isinstance(before, Fault):
            self._rng = before._rng
            self._delayed_total = before._delayed_total
            self._aborted_total = before._aborted_total
