"""Warnings about one upstream: policies that need more endpoints than there are, waits that pass every deadline."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from sidecar.model.address import ip_literal
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.health_gate import EjectionSpec, HoldSpec, SlowStart
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import show_duration
from sidecar.rules.breaker_lints import attempt_time, breaker_lints
from sidecar.rules.places import Places
from sidecar.rules.problems import Problem
from sidecar.rules.schema import RouteRule, UpstreamRule
from sidecar.rules.upstream_tls import SECURE

_ROUNDING = 1e-9  # 0.29 x 100 is 28.999… in binary


def upstream_lints(upstream: UpstreamRule, users: Sequence[RouteRule], known: Places) -> Iterator[Problem]:
    """Every warning about the upstream; `users` are the routes that may choose it."""
    here = ("upstreams", upstream.name)
    yield from _tls(upstream, known)
    breaker = upstream.spec(CircuitBreakerSpec)
    if breaker is not None and known.wrote(*here, "circuit_breaker"):
        yield from breaker_lints(breaker, (*here, "circuit_breaker"), users, known)
    yield from _endpoints(upstream, known)
    yield from _reuse(upstream, known)
    yield from _waits(upstream, users, known)


def _tls(upstream: UpstreamRule, known: Places) -> Iterator[Problem]:
    tls = upstream.tls
    if tls is None:
        return
    here = ("upstreams", upstream.name, "tls")
    if not any(endpoint.url.scheme in SECURE for endpoint in upstream.endpoints):
        url = upstream.endpoints[0].url
        meant, what = ("tls", "bytes") if url.is_raw else ("https", "requests")
        yield known.at(*here).warning(f"`tls` does nothing: no endpoint is {meant}://, and {what} go in plaintext")
    elif not tls.verify:
        yield known.at(*here, "verify").warning(
            "anybody on the way can pose as the endpoint: its certificate is not checked; name its authority as `ca`"
        )


def _endpoints(upstream: UpstreamRule, known: Places) -> Iterator[Problem]:
    addresses = [endpoint.url.address for endpoint in upstream.endpoints]
    if any(not one.is_unix and ip_literal(one.host) is None for one in addresses):
        return  # a host name may have any number of addresses, and each is an endpoint
    here = ("upstreams", upstream.name)
    count = len(upstream.endpoints)
    ejection, slow_start = upstream.spec(EjectionSpec), upstream.spec(SlowStart)
    if ejection is not None and known.wrote(*here, "ejection"):
        if count == 1:
            yield known.at(*here, "ejection").warning(
                "nothing is ever ejected: there is one endpoint, and the last is never taken out; "
                "with one the circuit breaker decides"
            )
        elif math.floor(ejection.max_ejected_ratio * count + _ROUNDING) < 1:
            yield known.at(*here, "ejection", "max_ejected_ratio").warning(
                f"nothing is ever ejected: {ejection.max_ejected_ratio:g} of {count} endpoints is less than one"
            )
    if slow_start is not None and slow_start.duration is not None and count == 1:
        yield known.at(*here, "slow_start").warning(
            "a share that grows does nothing: there is one endpoint, and it takes everything"
        )


def _reuse(upstream: UpstreamRule, known: Places) -> Iterator[Problem]:
    if upstream.proxy_protocol is None and not any(endpoint.url.is_raw for endpoint in upstream.endpoints):
        return
    for key in ("idle_timeout", "max_lifetime"):
        if known.wrote("upstreams", upstream.name, "pool", key):
            yield known.at("upstreams", upstream.name, "pool", key).warning(
                f"`pool.{key}` does nothing: a connection to these endpoints is for one client, and never kept"
            )


def _waits(upstream: UpstreamRule, users: Sequence[RouteRule], known: Places) -> Iterator[Problem]:
    if not users:
        return
    here = ("upstreams", upstream.name)
    hold = upstream.spec(HoldSpec)
    deadline = max([_deadline(route) for route in users])
    # Only what somebody wrote: by default a request is held as long as it has time.
    if hold is not None and hold.timeout > deadline and known.wrote(*here, "hold", "timeout"):
        yield known.at(*here, "hold", "timeout").warning(
            f"a request may be held {show_duration(hold.timeout)}, but has at most {show_duration(deadline)} in all"
        )
    longest = max([attempt_time(route) for route in users])
    if upstream.connect_timeout > longest:
        yield known.at(*here, "connect_timeout").warning(
            f"a connection may take {show_duration(upstream.connect_timeout)}, but an attempt ends after "
            f"{show_duration(longest)}"
        )


def _deadline(route: RouteRule) -> float:
    timeout = route.spec(TimeoutSpec)
    return math.inf if timeout is None or timeout.request is None else timeout.request
