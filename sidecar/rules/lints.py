"""What is allowed but hardly meant: warnings for rules that are valid. Runs only on rules without an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.retry import RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import show_duration
from sidecar.rules.problems import Problem
from sidecar.rules.schema import PLAINTEXT, MatchRule, RouteRule, RuleSet
from sidecar.rules.tree import DEFAULT, Origin


@dataclass(frozen=True, slots=True)
class _Places:
    """Where things were written, and whether a route says them itself."""

    places: Mapping[str, Origin]

    def at(self, *path: str) -> Origin:
        steps = list(path)
        while steps and self.places.get(".".join(steps), DEFAULT) == DEFAULT:
            steps.pop()
        return self.places.get(".".join(steps), DEFAULT)

    def same_hand(self, route: RouteRule, *keys: str) -> bool:
        """Whether all were written in the route, or all in `defaults`: only then were they meant together."""
        inherited = set()
        for key in keys:
            here = self.places.get(f"routes.{route.name}.{key}", DEFAULT)
            inherited.add(here in (DEFAULT, self.places.get(f"defaults.{key}")))
        return len(inherited) == 1


def lints(rules: RuleSet, places: Mapping[str, Origin]) -> Iterator[Problem]:
    """Every warning, route by route, then upstream by upstream."""
    known = _Places(places)
    for index, route in enumerate(rules.routes):
        yield from _shadowed(route, rules.routes[:index], known)
        yield from _timeouts(route, known)
        yield from _limits(route, known)
        yield from _breaker(route, known)
    for upstream in rules.upstreams.values():
        for index, endpoint in enumerate(upstream.endpoints):
            if endpoint.url.scheme == "https":
                place = known.at("upstreams", upstream.name, "endpoints", str(index), "url")
                yield place.not_in_force(f"https, as in `{endpoint.url}`,", PLAINTEXT)
        breaker = upstream.spec(CircuitBreakerSpec)
        users = [route for route in rules.routes if upstream.name in route.upstreams]
        attempts = [spec.attempt for route in users if (spec := route.spec(TimeoutSpec)) and spec.attempt]
        if breaker is not None and attempts and breaker.window < max(attempts):
            yield known.at("upstreams", upstream.name, "circuit_breaker", "window").warning(
                _window(breaker, max(attempts))
            )


def _shadowed(route: RouteRule, earlier: tuple[RouteRule, ...], known: _Places) -> Iterator[Problem]:
    for other in earlier:
        if _covers(other.match, route.match):
            message = f"the route `{route.name}` is never reached: `{other.name}` above takes all its requests"
            yield known.at("routes", route.name, "name").warning(message)
            return


def _covers(one: MatchRule, other: MatchRule) -> bool:
    """Whether every request the other matches is matched by this one."""
    if one.methods and (not other.methods or not set(other.methods) <= set(one.methods)):
        return False
    if not one.headers.items() <= other.headers.items():
        return False
    return _covers_host(one.host, other.host) and _covers_path(one, other)


def _covers_host(one: str | None, other: str | None) -> bool:
    if one is None or one == other:
        return True
    return other is not None and one.startswith("*.") and other.removeprefix("*.").endswith(one[1:])


def _covers_path(one: MatchRule, other: MatchRule) -> bool:
    mine, theirs = one.path, other.path
    if mine == theirs or (mine.kind == "prefix" and mine.text == "/"):
        return True
    if mine.kind == "prefix":
        return theirs.text == mine.text or theirs.text.startswith(f"{mine.text}/")
    if mine.kind == "template" and theirs.kind != "prefix":
        wanted, found = mine.text.split("/"), theirs.text.split("/")
        return len(wanted) == len(found) and all(
            a == b or (a.startswith("{") and bool(b)) for a, b in zip(wanted, found, strict=True)
        )
    return False


def _timeouts(route: RouteRule, known: _Places) -> Iterator[Problem]:
    timeout, retry = route.spec(TimeoutSpec), route.spec(RetrySpec)
    if retry is not None and "all" in retry.methods:
        yield known.at("routes", route.name, "retry", "methods").warning(
            "`methods: all` repeats requests that may have been carried out, a POST among them"
        )
    if timeout is None or timeout.request is None or timeout.attempt is None:
        return
    request, attempt = show_duration(timeout.request), show_duration(timeout.attempt)
    if timeout.attempt > timeout.request and known.same_hand(route, "timeout.attempt", "timeout.request"):
        yield known.at("routes", route.name, "timeout", "attempt").warning(
            f"an attempt may take {attempt}, but the whole request only {request}"
        )
    elif retry is not None and retry.max_attempts * timeout.attempt > timeout.request:
        keys = ("timeout.attempt", "timeout.request", "retry.max_attempts")
        if known.same_hand(route, *keys[:2]) and known.same_hand(route, *keys[1:]):
            yield known.at("routes", route.name, "retry", "max_attempts").warning(
                f"{retry.max_attempts} attempts of {attempt} do not fit into the request's {request}"
            )


def _limits(route: RouteRule, known: _Places) -> Iterator[Problem]:
    for limit in route.specs(RateLimitSpec):
        if limit.capacity < 1:
            yield known.at("routes", route.name, "rate_limits", limit.name, "burst").warning(
                f"`{limit.name}` admits nothing: a request costs 1, and the burst is {limit.capacity:g}"
            )


def _breaker(route: RouteRule, known: _Places) -> Iterator[Problem]:
    breaker = route.spec(CircuitBreakerSpec)
    if breaker is None:
        return
    timeout = route.spec(TimeoutSpec)
    if timeout is not None and timeout.attempt is not None and breaker.window < timeout.attempt:
        yield known.at("routes", route.name, "circuit_breaker", "window").warning(_window(breaker, timeout.attempt))
    shared = [limit.rate * breaker.window + limit.capacity for limit in route.specs(RateLimitSpec) if not limit.key]
    if shared and min(shared) < breaker.min_requests and breaker.consecutive_failures is None:
        yield known.at("routes", route.name, "circuit_breaker", "min_requests").warning(
            f"the breaker can never open: the rate limits admit at most {min(shared):g} requests in its window, "
            f"and it wants {breaker.min_requests}"
        )


def _window(breaker: CircuitBreakerSpec, attempt: float) -> str:
    window = show_duration(breaker.window)
    return f"the breaker looks back {window}, less than one attempt may take ({show_duration(attempt)})"
