"""Requests, rules and observers as runtime tests need them."""

from __future__ import annotations

import random
from collections.abc import Mapping

from sidecar.model.address import Address, Url
from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.policies.selection import RoundRobin
from sidecar.rules.forms import PathPattern, parse_host
from sidecar.rules.schema import (
    DefaultsRule,
    EndpointRule,
    ListenerRule,
    MatchRule,
    RouteRule,
    RuleSet,
    UpstreamRule,
)
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.matching import Matcher
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.upstream import Upstream


class Request:
    """The facts of a request; header names in lower case."""

    def __init__(
        self,
        path: bytes = b"/",
        method: bytes = b"GET",
        authority: bytes = b"",
        headers: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self.path = path
        self.method = method
        self.authority = authority
        self._headers = headers or {}

    def header(self, name: bytes) -> bytes | None:
        return self._headers.get(name)


def match_rule(
    path: str = "/",
    host: str | None = None,
    methods: tuple[str, ...] = (),
    headers: Mapping[str, str] | None = None,
) -> MatchRule:
    """Conditions from their written forms."""
    return MatchRule(
        host=None if host is None else parse_host(host),
        path=PathPattern.parse(path),
        methods=methods,
        headers=headers or {},
    )


def route(name: str, rule: MatchRule) -> Route:
    """A route that leads nowhere in particular."""
    return Route(name, (branch("app"),), Matcher(rule), RouteObserver())


def branch(name: str) -> Branch:
    """A branch to an upstream without endpoints."""
    return Branch(Upstream(name, (), RoundRobin(), random.Random(1), UpstreamObserver()))


def endpoint(port: int, weight: int = 1) -> Endpoint:
    """An endpoint of `app` on this machine."""
    return Endpoint("app", Address("127.0.0.1", port), weight)


def upstream_rule(*urls: str, name: str = "app", weight: int = 1, **policies: object) -> UpstreamRule:
    """An upstream with these endpoints, all of one weight."""
    endpoints = tuple(EndpointRule(url=Url.parse(url), weight=weight) for url in urls)
    return UpstreamRule(name=name, endpoints=endpoints, policies=policies)


def rule_set(upstreams: tuple[UpstreamRule, ...], *routes: RouteRule) -> RuleSet:
    """A whole file of these upstreams and routes."""
    return RuleSet(
        listeners=(ListenerRule(address=Address("", 8080)),),
        upstreams={rule.name: rule for rule in upstreams},
        defaults=DefaultsRule(),
        routes=routes,
    )


def route_rule(name: str, upstream: str = "app", match: MatchRule | None = None, **policies: object) -> RouteRule:
    """A route to an upstream."""
    return RouteRule(name=name, match=match or MatchRule(), upstream=upstream, policies=policies)


class Transitions(BreakerObserver):
    """Remembers what a breaker went through."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def transition(self, before: str, after: str, why: str) -> None:
        self.told.append((before, after))


class Observers:
    """Gives one observer for a name, and remembers which."""

    def __init__(self) -> None:
        self.breakers: dict[str, Transitions] = {}
        self.routes: dict[str, RouteObserver] = {}
        self.upstreams: dict[str, UpstreamObserver] = {}

    def route(self, name: str) -> RouteObserver:
        return self.routes.setdefault(name, RouteObserver())

    def upstream(self, name: str) -> UpstreamObserver:
        return self.upstreams.setdefault(name, UpstreamObserver())

    def breaker(self, label: str) -> Transitions:
        return self.breakers.setdefault(label, Transitions())
