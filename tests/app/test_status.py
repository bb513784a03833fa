"""The pieces of GET /status."""

import asyncio
import random
import time

from sidecar.app.status import causes_of_opening, connections, routes, upstreams, with_causes
from sidecar.model.address import Address
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec
from sidecar.rules.load import load_rules
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Runtime
from sidecar.telemetry.events import Events
from sidecar.telemetry.stats import BreakerStats, Stats
from sidecar.transport.pool import EndpointPool
from sidecar.transport.settings import PoolSettings
from sidecar.transport.tasks import Tasks
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel

NOW = 1000.0


async def a_pool(stats: Stats) -> EndpointPool:
    async def never(make: object) -> UpstreamConnection:
        raise OSError("nobody connects here")

    loop = asyncio.get_running_loop()
    return EndpointPool(
        Address("127.0.0.1", 3000),
        PoolSettings(),
        1.0,
        never,
        DeadlineWheel(loop, time.monotonic),
        stats.upstream("app"),
        stats.upstream_connections,
        Tasks(loop),
    )


def built(stats: Stats) -> Runtime:
    loaded = load_rules(None, upstreams=["http://127.0.0.1:3000", "http://127.0.0.1:3001"])
    return prepare(loaded.rules, loaded.digest, None, stats, random.Random(0))


def test_a_route_tells_its_requests_by_status_class_and_its_refusals_by_reason() -> None:
    stats = Stats()
    runtime = built(stats)
    route = stats.route("everything")
    for status in (200, 299, 503, 999):
        route.started()
        route.finished(b"GET", status, 0.01, b"", False)
    route.started()
    route.rejected("a", Reason.RATE_LIMITED)
    route.rejected("b", Reason.RATE_LIMITED)
    route.rejected("", Reason.NO_ENDPOINT)
    route.shadow_rejected("c", Reason.CONCURRENCY_LIMITED)
    route.retried(Cause.RESET.value)
    route.retry_skipped("budget")
    route.fell_back("stale", "circuit_open")
    route.fell_back("stale", "timeout")
    (told,) = routes(runtime, stats, lambda: NOW)
    assert told == {
        "name": "everything",
        "upstream": "app",
        "in_flight": 1,
        "requests": 4,
        "statuses": {"2xx": 2, "5xx": 1, "other": 1},
        "rejections": {"rate_limited": 2, "no_endpoint": 1},
        "rejected_by": {"a": 1, "b": 1},
        "shadow_rejected_by": {"c": 1},
        "refused": {"a": {"rate_limited": 1}, "b": {"rate_limited": 1}, "": {"no_endpoint": 1}},
        "shadow_refused": {"c": {"concurrency_limited": 1}},
        "retries": {"reset": 1},
        "retries_skipped": {"budget": 1},
        "fallbacks": {"stale": 2},
        "latency": {
            "count": 4,
            "seconds": 0.04,
            "buckets": [0, 0, 0, 0, 4, *[0] * 12],
            "quantiles": {"0.5": 0.0075, "0.9": 0.0095, "0.99": 0.00995},
        },
        "policies": told["policies"],
    }


def test_one_rule_s_refusals_are_told_by_reason() -> None:
    stats = Stats()
    runtime = built(stats)
    for reason in (Reason.REQUEST_TIMEOUT, Reason.ATTEMPT_TIMEOUT, Reason.REQUEST_TIMEOUT):
        stats.route("everything").rejected("everything/timeout", reason)
    (told,) = routes(runtime, stats, lambda: NOW)
    assert told["refused"] == {"everything/timeout": {"request_timeout": 2, "attempt_timeout": 1}}


def test_what_matched_no_route_has_a_line_once_there_is_any() -> None:
    stats = Stats()
    runtime = built(stats)
    assert [told["name"] for told in routes(runtime, stats, lambda: NOW)] == ["everything"]
    stats.unrouted.started()
    stats.unrouted.finished(b"GET", 404, 0.0, b"", False)
    assert [told["name"] for told in routes(runtime, stats, lambda: NOW)] == ["everything", "-"]


async def test_an_upstream_tells_its_endpoints_with_their_pools() -> None:
    stats = Stats()
    runtime = built(stats)
    stats.upstream("app").attempt_finished("success", 0.1)
    stats.upstream("app").connected("ok")
    runtime.endpoints()[0].in_flight = 2
    (told,) = upstreams(runtime, stats, {"app/127.0.0.1:3000": await a_pool(stats)}, lambda: NOW)
    assert (told["name"], told["attempts"], told["connects"]) == ("app", {"success": 1}, {"ok": 1})
    assert told["ejections"] == {}
    assert (told["latency"]["count"], told["latency"]["seconds"]) == (1, 0.1)
    first, second = told["endpoints"]
    assert first == {
        "name": "app/127.0.0.1:3000",
        "weight": 1,
        "in_flight": 2,
        "takes_attempts": True,
        "down": False,
        "why_down": "",
        "drained": False,
        "ejection": first["ejection"],
        "pool": {"in_use": 0, "idle": 0, "waiting": 0, "connecting": 0},
    }
    assert second["pool"] == first["pool"]


def test_an_endpoint_that_is_drained_or_ejected_says_so() -> None:
    stats = Stats()
    runtime = built(stats)
    upstream = runtime.upstreams["app"]
    upstream.ejection = Ejection(EjectionSpec(consecutive_failures=1, base=30.0), upstream.observer)
    drained, ejected = upstream.endpoints
    upstream.settle(NOW, ejected, Outcome.FAILURE, NOW)
    drained.drained = True
    (told,) = upstreams(runtime, stats, {}, lambda: NOW + 10.0)
    one, two = told["endpoints"]
    assert (one["takes_attempts"], one["drained"], one["ejection"]["state"]) == (False, True, "available")
    assert (two["takes_attempts"], two["drained"], two["ejection"]["state"]) == (False, False, "ejected")
    assert two["ejection"]["seconds_left"] == 20.0
    assert told["ejections"] == {two["name"]: 1}


def test_connections_are_told_by_side_and_state() -> None:
    stats = Stats()
    stats.downstream_connections.active = 1
    stats.upstream_connections.idle = 2
    assert connections(stats) == {"downstream": {"active": 1, "idle": 0}, "upstream": {"active": 0, "idle": 2}}


def test_a_breaker_that_is_not_closed_says_what_opened_it_and_not_what_a_probe_met() -> None:
    events = Events()
    app, other = BreakerStats("upstream.app", events), BreakerStats("upstream.other", events)
    app.transition("closed", "open", "an earlier one")
    app.transition("half_open", "closed", "3 probes succeeded")
    app.transition("closed", "open", "6 of 10 attempts failed within 10s")
    app.transition("open", "half_open", "30s are over")
    app.transition("half_open", "open", "a probe failed")
    other.transition("half_open", "open", "a probe failed")
    events.tell("command", "upstream.app", "POST /breakers/…/auto", {"verb": "auto"})
    causes = causes_of_opening(events.recent)
    assert causes == {"upstream.app": "6 of 10 attempts failed within 10s"}
    part = {"breakers": {"upstream.app": {"state": "open"}, "upstream.other": {"state": "open"}}}
    assert with_causes(part, causes)["breakers"] == {
        "upstream.app": {"state": "open", "why_open": "6 of 10 attempts failed within 10s"},
        "upstream.other": {"state": "open", "why_open": ""},
    }
    closed = {"breakers": {"upstream.app": {"state": "closed"}}}
    assert with_causes(closed, causes)["breakers"]["upstream.app"]["why_open"] == ""
    assert with_causes({"routes": []}, causes) == {"routes": []}
