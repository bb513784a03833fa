"""Rules become a Runtime; what lives on over a reload is the same object."""

from __future__ import annotations

import math
import random

import pytest

from sidecar.model.address import Address
from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.health_gate import EjectionSpec, HoldSpec, SlowStart
from sidecar.policies.own_answer import RespondSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.selection import Hash, LeastRequests, RoundRobin, SelectionSpec
from sidecar.policies.slow_start import NEWCOMER, STEADY
from sidecar.policies.timeout import TimeoutSpec
from sidecar.rules.schema import MatchRule, RouteRule, RuleSet, SplitRule
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current, Runtime
from tests.doubles.limited_applicant import LimitedApplicant
from tests.runtime.requests import Observers, Request, match_rule, route_rule, rule_set, upstream_rule

ONE, TWO = "http://127.0.0.1:1", "http://127.0.0.1:2"
ASKER = LimitedApplicant()


def build(rules: RuleSet, previous: Runtime | None = None, observers: Observers | None = None) -> Runtime:
    return prepare(rules, "d", previous, observers or Observers(), random.Random(1))


def test_every_route_is_bound_to_its_upstream_and_its_observer() -> None:
    observers = Observers()
    rules = rule_set(
        (upstream_rule(ONE), upstream_rule(TWO, name="other")),
        route_rule("a", "other", match_rule("/a")),
        route_rule("b"),
    )
    runtime = build(rules, observers=observers)
    assert (runtime.number, runtime.digest, runtime.rules) == (1, "d", rules)
    assert [one.name for one in runtime.routes] == ["a", "b"]
    assert [one.rule_index for one in runtime.routes] == [0, 1]
    first = runtime.routes[0]
    assert first.branch.upstream is runtime.upstreams["other"]
    assert first.observer is observers.routes["a"]
    assert first.branch.upstream.observer is observers.upstreams["other"]
    assert runtime.router.match(Request(b"/a/x")) is first


def test_timeouts_come_from_the_rules_and_are_endless_where_switched_off() -> None:
    spec = TimeoutSpec(request=3.0, attempt=1.0, idle=7.0, total=9.0)
    shadow = TimeoutSpec(request=3.0, mode="shadow")
    rules = rule_set(
        (upstream_rule(ONE),), route_rule("a", timeout=spec), route_rule("b"), route_rule("c", timeout=shadow)
    )
    timeouts = [
        (one.request_timeout, one.attempt_timeout, one.idle_timeout, one.total_timeout) for one in build(rules).routes
    ]
    assert timeouts == [(3.0, 1.0, 7.0, 9.0), (math.inf,) * 4, (math.inf,) * 4]


def test_an_attempt_has_no_longer_than_its_request() -> None:
    rules = rule_set((upstream_rule(ONE),), route_rule("a", timeout=TimeoutSpec(request=3.0, attempt=None)))
    assert build(rules).routes[0].attempt_timeout == 3.0


def test_an_upstream_has_the_values_of_its_rule() -> None:
    rule = upstream_rule(ONE, weight=3, balance=SelectionSpec(strategy="round_robin"))
    upstream = build(rule_set((rule,), route_rule("a"))).upstreams["app"]
    assert isinstance(upstream.strategy, RoundRobin)
    assert (upstream.connect_timeout, upstream.resolve) == (1.0, 30.0)
    assert upstream.pool == rule.pool
    assert [(one.name, one.weight) for one in upstream.endpoints] == [("app/127.0.0.1:1", 3)]


def test_a_hash_balance_asks_each_route_for_its_key() -> None:
    rule = upstream_rule(ONE, TWO, balance=SelectionSpec(hash="path:id"))
    runtime = build(rule_set((rule,), route_rule("a", match=match_rule("/users/{id}")), route_rule("b")))
    assert isinstance(runtime.upstreams["app"].strategy, Hash)
    key = runtime.routes[0].branch.key
    assert key is not None
    assert key.of(Request(b"/users/7"), "") == "7"
    assert runtime.routes[1].branch.key is None, "its path has no such variable"


def test_a_route_to_an_upstream_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="`a` leads to the upstream `missing`"):
        build(rule_set((upstream_rule(ONE),), route_rule("a", "missing")))


