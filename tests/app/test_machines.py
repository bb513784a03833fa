"""What machines tell of themselves is found by place and shown without their names being known."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sidecar.app import machines
from sidecar.model.address import Address
from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import Admission, Applicant, Key
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec, HoldSpec
from sidecar.policies.hold import Hold
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.selection import SelectionSpec, strategy_for
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.route import Route
from sidecar.runtime.upstream import Upstream

NOW = 1000.0


class Told(Admission):
    """A policy that nobody has heard of."""

    __slots__ = ("told",)

    def __init__(self, name: str, told: Mapping[str, object], shadow: bool = False) -> None:
        super().__init__(name, Reason.OVERLOADED, shadow)
        self.told = told

    def snapshot(self, now: float) -> Mapping[str, object]:
        return self.told


def a_route(*once: Admission, each: tuple[Admission, ...] = ()) -> Route:
    return cast("Route", SimpleNamespace(name="login", admissions=once, attempt_admissions=each))


def an_upstream() -> Upstream:
    endpoints = [Endpoint("app", Address("127.0.0.1", port)) for port in (1, 2, 3)]
    return Upstream("app", endpoints, strategy_for(SelectionSpec()), random.Random(0), UpstreamObserver())


def a_breaker() -> CircuitBreaker:
    spec = CircuitBreakerSpec(open_for=30.0)
    observer = BreakerObserver()
    return CircuitBreaker("app/circuit_breaker", "upstream.app", spec, 5.0, random.Random(0), observer)


def a_runtime(*routes: Route, **more: Any) -> Runtime:
    return cast("Runtime", SimpleNamespace(**{"routes": routes, "upstreams": {}, "breakers": {}, **more}))


def test_a_policy_nobody_has_heard_of_is_shown_under_its_name() -> None:
    novelty = Told("login/novelty", {"level": 3, "deep": {"list": (1.23456, "two")}}, shadow=True)
    each = Told("app/breaker", {"state": "open"})
    assert machines.policies(machines.admissions(a_route(novelty, each=(each,))), NOW) == {
        "login/novelty": {"shadow": True, "level": 3, "deep": {"list": [1.235, "two"]}},
        "app/breaker": {"shadow": False, "state": "open"},
    }


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_json_cannot_say_is_null(value: float) -> None:
    told = machines.plain({"a": value, "b": [value], "c": {"d": value}})
    assert json.loads(json.dumps(told, allow_nan=False)) == {"a": None, "b": [None], "c": {"d": None}}


def test_a_breaker_s_state_is_one_for_the_state_it_is_in() -> None:
    breaker = a_breaker()
    runtime = a_runtime(breakers={"upstream.app": breaker})

    def states() -> dict[str, float]:
        return {labels[1]: value for name, labels, value in machines.readings(runtime, NOW) if name == "breaker_state"}

    assert states() == {"closed": 1.0, "open": 0.0, "half_open": 0.0}
    breaker.force(NOW, "open")
    assert states() == {"closed": 0.0, "open": 1.0, "half_open": 0.0}


def test_an_upstream_s_own_breaker_is_found_by_its_label() -> None:
    runtime = a_runtime(breakers={"upstream.app": a_breaker()})
    told = machines.breaker_of(runtime, an_upstream(), NOW)
    assert told is not None
    assert (told["breaker"], told["state"]) == ("upstream.app", "closed")
    assert machines.breaker_of(a_runtime(), an_upstream(), NOW) is None


def test_the_concurrency_of_a_route_is_read_from_its_machine() -> None:
    spec = BulkheadSpec(max=1, max_queue=5, max_wait=1.0)
    bulkhead = Bulkhead("login/concurrency", spec)
    for _ in range(3):
        bulkhead.try_acquire(NOW, Waiting())
    assert list(machines.readings(a_runtime(a_route(bulkhead)), NOW)) == [
        ("concurrency_in_flight", ("login",), 1.0),
        ("concurrency_limit", ("login",), 1.0),
        ("concurrency_queued", ("login",), 2.0),
    ]


def test_a_concurrency_limit_in_shadow_mode_is_no_limit() -> None:
    bulkhead = Bulkhead("login/concurrency", BulkheadSpec(max=1, max_queue=5, max_wait=1.0, mode="shadow"))
    bulkhead.try_acquire(NOW, Waiting())
    told = {name: value for name, _, value in machines.readings(a_runtime(a_route(bulkhead)), NOW)}
    assert told == {"concurrency_in_flight": 1.0, "concurrency_queued": 0.0}


class Waiting(Applicant):
    """An exchange without a hurry."""

    def __init__(self) -> None:
        self.deadline = math.inf

    def key(self, key: object) -> str:
        return "all"

    def granted(self, now: float) -> None:
        pass


class Everyone(Key):
    """A key with as many values as there are askers."""

    text = "client_ip"

    def of(self, head: object, client_ip: str) -> str:
        return client_ip


def test_evictions_of_each_keyed_limit_are_read_under_the_limit_s_rule() -> None:
    keyed = RateLimitSpec(name="per-client", rate=0.1, burst=2, key=("client_ip",))
    whole = RateLimitSpec(name="all", rate=0.1, burst=2)
    limits = RateLimits("login", [(keyed, Everyone()), (whole, None)], RouteObserver())
    assert list(machines.readings(a_runtime(a_route(limits)), NOW)) == [
        ("rate_limit_evictions", ("login", "login/per-client"), 0.0)
    ]


def test_what_an_upstream_holds_is_read_and_shown_beside_what_its_attempts_are_asked_of() -> None:
    upstream = an_upstream()
    assert machines.admissions_of_upstream(upstream) == ()
    upstream.hold = Hold("app/hold", HoldSpec(max_requests=100), upstream.observer)
    upstream.hold.try_acquire(NOW, Waiting())
    assert list(machines.readings(a_runtime(upstreams={"app": upstream}), NOW)) == [("held_requests", ("app",), 1.0)]
    told = machines.policies(machines.admissions_of_upstream(upstream), NOW)["app/hold"]
    assert (told["held"], told["max_requests"], told["shadow"]) == (1, 100, False)


def test_a_retry_budget_is_read_for_its_upstream() -> None:
    budget = RetryBudget(0.5, 0.0)
    for _ in range(4):
        budget.deposit(NOW)
    upstream = SimpleNamespace(name="app", budgets=(budget,), hold=None)
    found = list(machines.readings(a_runtime(upstreams={"app": upstream}), NOW))
    assert found == [("retry_budget_available", ("app",), 2.0)]


def test_what_bars_each_endpoint_is_said_in_words() -> None:
    upstream = an_upstream()
    first, second, third = upstream.endpoints

    def said() -> tuple[int, str]:
        return machines.standing(
            upstream, NOW, lambda one: "connection refused" if one is first else "", lambda one: one is not third
        )

    first.down = second.down = True
    assert said() == (
        0,
        "0 of 3 endpoints available; down: app/127.0.0.1:1: connection refused, app/127.0.0.1:2; "
        "without an address: app/127.0.0.1:3",
    )
    first.down = second.down = False
    second.drained = True
    assert said() == (
        1,
        "1 of 3 endpoints available; drained: app/127.0.0.1:2; without an address: app/127.0.0.1:3",
    )
    upstream.ejection = Ejection(EjectionSpec(), UpstreamObserver())
    first.health.ejected_until = NOW + 1.0
    assert said()[1].startswith("0 of 3 endpoints available; drained: app/127.0.0.1:2; ejected: app/127.0.0.1:1")


def test_of_many_endpoints_only_some_are_named() -> None:
    endpoints = [Endpoint("app", Address("127.0.0.1", port)) for port in range(1, 10)]
    upstream = Upstream("app", endpoints, strategy_for(SelectionSpec()), random.Random(0), UpstreamObserver())
    for endpoint in endpoints:
        endpoint.down = True
    _, said = machines.standing(upstream, NOW, lambda one: "", lambda one: True)
    assert said.endswith("app/127.0.0.1:5 and 4 more")


def test_an_endpoint_takes_attempts_unless_it_is_drained_down_or_ejected() -> None:
    upstream = an_upstream()
    first, second, third = upstream.endpoints
    assert machines.ejection_of(upstream, first, NOW) is None
    upstream.ejection = Ejection(EjectionSpec(consecutive_failures=1, base=30.0), upstream.observer)
    upstream.settle(NOW, first, Outcome.FAILURE, NOW)
    second.drained = True
    third.down = True
    assert [machines.takes_attempts(upstream, one, NOW) for one in upstream.endpoints] == [False, False, False]
    told = machines.ejection_of(upstream, first, NOW)
    assert told is not None
    assert (told["state"], told["seconds_left"]) == ("ejected", 30.0)
    second.drained = third.down = False
    assert [machines.takes_attempts(upstream, one, NOW + 31.0) for one in upstream.endpoints] == [True, True, True]
