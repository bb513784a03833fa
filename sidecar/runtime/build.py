"""From checked rules to a runtime: everything new is made off to the side, and nothing that runs is touched.

`prepare` may fail and leaves no trace; making its result current is `Current.swap`. What is to live on is taken over
by identity: an endpoint by upstream, address as written and scheme, a strategy by upstream and unchanged `balance`, a
machine by the rule it stands for.
"""

from __future__ import annotations

import math
import random

from sidecar.model.observer import UpstreamObserver
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec, HoldSpec, SlowStart
from sidecar.policies.hold import Hold
from sidecar.policies.selection import SelectionSpec, strategy_for
from sidecar.policies.sharing import Memory
from sidecar.policies.slow_start import ramp_for
from sidecar.policies.split import Split
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.schema import RouteRule, RuleSet, UpstreamRule
from sidecar.runtime.binding import Binder, Observers
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.listening import byte_routes, routers
from sidecar.runtime.matching import Matcher
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.routing import Router
from sidecar.runtime.upstream import Upstream


def prepare(
    rules: RuleSet,
    digest: str,
    previous: Runtime | None,
    observers: Observers,
    rng: random.Random,
    memory: Memory | None = None,
) -> Runtime:
    """The next generation. `memory` is what several workers share, None for one alone.

    ValueError when a route names an upstream that the rules do not have; MemoryError when the shared memory is full.
    """
    weights: list[tuple[Endpoint, int]] = []
    binder = Binder(observers, rng, previous.upstreams if previous is not None else {}, memory)
    longest = _longest_attempts(rules)
    upstreams: dict[str, Upstream] = {}
    for name, rule in rules.upstreams.items():
        before = previous.upstreams.get(name) if previous is not None else None
        upstreams[name] = _upstream(rule, before, weights, observers, rng)
        upstreams[name].admissions = binder.of_upstream(rule, longest.get(name, math.inf))
    routes = [_route(rule, index, upstreams, rules, binder, observers, rng) for index, rule in enumerate(rules.routes)]
    for name, upstream in upstreams.items():
        upstream.budgets = binder.budgets(name)
    number = previous.number + 1 if previous is not None else 1
    router = Router(routes)
    apart = routers(rules, routes, router)
    raw = byte_routes(rules, routes)
    runtime = Runtime(number, digest, rules, router, upstreams, binder.machines, weights, apart, raw)
    if previous is not None:
        runtime.succeed(previous)
    return runtime


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
        if known and not kept:
            fresh.newcomer()
        endpoints.extend(kept or [fresh])
    # Whose turn it is outlives a reload that leaves the balance as it was.
    carried = before.strategy if before is not None and before.balance == rule.balance else None
    strategy = carried if carried is not None else strategy_for(rule.balance)
    upstream = Upstream(rule.name, endpoints, strategy, rng, observers.upstream(rule.name))
    upstream.balance = rule.balance
    upstream.connect_timeout = rule.connect_timeout
    upstream.pool = rule.pool
    upstream.resolve = rule.resolve
    upstream.proxy_protocol = rule.proxy_protocol
    ejection, warm_up, hold = rule.spec(EjectionSpec), rule.spec(SlowStart), rule.spec(HoldSpec)
    upstream.ejection = None if ejection is None else Ejection(ejection, upstream.observer)
    upstream.slow_start = None if warm_up is None else ramp_for(warm_up)
    upstream.hold = None if hold is None else Hold(f"{rule.name}/hold", hold, upstream.observer)
    return upstream


def _longest_attempts(rules: RuleSet) -> dict[str, float]:
    """How long an attempt on each upstream that is used may take, whichever of its routes makes it."""
    longest: dict[str, float] = {}
    for route in rules.routes:
        attempt = _attempt_seconds(route.spec(TimeoutSpec))
        for name in route.upstreams:
            longest[name] = max(attempt, longest.get(name, attempt))
    return longest


def _route(
    rule: RouteRule,
    index: int,
    upstreams: dict[str, Upstream],
    rules: RuleSet,
    binder: Binder,
    observers: Observers,
    rng: random.Random,
) -> Route:
    matcher = Matcher(rule.match)
    timeout = rule.spec(TimeoutSpec)
    attempt = _attempt_seconds(timeout)
    # One that answers by itself makes no attempt, and has nothing to fall back from.
    each = binder.of_route(rule, "attempt", matcher, attempt) if rule.upstreams else ()
    branches: list[Branch] = []
    for name in rule.upstreams:
        if name not in upstreams:
            raise ValueError(f"route `{rule.name}` leads to the upstream `{name}`, which the rules do not have")
        key = _balance_key(rules.upstreams[name].balance, matcher)
        branches.append(Branch(upstreams[name], (*each, *upstreams[name].admissions), binder.retry(rule, name), key))
    nowhere = None if branches else _nowhere(rng)
    route = Route(rule.name, branches, matcher, observers.route(rule.name), index, nowhere)
    route.admissions = binder.of_route(rule, "request", matcher, attempt)
    route.attempt_admissions = each
    route.announcer = next((one for one in route.admissions if one.announces), None)
    route.meter = next((one for one in route.admissions if one.measures), None)
    route.fallback = binder.fallback(rule) if branches else None
    if timeout is not None and timeout.mode == "enforce":
        route.request_timeout = _seconds(timeout.request)
        route.attempt_timeout = attempt
        route.idle_timeout = _seconds(timeout.idle)
        route.total_timeout = _seconds(timeout.total)
    elif timeout is not None:
        route.shadow_timeout = timeout
    if rule.split:
        route.split = Split([(share.upstream, share.weight) for share in rule.split], rng)
        route.split_key = None if rule.split_key is None else RequestKey(rule.split_key, matcher.variables)
    return route


def _nowhere(rng: random.Random) -> Branch:
    """Where a route stands that leads to no upstream: one without endpoints, which no attempt is made on."""
    return Branch(Upstream("", (), strategy_for(SelectionSpec()), rng, UpstreamObserver()))


def _seconds(timeout: float | None) -> float:
    return math.inf if timeout is None else timeout


def _attempt_seconds(timeout: TimeoutSpec | None) -> float:
    if timeout is None or timeout.mode != "enforce":
        return math.inf
    return min(_seconds(timeout.attempt), _seconds(timeout.request))


def _balance_key(balance: SelectionSpec, matcher: Matcher) -> RequestKey | None:
    if balance.hash is None:
        return None
    source, _, variable = balance.hash.partition(":")
    if source == "path" and variable not in matcher.variables:
        # The upstream serves other routes too: this one has no such variable, and its requests go anywhere.
        return None
    return RequestKey(balance.hash, matcher.variables)
