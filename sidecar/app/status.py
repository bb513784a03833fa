"""The JSON of `GET /status`: one look at everything that moves. Reads, changes nothing, keeps nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sidecar.app import machines
from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.rules.schema import ListenerRule
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.route import Route
from sidecar.runtime.upstream import Upstream
from sidecar.telemetry.events import Event
from sidecar.telemetry.latency import latency
from sidecar.telemetry.parts import Part
from sidecar.telemetry.stats import CLOSED, OPEN, OTHER_STATUS, UNROUTED, RouteStats, Stats, UpstreamStats
from sidecar.transport.pool import EndpointPool, PoolSnapshot

if TYPE_CHECKING:
    from sidecar.tls.certificates import CertificateFacts

Clock = Callable[[], float]


def routes(runtime: Runtime, stats: Stats, clock: Clock) -> Iterator[dict[str, Any]]:
    """Each route of the running rules, in their order; then what matched none."""
    counts = stats.routes  # a reload meanwhile replaces it: what it forgets is told here once more
    for route in runtime.routes:
        yield _route(route, counts.get(route.name) or stats.route(route.name), clock())
    if stats.unrouted.requests:
        yield _nowhere(stats.unrouted)


def upstreams(
    runtime: Runtime,
    stats: Stats,
    pools: Mapping[str, EndpointPool],
    clock: Clock,
    why: Callable[[Endpoint], str] = lambda endpoint: "",
    certificates: Mapping[str, Sequence[CertificateFacts]] = MappingProxyType({}),
) -> Iterator[dict[str, Any]]:
    """Each upstream with what its policies tell and its endpoints; `pools` are known by the endpoint's name, `why` says
    why one is down, and `certificates` are those shown to an upstream's endpoints, by its name."""
    counts = stats.upstreams
    for name, upstream in runtime.upstreams.items():
        now = clock()
        yield {
            "name": name,
            **_upstream_counts(counts.get(name) or stats.upstream(name)),
            "breaker": machines.breaker_of(runtime, upstream, now),
            "policies": machines.policies(machines.admissions_of_upstream(upstream), now),
            "certificates": [certificate(facts) for facts in certificates.get(name, ())],
            "retry_budgets": [machines.plain(budget.snapshot(now)) for budget in upstream.budgets],
            "endpoints": [
                _endpoint(upstream, endpoint, pools.get(endpoint.name), now, why(endpoint))
                for endpoint in upstream.endpoints
            ],
        }


def counted(
    unrouted: RouteStats, routes: Iterable[tuple[str, RouteStats]], upstreams: Iterable[tuple[str, UpstreamStats]]
) -> Iterator[Part]:
    """The counts alone, as `routes` and `upstreams` tell them."""
    yield {"routes": []}
    for name, route in routes:
        yield {"routes": [{"name": name, **_route_counts(route)}]}
    if unrouted.requests:
        yield {"routes": [_nowhere(unrouted)]}
    yield {"upstreams": []}
    for name, upstream in upstreams:
        yield {"upstreams": [{"name": name, **_upstream_counts(upstream)}]}


def breakers(runtime: Runtime, clock: Clock) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each circuit breaker with its label."""
    return ((label, machines.plain(breaker.snapshot(clock()))) for label, breaker in runtime.breakers.items())


def causes_of_opening(events: Iterable[Event]) -> dict[str, str]:
    """By a breaker's label why it went from closed to open at last, as far as that is still known. Its window is empty
    since then, and a probe that fails says nothing of the cause."""
    return {
        event.subject: str(event.fields["why"])
        for event in events
        if event.kind == "breaker" and (event.fields["from"], event.fields["to"]) == (CLOSED, OPEN)
    }


def with_causes(part: Part, causes: Mapping[str, str]) -> Part:
    """A part of the status; each breaker in it says in `why_open` why it is not closed, as far as that is known."""
    if "breakers" not in part:
        return part
    told = {
        label: {**breaker, "why_open": "" if breaker["state"] == CLOSED else causes.get(label, "")}
        for label, breaker in part["breakers"].items()
    }
    return {**part, "breakers": told}


def listener(
    rule: ListenerRule, address: Address, open_now: int, stats: Stats, certificates: Iterable[CertificateFacts]
) -> dict[str, Any]:
    """A listener; `address` has the port that the kernel chose, `certificates` are those it shows."""
    told: dict[str, Any] = {
        "name": rule.name,
        "address": str(address),
        "protocol": rule.protocol,
        "connections": open_now,
        "proxy_protocol": rule.proxy_protocol,
        "proxy_headers": dict(stats.listener(rule.name).proxy_headers),
        "tls": None,
    }
    if rule.tls is not None:
        told["tls"] = {
            "min_version": rule.tls.min_version,
            "client_certificate": "none" if rule.tls.client_ca is None else rule.tls.client_certificate,
            "certificates": [certificate(facts) for facts in certificates],
            "handshakes": dict(stats.listener(rule.name).handshakes),
        }
    return told


def certificate(facts: CertificateFacts) -> dict[str, Any]:
    """A certificate; its times are Unix seconds."""
    return {**facts._asdict(), "names": list(facts.names)}


def connections(stats: Stats) -> dict[str, dict[str, int]]:
    """Open connections by side and state."""
    return {
        "downstream": _side(stats.downstream_connections),
        "upstream": _side(stats.upstream_connections),
    }


def _route(route: Route, stats: RouteStats, now: float) -> dict[str, Any]:
    return {
        "name": route.name,
        "upstream": ", ".join(branch.upstream.name for branch in route.branches) or UNROUTED,
        **_route_counts(stats),
        "policies": machines.policies(machines.admissions(route), now),
    }


def _nowhere(stats: RouteStats) -> dict[str, Any]:
    return {"name": UNROUTED, "upstream": UNROUTED, **_route_counts(stats), "policies": {}}


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
