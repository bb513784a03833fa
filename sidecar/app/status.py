"""The JSON of `GET /status`: one look at everything that moves. Reads, changes nothing, keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sidecar.model.connections import Connections
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Endpoint, Route, Upstream
from sidecar.telemetry.stats import RouteStats, Stats, UpstreamStats
from sidecar.transport.pool import EndpointPool, PoolSnapshot


def routes(runtime: Runtime, stats: Stats) -> list[dict[str, Any]]:
    """Each route of the running rules, in their order; then what matched none."""
    told = [_route(route, stats.route(route.name)) for route in runtime.routes]
    unrouted = _route_counts(stats.unrouted)
    return [*told, {"name": "-", "upstream": "-", **unrouted}] if unrouted["requests"] else told


def upstreams(runtime: Runtime, stats: Stats, pools: Mapping[str, EndpointPool]) -> list[dict[str, Any]]:
    """Each upstream with its endpoints; `pools` are known by the endpoint's name."""
    return [_upstream(upstream, stats.upstream(name), pools) for name, upstream in runtime.upstreams.items()]


def connections(stats: Stats) -> dict[str, dict[str, int]]:
    """Open connections by side and state."""
    return {
        "downstream": _side(stats.downstream_connections),
        "upstream": _side(stats.upstream_connections),
    }


def _route(route: Route, stats: RouteStats) -> dict[str, Any]:
    return {"name": route.name, "upstream": route.upstream.name, **_route_counts(stats)}


def _route_counts(stats: RouteStats) -> dict[str, Any]:
    statuses: dict[str, int] = {}
    for (_method, status), count in stats.requests.items():
        kind = f"{status // 100}xx" if status >= 100 else "other"
        statuses[kind] = statuses.get(kind, 0) + count
    rejections: dict[str, int] = {}
    for (_rule, reason), count in stats.rejections.items():
        rejections[reason] = rejections.get(reason, 0) + count
    return {
        "in_flight": stats.in_flight,
        "requests": sum(stats.requests.values()),
        "statuses": dict(sorted(statuses.items())),
        "rejections": rejections,
        "retries": dict(stats.retries),
    }


def _upstream(upstream: Upstream, stats: UpstreamStats, pools: Mapping[str, EndpointPool]) -> dict[str, Any]:
    return {
        "name": upstream.name,
        "attempts": dict(stats.attempts),
        "connects": dict(stats.connects),
        "endpoints": [_endpoint(endpoint, pools.get(endpoint.name)) for endpoint in upstream.endpoints],
    }


def _endpoint(endpoint: Endpoint, pool: EndpointPool | None) -> dict[str, Any]:
    counts = pool.snapshot() if pool is not None else PoolSnapshot(0, 0, 0, 0)
    return {
        "name": endpoint.name,
        "weight": endpoint.weight,
        "in_flight": endpoint.in_flight,
        "pool": asdict(counts),
    }


def _side(counts: Connections) -> dict[str, int]:
    return {"active": counts.active, "idle": counts.idle}
