"""The policies, in the order in which a request meets them: the one place that names them all.

An entry ties a key of the rules file to the Spec that checks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import Admission
from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.fault import Fault, FaultSpec
from sidecar.policies.header_edits import HeaderEditsSpec, ResponseEditsSpec, RewriteSpec
from sidecar.policies.health_gate import EjectionSpec, HealthCheckSpec, HoldSpec, SlowStart
from sidecar.policies.pool import PoolSpec
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry import RetrySpec
from sidecar.policies.selection import SelectionSpec
from sidecar.policies.timeout import TimeoutSpec

Scope = Literal["route", "upstream"]
# When an admission is asked: once a request, or before each attempt.
Stage = Literal["request", "attempt"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One policy of one scope.

    `by_default`: on with its Spec's defaults where the rules say nothing. `machine`: what admits by this
    rule, asked at `stage`; None for a policy of another kind, which the runtime binds by name. `counts_in_shadow`: a
    policy of another kind that decides as ever in shadow mode and is only counted; an admission always does. `alone`:
    of a route's, whether it means something where the route answers by itself, without an upstream.
    """

    key: str
    scope: Scope
    spec: type
    many: bool = False
    by_default: bool = False
    machine: type[Admission] | None = None
    stage: Stage = "request"
    counts_in_shadow: bool = False
    alone: bool = False

    @property
    def shadows(self) -> bool:
        """Whether `mode: shadow` means more than off."""
        return self.machine is not None or self.counts_in_shadow


CATALOGUE: tuple[Entry, ...] = (
    Entry("timeout", "route", TimeoutSpec, by_default=True, counts_in_shadow=True, alone=True),
    Entry("rate_limits", "route", RateLimitSpec, many=True, machine=RateLimits, alone=True),
    Entry("concurrency", "route", BulkheadSpec, machine=Bulkhead, alone=True),
    Entry("fault", "route", FaultSpec, machine=Fault, alone=True),
    Entry("circuit_breaker", "route", CircuitBreakerSpec, machine=CircuitBreaker, stage="attempt"),
    Entry("rewrite", "route", RewriteSpec),
    Entry("request_headers", "route", HeaderEditsSpec),
    Entry("retry", "route", RetrySpec, by_default=True, counts_in_shadow=True),
    Entry("hold", "upstream", HoldSpec, by_default=True, counts_in_shadow=True),
    Entry("health_check", "upstream", HealthCheckSpec, counts_in_shadow=True),
    Entry("ejection", "upstream", EjectionSpec, counts_in_shadow=True),
    Entry("slow_start", "upstream", SlowStart),
    Entry("balance", "upstream", SelectionSpec, by_default=True),
    Entry(
        "circuit_breaker",
        "upstream",
        CircuitBreakerSpec,
        by_default=True,
        machine=CircuitBreaker,
        stage="attempt",
    ),
    Entry("pool", "upstream", PoolSpec, by_default=True),
    Entry("response_headers", "route", ResponseEditsSpec, alone=True),
    Entry("fallback", "route", FallbackSpec, counts_in_shadow=True),
)


def entries(scope: Scope) -> tuple[Entry, ...]:
    """The policies that a rule of this scope may carry, in order."""
    return tuple(entry for entry in CATALOGUE if entry.scope == scope)