def test_a_split_has_a_branch_for_each_share() -> None:
    split = (SplitRule(upstream="app", weight=5), SplitRule(upstream="big", weight=95))
    rules = rule_set(
        (upstream_rule(ONE), upstream_rule(TWO, name="big", circuit_breaker=CircuitBreakerSpec())),
        RouteRule(
            name="a",
            match=MatchRule(),
            split=split,
            split_key="header:x-user",
            policies={"circuit_breaker": CircuitBreakerSpec()},
        ),
    )
    runtime = build(rules)
    (route,) = runtime.routes
    assert [branch.upstream for branch in route.branches] == [runtime.upstreams["app"], runtime.upstreams["big"]]
    assert [[one.name for one in branch.admissions] for branch in route.branches] == [
        ["a/circuit_breaker"],
        ["a/circuit_breaker", "big/circuit_breaker"],
    ]
    assert route.branches[0].admissions[0] is route.branches[1].admissions[0], "the route has one breaker in all"
    assert route.split is not None
    assert route.split_key is not None
    assert route.split_key.of(Request(headers={b"x-user": b"ada"}), "") == "ada"
    assert {route.split.pick("ada") for _ in range(5)} == {route.split.pick("ada")}


def test_a_policy_that_is_not_written_costs_nothing() -> None:
    (route,) = build(rule_set((upstream_rule(ONE),), route_rule("a"))).routes
    assert (route.admissions, route.attempt_admissions, route.branch.admissions) == ((), (), ())
    assert (route.announcer, route.split, route.split_key, route.fallback, route.branch.retry) == (None,) * 5
    assert route.meter is None
    assert (route.branch.upstream.ejection, route.branch.upstream.slow_start) == (None, None)


def test_what_learns_its_limit_hears_of_attempts_and_what_does_not_hears_none() -> None:
    number, learned = BulkheadSpec(max=5), BulkheadSpec(max="adaptive")
    for spec in (number, learned):
        (route,) = build(rule_set((upstream_rule(ONE),), route_rule("a", concurrency=spec))).routes
        assert route.meter is (None if spec is number else route.admissions[0])


def test_ejection_and_slow_start_are_made_from_their_rules() -> None:
    rule = upstream_rule(ONE, TWO, ejection=EjectionSpec(consecutive_failures=1), slow_start=SlowStart(duration=30.0))
    upstream = build(rule_set((rule,), route_rule("a"))).upstreams["app"]
    assert upstream.slow_start is not None
    assert upstream.slow_start.duration == 30.0
    assert upstream.ejection is not None
    upstream.settle(1.0, upstream.endpoints[0], Outcome.FAILURE, 0.5)
    assert upstream.available(1.0) == 1


def test_an_endpoint_that_joins_by_a_reload_is_new_and_one_of_the_start_is_not() -> None:
    first = build(rule_set((upstream_rule(ONE),), route_rule("a")))
    second = build(rule_set((upstream_rule(ONE, TWO),), route_rule("a")), first)
    assert [one.ramp_since for one in second.endpoints()] == [STEADY, NEWCOMER]


def test_the_breaker_of_an_upstream_leases_its_probes_for_the_longest_attempt_that_may_run() -> None:
    upstream = upstream_rule(ONE, circuit_breaker=CircuitBreakerSpec(open_for=30.0, half_open_requests=1))
    short = route_rule("a", match=match_rule("/a"), timeout=TimeoutSpec(attempt=2.0))
    breaker = build(
        rule_set((upstream,), short, route_rule("b", timeout=TimeoutSpec(request=20.0, attempt=7.0)))
    ).breakers["upstream.app"]
    breaker.force(0.0, "open")
    breaker.force(0.0, "auto")
    for at in range(10):
        breaker.settle(float(at), breaker.try_acquire(float(at), ASKER), Outcome.FAILURE, 0.1)
    assert breaker.snapshot(10.0)["state"] == "open"
    later = 100.0
    assert breaker.try_acquire(later, ASKER) > 0
    assert breaker.try_acquire(later + 6.9, ASKER) == REFUSED
    assert breaker.try_acquire(later + 7.1, ASKER) > 0


