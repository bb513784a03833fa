"""One generation of rules at work, and which one is current.

A Runtime is not changed once it is current; an exchange keeps the one it began with. What lives longer (endpoints,
strategies, observers) is shared by identity, and machines take over the state of those they follow. May not know where
rules come from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sidecar.policies.circuit_breaker import CircuitBreaker
from sidecar.policies.contract import Admission
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.stale_store import StaleStore
from sidecar.rules.schema import RuleSet
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.listening import GONE
from sidecar.runtime.route import Route
from sidecar.runtime.routing import Router
from sidecar.runtime.upstream import Upstream


class Runtime:
    """Rules bound to what they govern.

    `number` counts generations from 1, `digest` names the text of the rules. `machines` are all admissions by name,
    `breakers` the circuit breakers by the label that metrics and verbs know them by. `weights` are what endpoints that
    live on shall weigh, once it is current. `by_listener` are the routers of listeners by name; it is empty where
    `router` serves all of them. `byte_routes` are where connections without HTTP go, by their listener.
    """

    __slots__ = (
        "_previous",
        "_weights",
        "breakers",
        "by_listener",
        "byte_routes",
        "digest",
        "machines",
        "number",
        "router",
        "routes",
        "rules",
        "upstreams",
    )

    def __init__(
        self,
        number: int,
        digest: str,
        rules: RuleSet,
        router: Router,
        upstreams: Mapping[str, Upstream],
        machines: Sequence[Admission] = (),
        weights: Sequence[tuple[Endpoint, int]] = (),
        by_listener: Mapping[str, Router] = MappingProxyType({}),
        byte_routes: Mapping[str, Route] = MappingProxyType({}),
    ) -> None:
        self.number = number
        self.digest = digest
        self.rules = rules
        self.router = router
        self.routes = router.routes
        self.by_listener = by_listener
        self.byte_routes = byte_routes
        self.upstreams = dict(upstreams)
        self.machines = {machine.name: machine for machine in machines}
        self.breakers = {machine.label: machine for machine in machines if isinstance(machine, CircuitBreaker)}
        self._weights = tuple(weights)
        self._previous: Runtime | None = None

    def router_at(self, listener: str) -> Router:
        """What finds the route of a request that came in at the listener of this name."""
        return self.by_listener.get(listener) or self.by_listener.get(GONE) or self.router

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint of every upstream as of now."""
        return tuple([endpoint for upstream in self.upstreams.values() for endpoint in upstream.endpoints])

    def stores(self) -> tuple[StaleStore, ...]:
        """Where last good answers are kept, of every route that keeps them."""
        fallbacks = [route.fallback for route in self.routes if route.fallback is not None]
        return tuple([fallback.stale for fallback in fallbacks if fallback.stale is not None])

    def succeed(self, previous: Runtime) -> None:
        """It is to follow this generation, and will take over its state at `commit`."""
        self._previous = previous

    def commit(self, now: float) -> None:
        """Let what is shared with the generation before follow these rules. Cannot fail; called by `Current.swap`."""
        for endpoint, weight in self._weights:
            endpoint.weigh(weight)
        previous, self._previous = self._previous, None
        if previous is None:
            return
        for name, machine in self.machines.items():
            before = previous.machines.get(name)
            if before is not None and type(before) is type(machine):
                machine.inherit(before, now)
        routes = {route.name: route for route in previous.routes}
        for route in self.routes:
            if route.name in routes:
                _inherit(route, routes[route.name], now)
        for name, upstream in self.upstreams.items():
            if name in previous.upstreams:
                _inherit_budgets(upstream.budgets, previous.upstreams[name].budgets, now)
                # Else whoever is held there would be led to endpoints that speak something else.
                if self._is_raw(name) == previous._is_raw(name):
                    upstream.follow(previous.upstreams[name], now)

    def _is_raw(self, upstream: str) -> bool:
        return any(endpoint.url.is_raw for endpoint in self.rules.upstreams[upstream].endpoints)


def _inherit(route: Route, before: Route, now: float) -> None:
    if route.fallback is not None and before.fallback is not None:
        route.fallback.inherit(before.fallback)
    retries = {branch.upstream.name: branch.retry for branch in before.branches}
    for branch in route.branches:
        known = retries.get(branch.upstream.name)
        if branch.retry is not None and known is not None:
            branch.retry.inherit(known, now)


def _inherit_budgets(budgets: Sequence[RetryBudget], before: Sequence[RetryBudget], now: float) -> None:
    # One whose rule is the same is the same object. Credits are moved, not copied, so each is left to one heir only.
    left = [budget for budget in before if budget not in budgets]
    heirs = [budget for budget in budgets if budget not in before]
    for heir, testator in zip(heirs, left, strict=False):
        heir.inherit(testator, now)


class Current:
    """The generation that new exchanges begin with: one reference, read once by each."""

    __slots__ = ("runtime",)

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def swap(self, runtime: Runtime, now: float) -> tuple[Endpoint, ...]:
        """Make `runtime` current; returns the endpoints that it no longer leads to, whose attempts may still run."""
        before = self.runtime.endpoints()
        runtime.commit(now)
        self.runtime = runtime
        kept = {id(endpoint) for endpoint in runtime.endpoints()}
        return tuple([endpoint for endpoint in before if id(endpoint) not in kept])
