"""One reference is current; swapping it tells what is no longer reached, and hands on what lives longer."""

from __future__ import annotations

import random
from typing import Any

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.contract import REFUSED
from sidecar.policies.fallback import FallbackSpec, StaleSpec
from sidecar.policies.fault import AbortSpec, FaultSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.retry import BudgetSpec, RetrySpec
from sidecar.rules.schema import RuleSet
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current, Runtime
from tests.doubles.limited_applicant import LimitedApplicant
from tests.runtime.requests import Observers, route_rule, rule_set, upstream_rule

ONE, TWO, THREE = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"
ASKER = LimitedApplicant()
BREAKER = CircuitBreakerSpec(consecutive_failures=1, open_for=100.0)


def build(rules: RuleSet, previous: Runtime | None = None, observers: Observers | None = None) -> Runtime:
    return prepare(rules, "digest", previous, observers or Observers(), random.Random(1))


def route_of(**policies: Any) -> RuleSet:
    """One route and one upstream, the route under these policies."""
    return rule_set((upstream_rule(ONE),), route_rule("a", **policies))


def test_a_swap_returns_the_endpoints_that_are_no_longer_named() -> None:
    first = build(rule_set((upstream_rule(ONE, TWO),), route_rule("a")))
    current = Current(first)
    one, two = first.endpoints()
    second = build(rule_set((upstream_rule(TWO, THREE),), route_rule("a")), first)
    assert current.runtime is first
    assert current.swap(second, 0.0) == (one,)
    assert current.runtime is second
    assert second.endpoints()[0] is two


def test_an_exchange_keeps_the_generation_it_began_with() -> None:
    first = build(rule_set((upstream_rule(ONE),), route_rule("a")))
    current = Current(first)
    pinned = current.runtime
    current.swap(build(rule_set((upstream_rule(TWO),), route_rule("b")), first), 0.0)
    assert [route.name for route in pinned.routes] == ["a"]
    assert [endpoint.name for endpoint in pinned.endpoints()] == ["app/127.0.0.1:1"]


def test_who_waits_for_an_endpoint_is_led_to_that_of_newer_rules_where_it_speaks_the_same() -> None:
    for url, led in ((TWO, True), ("tcp://127.0.0.1:2", False)):
        first = build(rule_set((upstream_rule(ONE),), route_rule("a")))
        current, before = Current(first), first.upstreams["app"]
        before.mark_down(0.0, before.endpoints[0])
        current.swap(build(rule_set((upstream_rule(url),), route_rule("a")), first), 0.0)
        assert before.pick(1.0, None, None) is (current.runtime.endpoints()[0] if led else None)


def test_an_upstream_that_goes_takes_its_endpoints_with_it() -> None:
    first = build(rule_set((upstream_rule(ONE), upstream_rule(ONE, name="b")), route_rule("a")))
    second = build(rule_set((upstream_rule(ONE),), route_rule("a")), first)
    assert [endpoint.name for endpoint in Current(first).swap(second, 0.0)] == ["b/127.0.0.1:1"]


def test_every_machine_is_known_by_its_rule_and_every_breaker_by_its_label() -> None:
    runtime = build(
        rule_set(
            (upstream_rule(ONE, circuit_breaker=BREAKER),),
            route_rule("a", circuit_breaker=BREAKER, concurrency=BulkheadSpec(max=1)),
        )
    )
    assert set(runtime.machines) == {"a/concurrency", "a/circuit_breaker", "app/circuit_breaker"}
    assert set(runtime.breakers) == {"route.a", "upstream.app"}


def test_an_open_breaker_stays_open_over_a_swap_and_takes_the_new_thresholds() -> None:
    observers = Observers()
    first = build(rule_set((upstream_rule(ONE, circuit_breaker=BREAKER),), route_rule("a")), None, observers)
    old = first.breakers["upstream.app"]
    old.settle(5.0, old.try_acquire(5.0, ASKER), Outcome.FAILURE, 0.1)
    changed = CircuitBreakerSpec(consecutive_failures=2, open_for=1.0)
    second = build(rule_set((upstream_rule(ONE, circuit_breaker=changed),), route_rule("a")), first, observers)
    assert second.breakers["upstream.app"].snapshot(6.0)["state"] == "closed", "nothing is taken over before the swap"
    Current(first).swap(second, 6.0)
    new = second.breakers["upstream.app"]
    assert new.try_acquire(6.0, ASKER) == REFUSED
    assert observers.breakers["upstream.app"].told == [("closed", "open")]


def test_a_permit_of_the_rules_before_lands_in_the_breaker_of_the_rules_after() -> None:
    rules = rule_set((upstream_rule(ONE, circuit_breaker=BREAKER),), route_rule("a"))
    first = build(rules)
    old = first.breakers["upstream.app"]
    permit = old.try_acquire(5.0, ASKER)
    second = build(rules, first)
    Current(first).swap(second, 6.0)
    old.settle(7.0, permit, Outcome.FAILURE, 2.0)
    assert second.breakers["upstream.app"].snapshot(7.0)["state"] == "open"