def test_a_reload_keeps_endpoints_strategy_and_counts() -> None:
    rules = rule_set((upstream_rule(ONE, TWO),), route_rule("a"))
    first = build(rules)
    kept = first.upstreams["app"].endpoints
    kept[0].in_flight, kept[0].channel = 2, object()
    second = build(rules, first)
    assert second.number == 2
    assert all(new is old for new, old in zip(second.upstreams["app"].endpoints, kept, strict=True))
    assert second.upstreams["app"].strategy is first.upstreams["app"].strategy


def test_a_changed_balance_gets_a_new_strategy() -> None:
    first = build(rule_set((upstream_rule(ONE),), route_rule("a")))
    assert isinstance(first.upstreams["app"].strategy, LeastRequests)
    changed = upstream_rule(ONE, balance=SelectionSpec(strategy="round_robin"))
    second = build(rule_set((changed,), route_rule("a")), first)
    assert isinstance(second.upstreams["app"].strategy, RoundRobin)


def test_preparing_touches_nothing_of_the_generation_before() -> None:
    first = build(rule_set((upstream_rule(ONE, weight=1),), route_rule("a")))
    endpoint = first.upstreams["app"].endpoints[0]
    second = build(rule_set((upstream_rule(ONE, weight=9),), route_rule("a")), first)
    assert second.upstreams["app"].endpoints == (endpoint,)
    assert endpoint.weight == 1
    Current(first).swap(second, 0.0)
    assert endpoint.weight == 9


def test_addresses_that_a_name_was_resolved_to_outlive_a_reload() -> None:
    rules = rule_set((upstream_rule("http://app.internal:80", ONE),), route_rule("a"))
    first = build(rules)
    named, fixed = first.upstreams["app"].endpoints
    found = [named.resolved(Address(host, 80)) for host in ("10.0.0.1", "10.0.0.2")]
    first.upstreams["app"].replace_endpoints([*found, fixed])
    second = build(rules, first)
    assert second.upstreams["app"].endpoints == (*found, fixed)
    third = build(rule_set((upstream_rule(ONE),), route_rule("a")), second)
    assert third.upstreams["app"].endpoints == (fixed,)


def test_a_changed_scheme_makes_another_endpoint() -> None:
    first = build(rule_set((upstream_rule(ONE),), route_rule("a")))
    second = build(rule_set((upstream_rule("https://127.0.0.1:1"),), route_rule("a")), first)
    assert second.upstreams["app"].endpoints[0] is not first.upstreams["app"].endpoints[0]


def test_held_requests_wait_on_over_a_reload_that_leaves_the_hold_in_or_takes_it_out() -> None:
    first = build(rule_set((upstream_rule(ONE, hold=HoldSpec()),), route_rule("a")))
    old = first.upstreams["app"]
    assert old.hold is not None
    assert old.hold.name == "app/hold"
    assert old.hold.try_acquire(0.0, ASKER) == WAIT
    old.mark_down(0.0, old.endpoints[0])
    second = build(rule_set((upstream_rule(ONE, hold=HoldSpec(max_requests=7)),), route_rule("a")), first)
    kept = second.upstreams["app"].hold
    assert kept is not None
    assert kept.snapshot(1.0)["held"] == 0, "nothing is shared before it is current"
    Current(first).swap(second, 1.0)
    assert (kept.snapshot(1.0)["held"], kept.snapshot(1.0)["max_requests"]) == (1, 7)
    third = build(rule_set((upstream_rule(ONE),), route_rule("a")), second)
    Current(second).swap(third, 2.0)
    assert third.upstreams["app"].hold is None
    assert third.upstreams["app"].former is kept


def test_a_route_that_answers_by_itself_has_what_admits_requests_and_nothing_of_attempts() -> None:
    policies: dict[str, object] = {
        "circuit_breaker": CircuitBreakerSpec(),
        "fallback": FallbackSpec(status=200),
        "rate_limits": (RateLimitSpec(name="all", rate=1.0),),
    }
    rule = RouteRule(name="own", respond=RespondSpec(), policies=policies)
    runtime = build(rule_set((upstream_rule(ONE),), rule))
    (own,) = runtime.routes
    assert [machine.name for machine in own.admissions] == ["own/rate_limits"]
    assert (own.branches, own.attempt_admissions, own.branch.admissions, own.fallback) == ((), (), (), None)
    assert (list(runtime.machines), runtime.breakers) == (["own/rate_limits"], {})
    assert own.branch.upstream.endpoints == ()
