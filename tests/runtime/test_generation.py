"""One reference is current; swapping it tells what is no longer reached."""

from __future__ import annotations

import random

from sidecar.rules.schema import RuleSet
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current, Runtime
from tests.runtime.requests import Observers, route_rule, rule_set, upstream_rule


def build(rules: RuleSet, previous: Runtime | None = None) -> Runtime:
    return prepare(rules, "digest", previous, Observers(), random.Random(1))


def test_a_swap_returns_the_endpoints_that_are_no_longer_named() -> None:
    first = build(rule_set((upstream_rule("http://127.0.0.1:1", "http://127.0.0.1:2"),), route_rule("a")))
    current = Current(first)
    one, two = first.endpoints()
    second = build(rule_set((upstream_rule("http://127.0.0.1:2", "http://127.0.0.1:3"),), route_rule("a")), first)
    assert current.runtime is first
    assert current.swap(second) == (one,)
    assert current.runtime is second
    assert second.endpoints()[0] is two


def test_an_exchange_keeps_the_generation_it_began_with() -> None:
    first = build(rule_set((upstream_rule("http://127.0.0.1:1"),), route_rule("a")))
    current = Current(first)
    pinned = current.runtime
    current.swap(build(rule_set((upstream_rule("http://127.0.0.1:2"),), route_rule("b")), first))
    assert [route.name for route in pinned.routes] == ["a"]
    assert [endpoint.name for endpoint in pinned.endpoints()] == ["app/127.0.0.1:1"]


def test_an_upstream_that_goes_takes_its_endpoints_with_it() -> None:
    first = build(
        rule_set((upstream_rule("http://127.0.0.1:1"), upstream_rule("http://127.0.0.1:1", name="b")), route_rule("a"))
    )
    second = build(rule_set((upstream_rule("http://127.0.0.1:1"),), route_rule("a")), first)
    assert [endpoint.name for endpoint in Current(first).swap(second)] == ["b/127.0.0.1:1"]
