"""Where the policies' machines of one generation are, and what they tell of themselves.

No policy that admits is asked for by its class: whatever has a snapshot is shown under its name, and a figure becomes a
metric because the snapshot has its key. So one that is added to the catalogue needs nothing in status and admin.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sidecar.policies.contract import Admission
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.route import Route
from sidecar.runtime.upstream import Upstream
from sidecar.telemetry.stats import Reading, breaker_state_readings

# So many endpoints are named where the reader is a person.
_NAMED = 5

# Of a route's machine: the key of its snapshot, and the metric that it is.
_ROUTE_FIGURES = (
    ("in_flight", "concurrency_in_flight"),
    ("max", "concurrency_limit"),
    ("queued", "concurrency_queued"),
)


def admissions(route: Route) -> Iterable[Admission]:
    """What a request of this route is asked of: once a request, then before each attempt."""
    return (*route.admissions, *route.attempt_admissions)


def admissions_of_upstream(upstream: Upstream) -> Iterable[Admission]:
    """What an attempt on this upstream is asked of: before there is an endpoint, then when there is none."""
    return upstream.admissions if upstream.hold is None else (*upstream.admissions, upstream.hold)


def policies(asked: Iterable[Admission], now: float) -> dict[str, Any]:
    """What these machines tell, by their names."""
    return {admission.name: {"shadow": admission.shadow, **plain(admission.snapshot(now))} for admission in asked}


def breaker_of(runtime: Runtime, upstream: Upstream, now: float) -> dict[str, Any] | None:
    """What the upstream's own breaker tells, None where it has none."""
    breaker = runtime.breakers.get(f"upstream.{upstream.name}")
    return None if breaker is None else plain(breaker.snapshot(now))


def ejection_of(upstream: Upstream, endpoint: Endpoint, now: float) -> dict[str, Any] | None:
    """What ejection remembers of an endpoint, None where it is off."""
    ejection = upstream.ejection
    return None if ejection is None else plain(ejection.snapshot(now, endpoint.health))


def takes_attempts(upstream: Upstream, endpoint: Endpoint, now: float) -> bool:
    """Whether nothing that policies or people know bars the endpoint. A look: it ends no ejection that is over."""
    if endpoint.down or endpoint.drained:
        return False
    ejection = upstream.ejection
    return ejection is None or ejection.snapshot(now, endpoint.health)["state"] != "ejected"


def standing(
    upstream: Upstream, now: float, why: Callable[[Endpoint], str], reachable: Callable[[Endpoint], bool]
) -> tuple[int, str]:
    """How many endpoints take attempts, and that in words, with those that do not and what bars each.

    `why` says why one is down; `reachable` is false for a name that nothing is known of."""
    available = 0
    barred: dict[str, list[str]] = {"down": [], "drained": [], "ejected": [], "without an address": []}
    for endpoint in upstream.endpoints:
        if not reachable(endpoint):
            barred["without an address"].append(endpoint.name)
        elif endpoint.down:
            said = why(endpoint)
            barred["down"].append(f"{endpoint.name}: {said}" if said else endpoint.name)
        elif endpoint.drained:
            barred["drained"].append(endpoint.name)
        elif takes_attempts(upstream, endpoint, now):
            available += 1
        else:
            barred["ejected"].append(endpoint.name)
    parts = [f"{word}: {_named(names)}" for word, names in barred.items() if names]
    return available, "; ".join([f"{available} of {len(upstream.endpoints)} endpoints available", *parts])


def _named(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_NAMED])} and {more} more"


def readings(runtime: Runtime, now: float) -> Iterator[Reading]:
    """The machines' figures that are metrics."""
    for label, breaker in runtime.breakers.items():
        yield from breaker_state_readings(label, str(breaker.snapshot(now)["state"]))
    for route in runtime.routes:
        for admission in admissions(route):
            yield from _of_route(route.name, admission.snapshot(now), admission.shadow)
    for name, upstream in runtime.upstreams.items():
        if upstream.hold is not None:
            yield "held_requests", (name,), _number(upstream.hold.snapshot(now)["held"])
        for budget in upstream.budgets:
            yield "retry_budget_available", (name,), _number(budget.snapshot(now)["available"])


def plain(snapshot: Mapping[str, object]) -> dict[str, Any]:
    """A snapshot as JSON can say it: no infinities (RFC 8259 section 6), no more digits than anybody reads."""
    return {name: _plain(value) for name, value in snapshot.items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return plain(value)
    if isinstance(value, float):
        return round(value, 3) if math.isfinite(value) else None
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _of_route(route: str, snapshot: Mapping[str, object], shadow: bool) -> Iterator[Reading]:
    for key, metric in _ROUTE_FIGURES:
        # Nobody is to be told how near a limit is that refuses nobody.
        if key in snapshot and not (shadow and key == "max"):
            yield metric, (route,), _number(snapshot[key])
    yield from _evictions(route, snapshot)


def _evictions(route: str, snapshot: Mapping[str, object]) -> Iterator[Reading]:
    for name, part in snapshot.items():
        if not isinstance(part, Mapping):
            continue
        if "evictions" in part:
            yield "rate_limit_evictions", (route, f"{route}/{name}"), _number(part["evictions"])
        else:
            yield from _evictions(route, part)


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
