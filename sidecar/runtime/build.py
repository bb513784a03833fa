"""From checked rules to a Runtime: every name bound, every matcher compiled, what lives on taken over by identity.

`prepare` may raise and touches nothing of the generation before, so a failed reload leaves it as it was; what has to
change in shared objects waits for `Current.swap`. May not know how rules are read or how endpoints are reached.
"""

from __future__ import annotations

import math
import random
from typing import Protocol

from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.policies.selection import SelectionSpec, strategy_for
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.schema import RouteRule, RuleSet, UpstreamRule
from sidecar.runtime.generation import Runtime
from sidecar.runtime.matching import Matcher
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.routing import Router
from sidecar.runtime.upstream import Endpoint, Route, Upstream


class Observers(Protocol):
    """Where observers come from: the same object for the same name, over every reload."""

    def route(self, name: str) -> RouteObserver:
        """The observer of a route."""

    def upstream(self, name: str) -> UpstreamObserver:
        """The observer of an upstream."""


def prepare(rules: RuleSet, digest: str, previous: Runtime | None, observers: Observers, rng: random.Random) -> Runtime:
    """The next generation. ValueError when a route names an upstream that the rules do not have."""
    weights: list[tuple[Endpoint, int]] = []
    upstreams: dict[str, Upstream] = {}
    for name, rule in rules.upstreams.items():
        before = previous.upstreams.get(name) if previous is not None else None
        upstreams[name] = _upstream(rule, before, weights, observers, rng)
    routes = [
        _route(rule, index, upstreams, rules.upstreams[_upstream_name(rule, upstreams)].balance, observers)
        for index, rule in enumerate(rules.routes)
    ]
    number = previous.number + 1 if previous is not None else 1
    return Runtime(number, digest, rules, Router(routes), upstreams, weights)


def _upstream(
    rule: UpstreamRule,
    before: Upstream | None,
    weights: list[tuple[Endpoint, int]],
    observers: Observers,
    rng: random.Random,
) -> Upstream:
    endpoints: list[Endpoint] = []
    known = before.endpoints if before is not None else ()
    for written in rule.endpoints:
        fresh = Endpoint(rule.name, written.url.address, written.weight, written.url.scheme)
        # A name that was resolved stays resolved: going back to it would throw its connections away at each reload.
        kept = [old for old in known if old.origin == fresh.name and old.scheme == fresh.scheme]
        weights.extend((old, fresh.weight) for old in kept)
        endpoints.extend(kept or [fresh])
    # Whose turn it is outlives a reload that leaves the balance as it was.
    carried = before.strategy if before is not None and before.balance == rule.balance else None
    strategy = carried if carried is not None else strategy_for(rule.balance)
    upstream = Upstream(rule.name, endpoints, strategy, rng, observers.upstream(rule.name))
    upstream.balance = rule.balance
    upstream.connect_timeout = rule.connect_timeout
    upstream.pool = rule.pool
    upstream.resolve = rule.resolve
    return upstream


def _upstream_name(rule: RouteRule, upstreams: dict[str, Upstream]) -> str:
    # `split` is not in force: all requests go where the largest share would, to the first of equals.
    name = rule.upstream if rule.upstream is not None else max(rule.split, key=lambda share: share.weight).upstream
    if name not in upstreams:
        raise ValueError(f"route `{rule.name}` leads to the upstream `{name}`, which the rules do not have")
    return name


def _route(
    rule: RouteRule, index: int, upstreams: dict[str, Upstream], balance: SelectionSpec, observers: Observers
) -> Route:
    upstream = upstreams[_upstream_name(rule, upstreams)]
    route = Route(rule.name, upstream, Matcher(rule.match), observers.route(rule.name), index)
    timeout = rule.spec(TimeoutSpec)
    if timeout is not None and timeout.mode == "enforce":
        route.request_timeout = _seconds(timeout.request)
        route.attempt_timeout = _seconds(timeout.attempt)
        route.idle_timeout = _seconds(timeout.idle)
    route.key = _balance_key(balance, route.matcher)
    return route


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout


def _balance_key(balance: SelectionSpec, matcher: Matcher) -> RequestKey | None:
    if balance.hash is None:
        return None
    source, _, variable = balance.hash.partition(":")
    if source == "path" and variable not in matcher.variables:
        # The upstream serves other routes too: this one has no such variable, and its requests go anywhere.
        return None
    return RequestKey(balance.hash, matcher.variables)
