"""A circuit breaker that opens for all workers of an instance: circuit_breaker.py over a shared circuit.

Knows no clock, no task and no socket.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from sidecar.model.observer import BreakerObserver
from sidecar.policies.circuit import AUTO
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import Admission, Applicant, Binding
from sidecar.policies.shared_circuit import SharedCircuit
from sidecar.policies.sharing import Memory


class SharedCircuitBreaker(CircuitBreaker):
    """See CircuitBreaker. Whatever moves it, by hand too, moves it for every worker; one that is told the same by hand
    again changes nothing."""

    __slots__ = ("_shared",)

    def __init__(
        self,
        name: str,
        label: str,
        spec: CircuitBreakerSpec,
        lease_seconds: float,
        rng: random.Random,
        observer: BreakerObserver,
        memory: Memory,
    ) -> None:
        """See CircuitBreaker."""
        CircuitBreaker.__init__(self, name, label, spec, lease_seconds, rng, observer)
        # By its label: a route and an upstream may have the same name.
        self._shared = SharedCircuit(memory, f"circuit_breaker/{label}", self._circuit.thresholds, rng, observer)
        self._circuit = self._shared

    @classmethod
    def bound(cls, binding: Binding) -> SharedCircuitBreaker:
        """See Admission."""
        label = f"{binding.scope}.{binding.owner}"
        return cls(
            binding.name,
            label,
            binding.specs[0],
            binding.attempt_timeout,
            binding.rng,
            binding.breaker_observer(label),
            binding.shared,
        )

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """See CircuitBreaker."""
        self._look()
        return CircuitBreaker.try_acquire(self, now, applicant)

    def answering(self, now: float, permit: int) -> None:
        """See CircuitBreaker."""
        self._look()
        CircuitBreaker.answering(self, now, permit)

    def available(self, now: float) -> bool:
        """See CircuitBreaker."""
        return self._shared.admits(now)

    def probe(self, now: float, ok: bool) -> None:
        """See CircuitBreaker."""
        self._shared.probe(now, ok)

    def snapshot(self, now: float) -> Mapping[str, object]:
        """See CircuitBreaker: the instance's numbers."""
        self._shared.refresh(now)
        self._look()
        return CircuitBreaker.snapshot(self, now)

    def inherit(self, before: Admission, now: float) -> None:
        """See CircuitBreaker. The circuit is where it was, whichever worker comes first."""
        if isinstance(before, SharedCircuitBreaker):
            other = before  # a name of its own, for the `.pxd` to type
            CircuitBreaker.inherit(self, other, now)
            self._shared = other._shared

    def _look(self) -> None:
        """Another worker may have been told by hand, which holds in shadow mode too."""
        self._shared.look()
        if self._shadows:
            self.shadow = self._shared.forced == AUTO
