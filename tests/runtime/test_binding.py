"""Which machine is made from which rule, in which order, and what they share."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.catalogue import entries
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.fault import AbortSpec, Fault, FaultSpec
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry import BudgetSpec, RetrySpec
from sidecar.policies.shared_breaker import SharedCircuitBreaker
from sidecar.policies.shared_bulkhead import SharedBulkhead
from sidecar.policies.shared_rate_limit import SharedRateLimits
from sidecar.policies.timeout import TimeoutSpec
from sidecar.runtime.binding import Binder
from sidecar.runtime.matching import Matcher
from sidecar.runtime.upstream import Upstream
from tests.doubles.limited_applicant import LimitedApplicant
from tests.doubles.shared_memory import Instance
from tests.runtime.requests import Observers, Request, branch, match_rule, route_rule, upstream_rule

ASKER = LimitedApplicant()
URL = "http://127.0.0.1:1"
MATCHER = Matcher(match_rule("/users/{id}"))
# In another order than the catalogue's.
EVERYTHING: dict[str, Any] = {
    "circuit_breaker": CircuitBreakerSpec(consecutive_failures=1),
    "fault": FaultSpec(abort=AbortSpec(ratio=1.0)),
    "concurrency": BulkheadSpec(max=1),
    "rate_limits": (RateLimitSpec(name="one", rate=1.0), RateLimitSpec(name="two", rate=1.0, key=("path:id",))),
}


def binder(observers: Observers | None = None, **before: Upstream) -> Binder:
    return Binder(observers or Observers(), random.Random(1), before)


def test_a_request_meets_the_machines_in_the_catalogue_s_order() -> None:
    made = binder().of_route(route_rule("a", **EVERYTHING), "request", MATCHER, math.inf)
    assert [type(one) for one in made] == [RateLimits, Bulkhead, Fault]
    assert [one.name for one in made] == ["a/rate_limits", "a/concurrency", "a/fault"]


def test_what_is_asked_before_each_attempt_is_not_asked_of_a_request() -> None:
    (breaker,) = binder().of_route(route_rule("a", **EVERYTHING), "attempt", MATCHER, 2.0)
    assert isinstance(breaker, CircuitBreaker)
    assert (breaker.name, breaker.label) == ("a/circuit_breaker", "route.a")


def test_everything_of_an_upstream_is_asked_before_each_attempt() -> None:
    rule = upstream_rule(URL, circuit_breaker=CircuitBreakerSpec(mode="shadow"))
    (breaker,) = binder().of_upstream(rule, 2.0)
    assert isinstance(breaker, CircuitBreaker)
    assert (breaker.name, breaker.label, breaker.shadow) == ("app/circuit_breaker", "upstream.app", True)


def test_every_machine_that_is_made_is_kept_in_one_list() -> None:
    one = binder()
    assert one.machines == []
    made = (
        *one.of_upstream(upstream_rule(URL, circuit_breaker=CircuitBreakerSpec()), 2.0),
        *one.of_route(route_rule("a", **EVERYTHING), "request", MATCHER, 2.0),
        *one.of_route(route_rule("a", **EVERYTHING), "attempt", MATCHER, 2.0),
    )
    assert tuple(one.machines) == made


def test_a_breaker_tells_the_observer_of_its_label() -> None:
    observers = Observers()
    (breaker,) = binder(observers).of_route(route_rule("a", **EVERYTHING), "attempt", MATCHER, 2.0)
    breaker.settle(1.0, breaker.try_acquire(1.0, ASKER), Outcome.FAILURE, 0.1)
    assert observers.breakers["route.a"].told == [("closed", "open")]


def test_a_key_of_a_route_s_rule_knows_the_variables_of_its_path() -> None:
    made = binder().of_route(route_rule("a", **EVERYTHING), "request", MATCHER, math.inf)

    class Asker(LimitedApplicant):
        def key(self, key: object) -> str:
            value: str = key.of(Request(b"/users/7"), "10.0.0.1")  # type: ignore[attr-defined]
            keys.append(value)
            return value

    keys: list[str] = []
    made[0].try_acquire(1.0, Asker())
    assert keys == ["7"]


def test_an_entry_of_the_catalogue_without_a_machine_admits_nothing() -> None:
    unbound = {entry.key: entry.spec for entry in entries("route") if entry.machine is None}
    assert {"timeout", "retry", "fallback", "rewrite"} <= set(unbound)
    rule = route_rule("a", timeout=TimeoutSpec(), retry=RetrySpec())
    assert binder().of_route(rule, "request", MATCHER, math.inf) == ()
    assert binder().of_route(rule, "attempt", MATCHER, math.inf) == ()


def test_routes_that_agree_on_the_budget_share_their_upstream_s() -> None:
    one = binder()
    first = one.retry(route_rule("a", retry=RetrySpec()), "app")
    second = one.retry(route_rule("b", retry=RetrySpec(max_attempts=2)), "app")
    other = one.retry(route_rule("c", retry=RetrySpec(budget=BudgetSpec(ratio=0.9))), "app")
    elsewhere = one.retry(route_rule("a", retry=RetrySpec()), "big")
    assert first is not None
    assert second is not None
    assert other is not None
    assert elsewhere is not None
    assert (first.name, second.name) == ("a/retry", "b/retry")
    assert first.budget is second.budget
    assert one.budgets("app") == (first.budget, other.budget)
    assert one.budgets("big") == (elsewhere.budget,)


def test_a_route_without_a_bound_on_its_retries_has_no_budget() -> None:
    one = binder()
    retry = one.retry(route_rule("a", retry=RetrySpec(budget=None)), "app")
    assert retry is not None
    assert retry.budget is None
    assert one.budgets("app") == ()


def test_a_retry_in_shadow_mode_does_not_spend_what_others_need() -> None:
    one = binder()
    loud = one.retry(route_rule("a", retry=RetrySpec()), "app")
    shadow = one.retry(route_rule("b", retry=RetrySpec(mode="shadow")), "app")
    assert loud is not None
    assert shadow is not None
    assert shadow.budget is not loud.budget


@pytest.mark.parametrize(("ratio", "same"), [(0.2, True), (0.3, False)])
def test_a_budget_lives_on_while_its_rule_is_the_same(ratio: float, same: bool) -> None:
    first = binder()
    first.retry(route_rule("a", retry=RetrySpec(budget=BudgetSpec(ratio=0.2))), "app")
    before = branch("app").upstream
    before.budgets = first.budgets("app")
    second = binder(app=before)
    second.retry(route_rule("a", retry=RetrySpec(budget=BudgetSpec(ratio=ratio))), "app")
    assert (second.budgets("app") == first.budgets("app")) is same


def test_a_fallback_is_named_after_its_rule() -> None:
    made = binder().fallback(route_rule("a", fallback=FallbackSpec(on=(503,), status=200)))
    assert made is not None
    assert made.name == "a/fallback"
    assert binder().fallback(route_rule("a")) is None
    assert binder().retry(route_rule("a"), "app") is None


def test_with_memory_that_workers_share_what_limits_holds_for_all_of_them() -> None:
    rule = route_rule("a", **EVERYTHING)
    made = []
    for memory in Instance(2).memories:
        bound = Binder(Observers(), random.Random(1), {}, memory)
        made.append((*bound.of_route(rule, "request", MATCHER, math.inf), *bound.of_route(rule, "attempt", MATCHER, 2)))
    assert [type(one) for one in made[0]] == [SharedRateLimits, SharedBulkhead, Fault, SharedCircuitBreaker]
    one, other = made
    assert one[1].try_acquire(1.0, ASKER) > 0
    assert other[1].snapshot(1.0)["in_flight"] == 1
    one[3].settle(1.0, one[3].try_acquire(1.0, ASKER), Outcome.FAILURE, 0.1)
    assert not other[3].available(1.0)


def test_alone_a_worker_has_the_machines_that_share_nothing() -> None:
    made = binder().of_route(route_rule("a", **EVERYTHING), "request", MATCHER, math.inf)
    assert [type(one) for one in made] == [RateLimits, Bulkhead, Fault]
