"""The exposition parses in both formats, adds up, and every name in it is documented."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.stats import BREAKER_STATES, Stats, breaker_state_readings
from tests.doubles.exposition import rendered

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROMISED = {
    "sidecar_requests_total": {"route", "method", "status"},
    "sidecar_request_duration_seconds_bucket": {"route", "le"},
    "sidecar_requests_in_flight": {"route"},
    "sidecar_rejections_total": {"route", "rule", "reason"},
    "sidecar_shadow_rejections_total": {"route", "rule", "reason"},
    "sidecar_retries_total": {"route", "reason"},
    "sidecar_retries_skipped_total": {"route", "why"},
    "sidecar_fallbacks_total": {"route", "kind", "cause"},
    "sidecar_attempts_total": {"upstream", "outcome"},
    "sidecar_attempt_duration_seconds_bucket": {"upstream", "le"},
    "sidecar_pool_connects_total": {"upstream", "result"},
    "sidecar_endpoint_available": {"upstream", "endpoint"},
    "sidecar_ejections_total": {"upstream", "endpoint"},
    "sidecar_health_checks_total": {"upstream", "endpoint", "result"},
    "sidecar_hold_requests_total": {"upstream", "result"},
    "sidecar_held_requests": {"upstream"},
    "sidecar_breaker_state": {"breaker", "state"},
    "sidecar_breaker_transitions_total": {"breaker", "from", "to"},
    "sidecar_concurrency_in_flight": {"route"},
    "sidecar_concurrency_limit": {"route"},
    "sidecar_concurrency_queued": {"route"},
    "sidecar_rate_limit_evictions_total": {"route", "rule"},
    "sidecar_retry_budget_available": {"upstream"},
    "sidecar_connections": {"side", "state"},
    "sidecar_connections_gave_way_total": {"listener"},
    "sidecar_proxy_protocol_total": {"listener", "result"},
    "sidecar_tls_handshakes_total": {"listener", "result"},
    "sidecar_tls_handshake_duration_seconds_bucket": {"listener", "le"},
    "sidecar_tls_certificate_expiry_timestamp_seconds": {"owner", "name"},
    "sidecar_config_generation": set(),
    "sidecar_config_reloads_total": {"result"},
    "sidecar_config_last_reload_successful": set(),
    "sidecar_config_last_reload_timestamp_seconds": set(),
    "sidecar_config_info": {"hash"},
    "sidecar_drain_phase": set(),
    "sidecar_drain_cut_requests": set(),
    "sidecar_drain_deadline_timestamp_seconds": set(),
    "sidecar_loop_lag_seconds": set(),
    "sidecar_accepting": set(),
    "sidecar_accept_pauses_total": set(),
    "sidecar_memory_resident_bytes": set(),
    "sidecar_memory_limit_bytes": set(),
    "sidecar_access_log_dropped_total": set(),
    "sidecar_log_dropped_total": set(),
    "sidecar_spans_total": {"result"},
    "sidecar_worker_up": {"worker"},
    "sidecar_worker_restarts_total": set(),
    "sidecar_build_info": {"version"},
}

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def busy() -> Stats:
    """Stats in which every metric has a value."""
    stats = Stats()
    login = stats.route("login")
    for seconds in (0.0004, 0.003, 0.003, 61.0):
        login.started()
        login.finished(b"GET", 200, seconds, TRACE, True)
    login.started()
    login.rejected("login/per-client", Reason.RATE_LIMITED)
    login.shadow_rejected("login/probation", Reason.RATE_LIMITED)
    login.retried(Cause.RESET.value)
    login.retry_skipped("budget")
    login.fell_back("static", "circuit_open")
    stats.unrouted.started()
    stats.unrouted.finished(b"BREW", 999, 0.1, b"", False)
    stats.unrouted.started()
    stats.unrouted.finished(b"GET", 567, 0.1, b"", False)
    app = stats.upstream("app")
    app.attempt_finished("success", 0.01)
    app.connected("ok")
    app.ejected("app/127.0.0.1:2", 30.0)
    app.checked("app/127.0.0.1:2", "timeout")
    app.hold_counted("held")
    app.hold_counted("held")
    stats.breaker("upstream.app").transition("closed", "open", "by hand")
    stats.readings = lambda: [
        *breaker_state_readings("upstream.app", "open"),
        ("concurrency_in_flight", ("login",), 5),
        ("concurrency_limit", ("login",), 6),
        ("concurrency_queued", ("login",), 2),
        ("rate_limit_evictions", ("login", "login/per-client"), 9),
        ("retry_budget_available", ("app",), 12.5),
        ("held_requests", ("app",), 1),
        ("tls_certificate_expiry_timestamp_seconds", ("listener.public", "a.test"), 1e9),
    ]
    stats.listener("public").announced("untrusted")
    stats.listener("public").handshake("ok", 0.02)
    stats.listener("public").handshake("plain_http", 0.001)
    stats.downstream_connections.active = 3
    stats.upstream_connections.idle = 2
    stats.config_generation = 4
    stats.config_hash = "abc"
    stats.config_reloaded_at = 1_700_000_000.0
    stats.config_reloads["reloaded"] = 3
    stats.config_reload_failed = True
    stats.drain_phase = 1
    stats.drain_deadline = 1_700_000_030.5
    stats.loop_lag = 0.25
    stats.access_log_dropped, stats.log_dropped = 7, 3
    stats.spans_exported, stats.spans_failed, stats.spans_dropped = 40, 3, 2
    stats.accepting = False
    stats.accept_pauses = 4
    stats.memory_resident = 50 << 20
    stats.memory_limit = 64 << 20
    stats.worker_restarts = 3
    stats.workers_up = {0: True, 1: False}
    stats.endpoint_availability = lambda: [("app", "app/127.0.0.1:1", True), ("app", "app/127.0.0.1:2", False)]
    return stats


def exposed(stats: Stats, accept: str = "") -> list[Metric]:
    """What a scraper reads."""
    body, _ = rendered(Metrics(stats, {"version": "1.2.3"}), accept)
    families: Iterable[Metric] = (parse_openmetrics if accept else parse_text)(body.decode())
    return list(families)


def samples(stats: Stats, accept: str = "") -> Samples:
    """Every sample by name and labels; two with the same would be a fault of the exposition."""
    found: Samples = {}
    for family in exposed(stats, accept):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def value(found: Samples, name: str, /, **labels: str) -> float:
    return found[f"sidecar_{name}", frozenset(labels.items())]


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_every_count_is_exposed_with_its_labels(accept: str) -> None:
    found = samples(busy(), accept)
    assert value(found, "requests_total", route="login", method="GET", status="200") == 4
    assert value(found, "requests_total", route="-", method="OTHER", status="other") == 1
    assert value(found, "requests_total", route="-", method="GET", status="5xx") == 1
    assert value(found, "requests_in_flight", route="login") == 1
    assert value(found, "rejections_total", route="login", rule="login/per-client", reason="rate_limited") == 1
    assert value(found, "shadow_rejections_total", route="login", rule="login/probation", reason="rate_limited") == 1
    assert value(found, "retries_total", route="login", reason="reset") == 1
    assert value(found, "retries_skipped_total", route="login", why="budget") == 1
    assert value(found, "fallbacks_total", route="login", kind="static", cause="circuit_open") == 1
    assert value(found, "attempts_total", upstream="app", outcome="success") == 1
    assert value(found, "pool_connects_total", upstream="app", result="ok") == 1
    assert value(found, "connections", side="downstream", state="active") == 3
    assert value(found, "connections", side="upstream", state="idle") == 2
    assert value(found, "endpoint_available", upstream="app", endpoint="app/127.0.0.1:1") == 1
    assert value(found, "endpoint_available", upstream="app", endpoint="app/127.0.0.1:2") == 0
    assert value(found, "ejections_total", upstream="app", endpoint="app/127.0.0.1:2") == 1
    assert value(found, "health_checks_total", upstream="app", endpoint="app/127.0.0.1:2", result="timeout") == 1
    assert value(found, "hold_requests_total", upstream="app", result="held") == 2
    assert value(found, "held_requests", upstream="app") == 1
    transition = {"breaker": "upstream.app", "from": "closed", "to": "open"}
    assert value(found, "breaker_transitions_total", **transition) == 1
    states = {state: value(found, "breaker_state", breaker="upstream.app", state=state) for state in BREAKER_STATES}
    assert states == {"closed": 0, "open": 1, "half_open": 0}
    assert value(found, "concurrency_in_flight", route="login") == 5
    assert value(found, "concurrency_limit", route="login") == 6
    assert value(found, "concurrency_queued", route="login") == 2
    assert value(found, "rate_limit_evictions_total", route="login", rule="login/per-client") == 9
    assert value(found, "retry_budget_available", upstream="app") == 12.5
    assert value(found, "proxy_protocol_total", listener="public", result="untrusted") == 1
    assert value(found, "tls_handshakes_total", listener="public", result="ok") == 1
    assert value(found, "tls_handshakes_total", listener="public", result="plain_http") == 1
    assert value(found, "tls_handshake_duration_seconds_count", listener="public") == 1
    assert value(found, "tls_certificate_expiry_timestamp_seconds", owner="listener.public", name="a.test") == 1e9
    assert value(found, "config_generation") == 4
    assert value(found, "config_info", hash="abc") == 1
    assert value(found, "config_last_reload_timestamp_seconds") == 1_700_000_000
    assert value(found, "config_reloads_total", result="reloaded") == 3
    assert value(found, "config_last_reload_successful") == 0
    assert value(found, "drain_phase") == 1
    assert value(found, "drain_deadline_timestamp_seconds") == 1_700_000_030.5
    assert value(found, "loop_lag_seconds") == 0.25
    assert value(found, "access_log_dropped_total") == 7
    assert value(found, "log_dropped_total") == 3
    for result, count in (("exported", 40), ("failed", 3), ("dropped", 2)):
        assert value(found, "spans_total", result=result) == count
    assert value(found, "accepting") == 0
    assert value(found, "accept_pauses_total") == 4
    assert value(found, "memory_resident_bytes") == 50 << 20
    assert value(found, "memory_limit_bytes") == 64 << 20
    assert value(found, "worker_up", worker="0") == 1
    assert value(found, "worker_up", worker="1") == 0
    assert value(found, "worker_restarts_total") == 3
    assert value(found, "build_info", version="1.2.3") == 1


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_names_and_labels_are_those_promised(accept: str) -> None:
    found = samples(busy(), accept)
    labels: dict[str, set[str]] = {}
    for name, pairs in found:
        if name.startswith("sidecar_") and not name.endswith(("_sum", "_count")):
            labels.setdefault(name, {label for label, _ in pairs})
    assert labels == PROMISED


@given(st.lists(st.floats(min_value=0, max_value=100)))
def test_a_histogram_adds_up(durations: list[float]) -> None:
    stats = Stats()
    for seconds in durations:
        stats.route("a").started()
        stats.route("a").finished(b"GET", 200, seconds, b"", False)
    stats.route("a")
    found = samples(stats)
    buckets = {
        float(dict(labels)["le"]): count
        for (name, labels), count in found.items()
        if name == "sidecar_request_duration_seconds_bucket" and dict(labels)["route"] == "a"
    }
    for bound, count in buckets.items():
        assert count == sum(seconds <= bound for seconds in durations)
    assert value(found, "request_duration_seconds_count", route="a") == buckets[float("inf")] == len(durations)
    assert value(found, "request_duration_seconds_sum", route="a") == pytest.approx(sum(durations))


def test_the_format_is_the_one_asked_for() -> None:
    metrics = Metrics(Stats(), {})
    body, kind = rendered(metrics, "*/*")
    assert kind.startswith("text/plain; version=")
    assert not body.endswith(b"# EOF\n")
    body, kind = rendered(metrics, f"{OPENMETRICS},text/plain;q=0.5")
    assert kind.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_a_scrape_reads_the_counts_of_its_moment() -> None:
    stats = Stats()
    metrics = Metrics(stats, {})
    assert b"sidecar_config_generation 0.0" in rendered(metrics, "")[0]
    stats.config_generation = 2
    assert b"sidecar_config_generation 2.0" in rendered(metrics, "")[0]


def test_what_has_no_end_or_no_bound_is_absent() -> None:
    names = {name for name, _ in samples(Stats())}
    assert not names & {"sidecar_drain_deadline_timestamp_seconds", "sidecar_memory_limit_bytes"}


def test_a_process_that_is_the_instance_tells_of_no_workers() -> None:
    assert b"worker" not in rendered(Metrics(Stats(), {}), "")[0]


def test_two_registries_do_not_disturb_each_other() -> None:
    one, two = Metrics(Stats(), {}), Metrics(busy(), {})
    assert b'route="login"' not in rendered(one, "")[0]
    assert b'route="login"' in rendered(two, "")[0]


def test_two_machines_of_one_place_are_one_sample() -> None:
    stats = Stats()
    stats.readings = lambda: [("concurrency_queued", ("a",), 2), ("concurrency_queued", ("a",), 3)]
    assert value(samples(stats), "concurrency_queued", route="a") == 5


def test_names_of_any_spelling_stay_inside_their_quotes() -> None:
    stats = Stats()
    stats.route("a").rejected('x"\n} 1', Reason.OVERLOADED)
    assert value(samples(stats), "rejections_total", route="a", rule='x"\n} 1', reason="overloaded") == 1


def test_every_family_says_what_it_is() -> None:
    for family in exposed(busy()):
        assert family.documentation, family.name
        assert family.type != "unknown", family.name


def test_every_metric_is_in_the_docs_and_no_other() -> None:
    text = DOCS.read_text()
    exported = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples(busy()) if name.startswith("sidecar_")}
    documented = set(re.findall(r"^\| `(sidecar_\w+)", text, flags=re.MULTILINE))
    assert documented == exported
    for name, labels in PROMISED.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name.removesuffix('_bucket')}"))
        assert all(f"`{label}`" in row for label in labels - {"le"}), name