def test_places_that_are_taken_stay_taken_over_a_swap() -> None:
    first = build(route_of(concurrency=BulkheadSpec(max=1)))
    old = first.routes[0].admissions[0]
    permit = old.try_acquire(0.0, ASKER)
    second = build(route_of(concurrency=BulkheadSpec(max=1, max_queue=0)), first)
    Current(first).swap(second, 1.0)
    new = second.routes[0].admissions[0]
    assert new is not old
    assert new.try_acquire(1.0, ASKER) == REFUSED
    old.settle(2.0, permit, Outcome.SUCCESS, 1.0)
    assert new.try_acquire(2.0, ASKER) > 0


def test_tokens_that_are_spent_stay_spent_over_a_swap() -> None:
    rules = route_of(rate_limits=(RateLimitSpec(name="all", rate=0.001, burst=1.0),))
    first = build(rules)
    assert first.routes[0].admissions[0].try_acquire(0.0, ASKER) == 0
    second = build(rules, first)
    Current(first).swap(second, 1.0)
    assert second.routes[0].admissions[0].try_acquire(1.0, ASKER) == REFUSED


def test_what_a_route_of_another_name_remembers_is_not_taken_over() -> None:
    first = build(route_of(concurrency=BulkheadSpec(max=1)))
    first.routes[0].admissions[0].try_acquire(0.0, ASKER)
    renamed = rule_set((upstream_rule(ONE),), route_rule("b", concurrency=BulkheadSpec(max=1)))
    second = build(renamed, first)
    Current(first).swap(second, 1.0)
    assert second.routes[0].admissions[0].try_acquire(1.0, ASKER) > 0


def test_a_generation_that_never_becomes_current_changes_nothing() -> None:
    first = build(route_of(fault=FaultSpec(abort=AbortSpec(ratio=1.0))))
    machine = first.routes[0].admissions[0]
    machine.try_acquire(0.0, ASKER)
    build(route_of(fault=FaultSpec(abort=AbortSpec(ratio=0.0))), first)
    assert machine.try_acquire(1.0, ASKER) == REFUSED
    assert machine.snapshot(1.0)["aborted_total"] == 2


def test_a_retry_budget_whose_rule_is_the_same_is_the_same_object() -> None:
    first = build(route_of(retry=RetrySpec()))
    second = build(route_of(retry=RetrySpec(max_attempts=5)), first)
    (budget,) = second.upstreams["app"].budgets
    assert budget is first.upstreams["app"].budgets[0]
    Current(first).swap(second, 1.0)
    assert second.upstreams["app"].budgets == (budget,)


def test_the_credits_of_a_retry_budget_move_to_the_one_that_follows_it() -> None:
    first = build(route_of(retry=RetrySpec(budget=BudgetSpec(ratio=0.5, min_per_second=0.0))))
    (old,) = first.upstreams["app"].budgets
    for _ in range(4):
        old.deposit(1.0)
    second = build(route_of(retry=RetrySpec(budget=BudgetSpec(ratio=1.0, min_per_second=0.0))), first)
    (new,) = second.upstreams["app"].budgets
    assert (old.available(1.0), new.available(1.0)) == (2.0, 0.0)
    Current(first).swap(second, 1.0)
    assert (old.available(1.0), new.available(1.0)) == (0.0, 4.0), "a credit pays once"


def test_a_shadow_retry_keeps_its_own_budget_over_a_swap() -> None:
    rules = route_of(retry=RetrySpec(mode="shadow", budget=BudgetSpec(ratio=0.5, min_per_second=0.0)))
    first = build(rules)
    old = first.routes[0].branch.retry
    assert old is not None
    for _ in range(4):
        old.deposit(1.0)
    second = build(rules, first)
    Current(first).swap(second, 1.0)
    new = second.routes[0].branch.retry
    assert new is not None
    assert new.budget is not None
    assert new.budget.available(1.0) == 2.0


def test_last_good_answers_are_the_same_store_over_a_swap() -> None:
    first = build(route_of(fallback=FallbackSpec(on=(503,), stale=StaleSpec(max_age=60.0))))
    (store,) = first.stores()
    second = build(route_of(fallback=FallbackSpec(on=(503,), stale=StaleSpec(max_age=9.0))), first)
    Current(first).swap(second, 1.0)
    assert second.stores() == (store,)
    assert store.max_age == 9.0


def test_rules_that_keep_no_answers_have_no_stores() -> None:
    assert build(route_of(fallback=FallbackSpec(on=(503,), status=200))).stores() == ()
