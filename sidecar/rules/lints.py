"""What is allowed but hardly meant: warnings for rules that are valid. Runs only on rules without an error.

Owns those about one route's policies; who is reached at all is in reach.py, upstreams are in upstream_lints.py. A
warning must be certain and worth a line: where rules leave it open (a host name may have many addresses, a policy may
be on by default one day), nothing is said. No message names a route whose value may come from `defaults`, so that one
slip there is told once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sidecar.policies.bulkhead import ADAPTIVE, BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.fallback import FallbackSpec
from sidecar.policies.fault import FaultSpec
from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.retry import HARMLESS, IDEMPOTENT, RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import show_duration
from sidecar.rules.breaker_lints import breaker_lints
from sidecar.rules.forms import UNIX_PEERS
from sidecar.rules.own_answers import circles
from sidecar.rules.places import Places
from sidecar.rules.problems import Problem
from sidecar.rules.reach import Earlier, unreachable, unserved
from sidecar.rules.schema import RouteRule, RuleSet
from sidecar.rules.tree import Origin
from sidecar.rules.upstream_lints import upstream_lints

_IDEMPOTENT = frozenset([method.decode("ascii") for method in IDEMPOTENT])


def lints(rules: RuleSet, places: Mapping[str, Origin]) -> Iterator[Problem]:
    """Every warning, route by route, then upstream by upstream."""
    known = Places(places)
    raw = {listener.name for listener in rules.listeners if listener.protocol == "tcp"}
    # A route that names no listener takes none of the connections without HTTP.
    of_requests, of_bytes = Earlier(), Earlier()
    yield from unserved(rules, known)
    yield from _disbelieved(rules, known)
    for route in rules.routes:
        earlier = of_requests if raw.isdisjoint(route.match.listener) else of_bytes
        yield from unreachable(route, earlier, known)
        earlier.add(route)
        if route.upstreams:
            yield from _timeouts(route, known)
            yield from _retry(route, known)
            if earlier is of_bytes:
                yield from _reconnecting(route, known)
            yield from _breaker(route, known)
            yield from _fallback(route, rules, known)
        else:
            yield from circles(route, rules, known)
        yield from _waits(route, known)
        yield from _limits(route, known)
        yield from _shares(route, known)
    for upstream in rules.upstreams.values():
        users = [route for route in rules.routes if upstream.name in route.upstreams]
        yield from upstream_lints(upstream, users, known)


def _disbelieved(rules: RuleSet, known: Places) -> Iterator[Problem]:
    for listener in rules.listeners:
        place = known.at("listeners", listener.name, "trusted_proxies")
        trusted = listener.trusted_proxies
        if not listener.address.is_unix and UNIX_PEERS in trusted:
            yield place.warning(f"`{UNIX_PEERS}` does nothing: nobody comes to {listener.address} by a unix socket")
        elif listener.address.is_unix and trusted and UNIX_PEERS not in trusted:
            yield place.warning(f"nobody is believed: clients of a unix socket have no address; write [{UNIX_PEERS}]")


def _timeouts(route: RouteRule, known: Places) -> Iterator[Problem]:
    timeout, retry = route.spec(TimeoutSpec), route.spec(RetrySpec)
    if timeout is None or timeout.request is None:
        return
    here = ("routes", route.name, "timeout")
    request = show_duration(timeout.request)
    both = known.wrote(*here, "request") and known.to_blame(route, "timeout.total", "timeout.request")
    if timeout.total is not None and timeout.total < timeout.request and both:
        yield known.at(*here, "total").warning(
            f"the whole exchange may take {show_duration(timeout.total)}, less than its first part ({request})"
        )
    if timeout.attempt is None:
        return
    attempt = show_duration(timeout.attempt)
    if timeout.attempt > timeout.request and known.same_hand(route, "timeout.attempt", "timeout.request"):
        yield known.at(*here, "attempt").warning(f"an attempt may take {attempt}, but the whole request only {request}")
    elif retry is not None and retry.max_attempts * timeout.attempt > timeout.request:
        keys = ("timeout.attempt", "timeout.request", "retry.max_attempts")
        if known.same_hand(route, *keys) and known.wrote("routes", route.name, "retry", "max_attempts"):
            yield known.at("routes", route.name, "retry", "max_attempts").warning(
                f"{retry.max_attempts} attempts of {attempt} do not fit into the request's {request}"
            )


def _retry(route: RouteRule, known: Places) -> Iterator[Problem]:
    retry = route.spec(RetrySpec)
    if retry is None or retry.max_attempts < 2:
        return
    here = ("routes", route.name, "retry")
    # Where no connection was made nothing was sent, and any method may be repeated.
    harmful = () if set(retry.on) <= HARMLESS else _harmful(route, retry, known)
    if "all" in harmful:
        yield known.at(*here, "methods").warning(
            "`methods: all` repeats requests that may have been carried out, a POST among them"
        )
    elif harmful:
        yield known.at(*here, "methods").warning(
            f"repeats {' and '.join(harmful)} requests that may have been carried out; "
            "an Idempotency-Key qualifies a request without this"
        )


def _reconnecting(route: RouteRule, known: Places) -> Iterator[Problem]:
    retry = route.spec(RetrySpec)
    wrote = known.wrote("routes", route.name, "retry", "on") and not known.inherits(route, "retry.on")
    if retry is not None and wrote and HARMLESS.isdisjoint(map(str, retry.on)):
        yield known.at("routes", route.name, "retry", "on").warning(
            "nothing is tried again: of a connection without HTTP only connecting is; write connect_failure"
        )


def _harmful(route: RouteRule, retry: RetrySpec, known: Places) -> tuple[str, ...]:
    """The methods that should not be repeated, without those that a route names as its own: its POST may only read."""
    own = () if known.inherits(route, "retry.methods") else route.match.methods
    return tuple([method for method in retry.methods if method not in {"idempotent", *_IDEMPOTENT, *own}])


def _waits(route: RouteRule, known: Places) -> Iterator[Problem]:
    timeout, bulkhead = route.spec(TimeoutSpec), route.spec(BulkheadSpec)
    waits = [(f"rate_limits.{limit.name}.max_wait", limit.max_wait) for limit in route.specs(RateLimitSpec)]
    if bulkhead is not None and bulkhead.max_wait is not None:
        waits.append(("concurrency.max_wait", bulkhead.max_wait))
        if bulkhead.max_queue == 0 and bulkhead.max_wait > 0:
            yield known.at("routes", route.name, "concurrency", "max_wait").warning(
                "nothing ever waits: the queue has no place (`max_queue`)"
            )
    if bulkhead is not None:
        yield from _adaptive(route, bulkhead, known)
    if timeout is None or timeout.request is None:
        return
    for key, wait in waits:
        if wait > timeout.request and known.to_blame(route, key, "timeout.request"):
            yield known.at("routes", route.name, *key.split(".")).warning(
                f"a request may wait {show_duration(wait)} here, but has only {show_duration(timeout.request)} in all"
            )


def _adaptive(route: RouteRule, bulkhead: BulkheadSpec, known: Places) -> Iterator[Problem]:
    here = known.at("routes", route.name, "concurrency", "max")
    if bulkhead.max == ADAPTIVE:
        if not route.upstreams and not known.inherits(route, "concurrency.max"):
            yield here.warning(
                f"`{ADAPTIVE}` learns from an upstream, and this route answers by itself; write a number"
            )
    elif bulkhead.adaptive is not None and not known.inherits(route, "concurrency.adaptive"):
        yield known.at("routes", route.name, "concurrency", "adaptive").warning(
            f"says nothing: it is about `max: {ADAPTIVE}`, and `max` is {bulkhead.max}"
        )


def _limits(route: RouteRule, known: Places) -> Iterator[Problem]:
    for limit in route.specs(RateLimitSpec):
        if limit.capacity < 1:
            yield known.at("routes", route.name, "rate_limits", limit.name, "burst").warning(
                f"`{limit.name}` admits nothing: a request costs 1, and the burst is {limit.capacity:g}"
            )


def _breaker(route: RouteRule, known: Places) -> Iterator[Problem]:
    breaker = route.spec(CircuitBreakerSpec)
    if breaker is None:
        return
    # A breaker of `defaults` was meant for routes in general: not for one that lowers what it is compared with.
    if all(known.to_blame(route, "circuit_breaker", key) for key in ("rate_limits", "concurrency", "timeout")):
        yield from breaker_lints(breaker, ("routes", route.name, "circuit_breaker"), (route,), known)


def _fallback(route: RouteRule, rules: RuleSet, known: Places) -> Iterator[Problem]:
    fallback = route.spec(FallbackSpec)
    if fallback is None:
        return
    methods = route.match.methods
    stale = fallback.stale is not None and not known.inherits(route, "fallback.stale")
    if stale and methods and "GET" not in methods:
        yield known.at("routes", route.name, "fallback", "stale").warning(
            f"there is never an old answer to serve: only those to GET are kept, not to {' or '.join(methods)}"
        )
    if known.inherits(route, "fallback.on"):
        return
    for index, cause in enumerate(fallback.on):
        why = _never(cause, route, rules, known)
        if why:
            yield known.at("routes", route.name, "fallback", "on", str(index)).warning(
                f"`{cause}` never happens here: {why}"
            )


def _never(cause: str | int, route: RouteRule, rules: RuleSet, known: Places) -> str:
    """Why the route never sees the cause; empty when it may."""
    if cause == "rate_limited" and not route.specs(RateLimitSpec):
        return "the route has no `rate_limits`"
    if cause == "concurrency_limited" and route.spec(BulkheadSpec) is None:
        return "the route has no `concurrency`"
    if cause == "retries_exhausted":
        retry = route.spec(RetrySpec)
        if retry is None:
            # What nobody switched off may be on by default.
            return "`retry` is off" if known.wrote("routes", route.name, "retry") else ""
        return "`retry` makes one attempt only" if retry.max_attempts == 1 else ""
    if cause == "circuit_open" and route.spec(CircuitBreakerSpec) is None:
        off = [_without_breaker(name, rules, known) for name in route.upstreams]
        return "neither the route nor its upstream has a `circuit_breaker`" if all(off) else ""
    return ""


def _without_breaker(upstream: str, rules: RuleSet, known: Places) -> bool:
    off = rules.upstreams[upstream].spec(CircuitBreakerSpec) is None
    return off and known.wrote("upstreams", upstream, "circuit_breaker")


def _shares(route: RouteRule, known: Places) -> Iterator[Problem]:
    for index, share in enumerate(route.split):
        if share.weight == 0:
            yield known.at("routes", route.name, "split", str(index), "weight").warning(
                f"`{share.upstream}` gets no request: its weight is 0"
            )
    fault = route.spec(FaultSpec)
    if fault is not None and fault.delay is not None and fault.delay.ratio == 0:
        yield known.at("routes", route.name, "fault", "delay", "ratio").warning("nothing is delayed: the ratio is 0")
    if fault is not None and fault.abort is not None and fault.abort.ratio == 0:
        yield known.at("routes", route.name, "fault", "abort", "ratio").warning("nothing is aborted: the ratio is 0")
