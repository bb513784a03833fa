"""The JSON of `GET /status`: one look at everything that moves. Reads, changes nothing, keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from sidecar.app import machines
from sidecar.model.connections import Connections
from sidecar.runtime.generation import Runtime
from sidecar.runtime.route import Route
from sidecar.runtime.upstream import Endpoint, Upstream
from sidecar.telemetry.latency import latency
from sidecar.telemetry.stats import OTHER_STATUS, UNROUTED, RouteStats, Stats, UpstreamStats
from sidecar.transport.pool import EndpointPool, PoolSnapshot


def routes(runtime: Runtime, stats: Stats, now: float) -> list[dict[str, Any]]:
    """Each route of the running rules, in their order; then what matched none."""
    told = [_route(route, stats.route(route.name), now) for route in runtime.routes]
    unrouted = _route_counts(stats.unrouted)
    nowhere = {"name": UNROUTED, "upstream": UNROUTED, **unrouted, "policies": {}}
    return [*told, nowhere] if unrouted["requests"] else told


def upstreams(
    runtime: Runtime,
    stats: Stats,
    pools: Mapping[str, EndpointPool],
    now: float,
    why: Callable[[Endpoint], str] = lambda endpoint: "",
) -> list[dict[str, Any]]:
    """Each upstream with what its policies tell and its endpoints; `pools` are known by the endpoint's name, and `why`
    says why one is down."""
    return [
        {
            "name": name,
            **_upstream_counts(stats.upstream(name)),
            "breaker": machines.breaker_of(runtime, upstream, now),
            "policies": machines.policies(machines.admissions_of_upstream(upstream), now),
            "retry_budgets": [machines.plain(budget.snapshot(now)) for budget in upstream.budgets],
            "endpoints": [
                _endpoint(upstream, endpoint, pools.get(endpoint.name), now, why(endpoint))
                for endpoint in upstream.endpoints
            ],
        }
        for name, upstream in runtime.upstreams.items()
    ]


def counted(
    unrouted: RouteStats, routes: Mapping[str, RouteStats], upstreams: Mapping[str, UpstreamStats]
) -> dict[str, Any]:
    """The counts alone, as `routes` and `upstreams` tell them."""
    told = [{"name": name, **_route_counts(stats)} for name, stats in routes.items()]
    if unrouted.requests:
        told.append({"name": UNROUTED, "upstream": UNROUTED, **_route_counts(unrouted), "policies": {}})
    return {
        "routes": told,
        "upstreams": [{"name": name, **_upstream_counts(stats)} for name, stats in upstreams.items()],
    }


def breakers(runtime: Runtime, now: float) -> dict[str, Any]:
    """Each circuit breaker by its label."""
    return {label: machines.plain(breaker.snapshot(now)) for label, breaker in runtime.breakers.items()}


def connections(stats: Stats) -> dict[str, dict[str, int]]:
    """Open connections by side and state."""
    return {
        "downstream": _side(stats.downstream_connections),
        "upstream": _side(stats.upstream_connections),
    }


def _route(route: Route, stats: RouteStats, now: float) -> dict[str, Any]:
    return {
        "name": route.name,
        "upstream": ", ".join(branch.upstream.name for branch in route.branches),
        **_route_counts(stats),
        "policies": machines.policies(machines.admissions(route), now),
    }


def _route_counts(stats: RouteStats) -> dict[str, Any]:
    statuses: dict[str, int] = {}
    for (_method, status), count in stats.requests.items():
        kind = f"{status // 100 or status}xx" if status != OTHER_STATUS else "other"
        statuses[kind] = statuses.get(kind, 0) + count
    rejections: dict[str, int] = {}
    for (_rule, reason), count in stats.rejections.items():
        rejections[reason] = rejections.get(reason, 0) + count
    fallbacks: dict[str, int] = {}
    for (kind, _cause), count in stats.fallbacks.items():
        fallbacks[kind] = fallbacks.get(kind, 0) + count
    return {
        "in_flight": stats.in_flight,
        "requests": sum(stats.requests.values()),
        "statuses": dict(sorted(statuses.items())),
        "rejections": rejections,
        "rejected_by": _by_rule(stats.rejections),
        "shadow_rejected_by": _by_rule(stats.shadow_rejections),
        "refused": _by_rule_and_reason(stats.rejections),
        "shadow_refused": _by_rule_and_reason(stats.shadow_rejections),
        "retries": dict(stats.retries),
        "retries_skipped": dict(stats.retries_skipped),
        "fallbacks": fallbacks,
        "latency": latency(stats.buckets, stats.seconds),
    }


def _by_rule(refusals: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Refusals by the rule that made them; those that no rule of the file is to blame for are left out."""
    told: dict[str, int] = {}
    for (rule, _reason), count in refusals.items():
        if rule:
            told[rule] = told.get(rule, 0) + count
    return told


def _by_rule_and_reason(refusals: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """All refusals; the rule is empty where none of the file is to blame."""
    told: dict[str, dict[str, int]] = {}
    for (rule, reason), count in refusals.items():
        told.setdefault(rule, {})[reason] = count
    return told


def _upstream_counts(stats: UpstreamStats) -> dict[str, Any]:
    return {
        "attempts": dict(stats.attempts),
        "latency": latency(stats.buckets, stats.seconds),
        "connects": dict(stats.connects),
        "ejections": dict(stats.ejections),
    }


def _endpoint(
    upstream: Upstream, endpoint: Endpoint, pool: EndpointPool | None, now: float, why: str
) -> dict[str, Any]:
    counts = pool.snapshot() if pool is not None else PoolSnapshot(0, 0, 0, 0)
    return {
        "name": endpoint.name,
        "weight": endpoint.weight,
        "in_flight": endpoint.in_flight,
        "takes_attempts": machines.takes_attempts(upstream, endpoint, now),
        "down": endpoint.down,
        "why_down": why,
        "drained": endpoint.drained,
        "ejection": machines.ejection_of(upstream, endpoint, now),
        "pool": asdict(counts),
    }


def _side(counts: Connections) -> dict[str, int]:
    return {"active": counts.active, "idle": counts.idle}
