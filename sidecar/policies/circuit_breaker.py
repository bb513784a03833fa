"""When to stop calling what keeps failing, and when to try again (`circuit_breaker` in the rules).

Here: what a rule may say about it, and the admission that a request meets. What has been counted and where the breaker
stands is a Circuit (circuit.py), which outlives the rules. Closed passes, open refuses, half_open admits a few.
Knows no clock, no task and no socket.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.circuit import AUTO, CLOSED, FORCES, HALF_OPEN, OPEN, WORDS, Circuit, Thresholds
from sidecar.policies.contract import REFUSED, Admission, Applicant, Binding
from sidecar.policies.units import Count, Mode, Off, Ratio, Seconds, demand
from sidecar.policies.window import slices_of

# A lease has to end some time, or a probe that hangs would keep its place for ever: without an attempt timeout after
# as long as nginx's proxy_read_timeout waits by default.
_LEASE_WITHOUT_TIMEOUT = 60.0


_LONGEST_OPEN = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreakerSpec:
    """Open after too many failed or slow attempts in a window; half open after a while."""

    failure_ratio: Annotated[Ratio, "share of failed attempts in the window that opens it"] = 0.5
    slow_ratio: Annotated[Ratio, "share of slow attempts in the window that opens it"] = 1.0
    slow_after: Annotated[Seconds | None, Off(), "an attempt that takes longer is slow; 0 switches it off"] = 5.0
    consecutive_failures: Annotated[Count | None, Off(), "failures in a row that open it; 0 switches it off"] = None
    min_requests: Annotated[Count, "attempts in the window before a ratio means anything"] = 10
    window: Annotated[Seconds, "how far back attempts are counted"] = 10.0
    open_for: Annotated[Seconds, "how long it stays open the first time; doubles each time it opens again"] = 1.0
    max_open_for: Annotated[Seconds | None, "longest time it stays open; absent: 10s, or open_for where longer"] = None
    half_open_requests: Annotated[Count, "attempts admitted at a time to find out whether it has recovered"] = 3
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("failure_ratio", self.failure_ratio > 0, "must be more than 0, or one success would open the breaker"),
            ("slow_ratio", self.slow_ratio > 0, "must be more than 0; to ignore slowness set slow_after: 0s"),
            ("min_requests", self.min_requests >= 1, "must be at least 1"),
            ("window", 1.0 <= self.window <= 3600.0, "must be from 1s to 1h; it is counted in slices of a second"),
            ("open_for", self.open_for > 0, "must be more than 0"),
            ("max_open_for", self.longest >= self.open_for, "must be at least open_for"),
            ("half_open_requests", self.half_open_requests >= 1, "must be at least 1, or it could never close again"),
        )

    @property
    def longest(self) -> float:
        """`max_open_for`, or what it is where nobody says. A backend that is back is refused for that long at worst,
        and one that is not is asked three requests as often: both are little."""
        return max(_LONGEST_OPEN, self.open_for) if self.max_open_for is None else self.max_open_for


class CircuitBreaker(Admission):
    """One circuit breaker: asked before each attempt, told of its outcome, refusing while its circuit is open.

    A permit is settled with the seconds to the answer's head; longer than `slow_after` is slow. In shadow mode it
    decides as ever; what goes on against its word has no permit and is not reported to it.
    """

    __slots__ = ("_circuit", "_shadows", "label")

    def __init__(
        self,
        name: str,
        label: str,
        spec: CircuitBreakerSpec,
        lease_seconds: float,
        rng: random.Random,
        observer: BreakerObserver,
    ) -> None:
        """`name` is the rule as people see it (`app/circuit_breaker`), `label` what metrics and the admin's verbs call
        the breaker (`upstream.app`, `route.login`). `lease_seconds` is how long a probe may keep its place: the attempt
        timeout, or infinity where there is none."""
        Admission.__init__(self, name, Reason.CIRCUIT_OPEN, spec.mode == "shadow")
        self.label = label
        self._shadows = self.shadow
        self._circuit = Circuit(_thresholds(spec, lease_seconds), rng, observer)

    @classmethod
    def bound(cls, binding: Binding) -> CircuitBreaker:
        """See Admission."""
        label = f"{binding.scope}.{binding.owner}"
        observer = binding.breaker_observer(label)
        return cls(binding.name, label, binding.specs[0], binding.attempt_timeout, binding.rng, observer)

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """A permit or REFUSED, never WAIT; see Admission."""
        circuit = self._circuit
        if circuit.state == CLOSED:
            return circuit.generation
        permit = circuit.acquire(now)
        if permit == REFUSED:
            self.retry_after = circuit.retry_after(now)
        return permit

    def resume(self, now: float, applicant: Applicant) -> int:
        """Nobody ever waits for a breaker, so this asks anew."""
        return self.try_acquire(now, applicant)

    def answering(self, now: float, permit: int) -> None:
        """See Admission. Means something only while half open."""
        circuit = self._circuit
        if circuit.state == HALF_OPEN:
            circuit.answering(now, permit)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """See Admission. Ignored outcomes count for nothing and still give a probe's place back."""
        self._circuit.settle(now, permit, outcome, seconds)

    def available(self, now: float) -> bool:
        """Whether `try_acquire` would give a permit. Takes nothing."""
        circuit = self._circuit
        return circuit.state == CLOSED or circuit.admits(now)

    def probe(self, now: float, ok: bool) -> None:
        """An active health check's result: it counts as a probe while half open, so that a backend without traffic
        recovers. Says nothing while closed or open."""
        circuit = self._circuit
        circuit.wake(now)
        if circuit.state != HALF_OPEN:
            return
        if ok:
            circuit.succeeded()
        else:
            circuit.reopen(now, "a health check failed")

    def force(self, now: float, word: str) -> None:
        """By hand: `open` refuses and counts nothing, `close` admits and never opens, each until `auto`, which closes
        the breaker with an empty window. `auto` on a breaker that nobody forced changes nothing.

        Raises ValueError for another word."""
        self._circuit.wake(now)
        self._circuit.force(word)
        # An operator's word is none of the rule's guesses: it holds in shadow mode too.
        self.shadow = self._shadows and self._circuit.forced == AUTO

    def snapshot(self, now: float) -> Mapping[str, object]:
        """The state and what led to it. `open_remaining` is seconds; None while forced open, because nobody knows."""
        circuit = self._circuit
        circuit.wake(now)
        circuit.window.roll(now)
        remaining = max(0.0, circuit.open_until - now) if circuit.state == OPEN else 0.0
        return {
            "breaker": self.label,
            "state": WORDS[circuit.state],
            "forced": FORCES[circuit.forced],
            "requests": circuit.window.requests,
            "failures": circuit.window.failures,
            "slow": circuit.window.slow,
            "consecutive_failures": circuit.consecutive_failures,
            "open_remaining": remaining if math.isfinite(remaining) else None,
            "leases": len(circuit.leases),
            "generation": circuit.generation,
            "opened": circuit.opened,
            "shadow": self.shadow,
        }

    def inherit(self, before: Admission, now: float) -> None:
        """Share the circuit of the breaker that had this place before, under this rule's thresholds. To be called when
        the new rules take over, before this breaker has given a permit: from then on the old rules' requests are judged
        by the new thresholds too, and their permits land in the same circuit."""
        if isinstance(before, CircuitBreaker):
            other = before  # a name of its own, for the `.pxd` to type
            other._circuit.adopt(self._circuit, now)
            self._circuit = other._circuit
            self.shadow = self._shadows and self._circuit.forced == AUTO


def _thresholds(spec: CircuitBreakerSpec, lease_seconds: float) -> Thresholds:
    limits = Thresholds()
    limits.failure_ratio = spec.failure_ratio
    limits.slow_ratio = spec.slow_ratio
    limits.slow_after = math.inf if spec.slow_after is None else spec.slow_after
    limits.consecutive_failures = spec.consecutive_failures or 0
    limits.min_requests = spec.min_requests
    limits.window = spec.window
    limits.slices = slices_of(spec.window)
    limits.open_for = spec.open_for
    limits.max_open_for = spec.longest
    limits.half_open_requests = spec.half_open_requests
    limits.lease_seconds = lease_seconds if math.isfinite(lease_seconds) else _LEASE_WITHOUT_TIMEOUT
    return limits
