"""A request is matched with the routes of the listener that it came in at."""

from __future__ import annotations

import random
from dataclasses import replace

from sidecar.model.address import Address
from sidecar.rules.schema import ListenerRule, MatchRule, RuleSet
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Runtime
from tests.runtime.requests import Observers, Request, route_rule, rule_set, upstream_rule

UPSTREAM = upstream_rule("http://127.0.0.1:1")


def built(*matches: MatchRule, listeners: tuple[str, ...] = ("public", "inner", "spare")) -> Runtime:
    routes = [route_rule(f"r{index}", match=match) for index, match in enumerate(matches)]
    bound = [ListenerRule(name=name, address=Address("", port)) for port, name in enumerate(listeners, 1)]
    rules: RuleSet = replace(rule_set((UPSTREAM,), *routes), listeners=tuple(bound))
    return prepare(rules, "d", None, Observers(), random.Random(1))


def taken(runtime: Runtime, listener: str) -> str | None:
    route = runtime.router_at(listener).match(Request())
    return None if route is None else route.name


def test_one_router_serves_every_listener_where_no_route_names_one() -> None:
    runtime = built(MatchRule(), MatchRule())
    assert runtime.by_listener == {}
    assert runtime.router_at("public") is runtime.router_at("inner") is runtime.router


def test_a_route_is_found_at_the_listeners_that_it_names() -> None:
    runtime = built(MatchRule(listener=("inner",)), MatchRule(listener=("public", "inner")))
    assert [taken(runtime, name) for name in ("public", "inner", "spare")] == ["r1", "r0", None]


def test_a_route_that_names_none_is_found_at_all_of_them_in_its_place() -> None:
    runtime = built(MatchRule(listener=("inner",)), MatchRule(), MatchRule(listener=("public",)))
    assert [taken(runtime, name) for name in ("public", "inner", "spare")] == ["r1", "r0", "r1"]


def test_listeners_with_the_same_routes_share_a_router() -> None:
    runtime = built(MatchRule(listener=("inner",)), MatchRule())
    assert runtime.router_at("public") is runtime.router_at("spare")
    assert runtime.router_at("inner") is runtime.router, "it has all of them"


def test_what_came_in_at_a_listener_that_is_gone_has_the_routes_that_name_none() -> None:
    runtime = built(MatchRule(listener=("inner",)), MatchRule())
    assert taken(runtime, "closed since") == "r1"
    assert taken(built(MatchRule(listener=("inner",))), "closed since") is None


def test_a_connection_without_http_takes_the_first_route_that_names_its_listener_and_no_other() -> None:
    raw = ListenerRule(name="raw", address=Address("", 1), protocol="tcp")
    bare = ListenerRule(name="bare", address=Address("", 2), protocol="tcp")
    public = ListenerRule(name="public", address=Address("", 3))
    routes = [
        route_rule("web"),
        route_rule("inner", match=MatchRule(listener=("public",))),
        route_rule("db", match=MatchRule(listener=("raw",))),
        route_rule("spare", match=MatchRule(listener=("raw",))),
    ]
    rules = replace(rule_set((UPSTREAM,), *routes), listeners=(raw, bare, public))
    runtime = prepare(rules, "d", None, Observers(), random.Random(1))
    assert {name: route.name for name, route in runtime.byte_routes.items()} == {"raw": "db"}
    assert len(runtime.routes) == 4


def test_no_request_takes_a_route_of_connections_without_http() -> None:
    raw = ListenerRule(name="raw", address=Address("", 1), protocol="tcp")
    routes = [route_rule("db", match=MatchRule(listener=("raw",))), route_rule("web")]
    rules = replace(rule_set((UPSTREAM,), *routes), listeners=(raw,))
    runtime = prepare(rules, "d", None, Observers(), random.Random(1))
    assert taken(runtime, "raw") == "web", "of a connection from before the listener was one without HTTP"
