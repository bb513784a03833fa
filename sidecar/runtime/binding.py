"""From checked rules to machines: what a route and an upstream are held to, by the catalogue and by name.

Owns which machine is made from which rule. Touches no running state: a machine takes over that of the generation before
when its own becomes current (`Runtime.commit`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.policies.bulkhead import Bulkhead
from sidecar.policies.catalogue import Entry, Scope, Stage, entries
from sidecar.policies.circuit_breaker import CircuitBreaker
from sidecar.policies.contract import Admission, Binding, Key
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.rate_limit import RateLimits
from sidecar.policies.retry import BudgetSpec, Retry, RetrySpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.sharing import Memory
from sidecar.rules.schema import RouteRule, UpstreamRule
from sidecar.runtime.matching import Matcher
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.upstream import Upstream


def _shared() -> Mapping[type[Admission], type[Admission]]:
    """What holds for the whole instance where several workers are one. Other machines are each worker's own."""
    # Not before: one process alone never loads them.
    from sidecar.policies.shared_breaker import SharedCircuitBreaker
    from sidecar.policies.shared_bulkhead import SharedBulkhead
    from sidecar.policies.shared_rate_limit import SharedRateLimits

    return {Bulkhead: SharedBulkhead, CircuitBreaker: SharedCircuitBreaker, RateLimits: SharedRateLimits}


class Observers(Protocol):
    """Where observers come from: the same object for the same name, over every reload."""

    def route(self, name: str) -> RouteObserver:
        """The observer of a route."""

    def upstream(self, name: str) -> UpstreamObserver:
        """The observer of an upstream."""

    def breaker(self, label: str) -> BreakerObserver:
        """The observer of a circuit breaker."""


class Binder:
    """Makes the machines of one generation."""

    __slots__ = ("_budgets", "_known", "_memory", "_observers", "_rng", "_shared", "machines")

    def __init__(
        self, observers: Observers, rng: random.Random, before: Mapping[str, Upstream], memory: Memory | None = None
    ) -> None:
        """`before` are the upstreams of the generation before: a retry budget whose rule is the same lives on. `memory`
        is what several workers share, None for one alone."""
        self._memory = memory
        self._shared = {} if memory is None else _shared()
        self._observers = observers
        self._rng = rng
        self._known = before
        self._budgets: dict[tuple[str, BudgetSpec], RetryBudget] = {}
        self.machines: list[Admission] = []

    def of_route(
        self, rule: RouteRule, stage: Stage, matcher: Matcher, attempt_timeout: float
    ) -> tuple[Admission, ...]:
        """The admissions of a route at one stage, in the catalogue's order."""
        return self._bound("route", rule, stage, partial(RequestKey, variables=matcher.variables), attempt_timeout)

    def of_upstream(self, rule: UpstreamRule, attempt_timeout: float) -> tuple[Admission, ...]:
        """The admissions of an upstream; all are asked before each attempt."""
        return self._bound("upstream", rule, "attempt", RequestKey, attempt_timeout)

    def retry(self, rule: RouteRule, upstream: str) -> Retry | None:
        """The route's retries towards one upstream; routes that agree on the budget share the upstream's."""
        spec = rule.spec(RetrySpec)
        if spec is None:
            return None
        budget: RetryBudget | None = None
        if spec.budget is not None:
            budget = self._budgets.get((upstream, spec.budget))
            if budget is None:
                budget = self._budgets[upstream, spec.budget] = self._budget(upstream, spec.budget)
        return Retry(f"{rule.name}/retry", spec, budget, self._rng)

    def budgets(self, upstream: str) -> tuple[RetryBudget, ...]:
        """What pays for the retries of an upstream's routes, once all of these are made."""
        return tuple([budget for (name, _), budget in self._budgets.items() if name == upstream])

    def fallback(self, rule: RouteRule) -> Fallback | None:
        """What the route answers instead of an error."""
        spec = rule.spec(FallbackSpec)
        return None if spec is None else Fallback(f"{rule.name}/fallback", spec)

    def _budget(self, upstream: str, spec: BudgetSpec) -> RetryBudget:
        known = self._known[upstream].budgets if upstream in self._known else ()
        for budget in known:
            if (budget.ratio, budget.min_per_second) == (spec.ratio, spec.min_per_second):
                return budget
        return RetryBudget(spec.ratio, spec.min_per_second)

    def _bound(
        self,
        scope: Scope,
        rule: RouteRule | UpstreamRule,
        stage: Stage,
        compile_key: Callable[[Sequence[str]], Key],
        attempt_timeout: float,
    ) -> tuple[Admission, ...]:
        observer = self._observers.route(rule.name) if scope == "route" else RouteObserver()
        made: list[Admission] = []
        for entry in entries(scope):
            if entry.machine is None or entry.stage != stage:
                continue
            specs = _specs(rule, entry)
            if not specs:
                continue
            binding = Binding(
                scope=scope,
                owner=rule.name,
                key=entry.key,
                specs=specs,
                rng=self._rng,
                observer=observer,
                breaker_observer=self._observers.breaker,
                compile_key=compile_key,
                attempt_timeout=attempt_timeout,
                memory=self._memory,
            )
            machine = self._shared.get(entry.machine, entry.machine)
            made.append(machine.bound(binding))
        self.machines.extend(made)
        return tuple(made)


def _specs(rule: RouteRule | UpstreamRule, entry: Entry) -> Sequence[object]:
    written = rule.policies.get(entry.key)
    if written is None:
        return ()
    return written if isinstance(written, tuple) else (written,)
