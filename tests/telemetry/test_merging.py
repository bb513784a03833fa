"""Several processes are counted as one: nothing is lost, nothing is counted twice, no counter goes down."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parse_text

from sidecar.model.reason import Reason
from sidecar.telemetry.merging import CHOICES, COUNTERS, KINDS, OWN, SHARED_READINGS, SIDES, Merged, dump
from sidecar.telemetry.metrics import _READINGS, Metrics
from sidecar.telemetry.stats import Stats, breaker_state_readings, bucket
from tests.doubles.exposition import rendered

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
Act = Callable[[Stats], object]

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def exposed(body: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse_text(body.decode())
        for sample in family.samples
    }


def ours(merged: Merged) -> Samples:
    """What is exposed of the instance, without the figures of this process itself."""
    found = exposed(b"".join(merged.exposition({}, "")[0]))
    return {key: value for key, value in found.items() if key[0].startswith("sidecar_")}


def value(merged: Merged, name: str, **labels: str) -> float:
    return ours(merged)[f"sidecar_{name}", frozenset(labels.items())]


def worker() -> Stats:
    """The stats of a process that knows its rules and has counted nothing."""
    stats = Stats()
    for route in ("a", "b"):
        stats.route(route)
    stats.upstream("app")
    stats.breaker("upstream.app")
    stats.listener("public")
    return stats


def seen(merged: Merged, slot: int, stats: Stats) -> None:
    merged.update(slot, pickle.loads(pickle.dumps(dump(stats))))


def finish(route: str, status: int, eighths: int) -> Act:
    def act(stats: Stats) -> None:
        stats.route(route).started()
        stats.route(route).finished(b"GET", status, eighths / 8, b"", False)  # sums of eighths are exact in any order

    return act


def add_to(name: str) -> Act:
    return lambda stats: setattr(stats, name, getattr(stats, name) + 1)


acts = st.one_of(
    st.builds(finish, st.sampled_from("ab"), st.sampled_from([200, 503, 999]), st.integers(0, 800)),
    st.sampled_from(
        [
            lambda stats: stats.route("a").started(),
            lambda stats: stats.unrouted.rejected("", Reason.NO_ROUTE),
            lambda stats: stats.route("a").rejected("a/limit", Reason.RATE_LIMITED),
            lambda stats: stats.route("b").shadow_rejected("b/limit", Reason.RATE_LIMITED),
            lambda stats: stats.route("b").retried("reset"),
            lambda stats: stats.route("b").retry_skipped("budget"),
            lambda stats: stats.route("b").fell_back("stale", "timeout"),
            lambda stats: stats.upstream("app").attempt_finished("success", 0.25),
            lambda stats: stats.upstream("app").connected("ok"),
            lambda stats: stats.upstream("app").ejected("app/127.0.0.1:1", 1.0),
            lambda stats: stats.breaker("upstream.app").transition("closed", "open", "test"),
            lambda stats: stats.listener("public").announced("ok"),
            lambda stats: stats.listener("public").handshake("ok", 0.25),
            lambda stats: stats.listener("public").handshake("left", 0.25),
            *map(add_to, COUNTERS),
        ]
    ),
)


@given(st.lists(st.tuples(st.integers(0, 2), acts)))
def test_the_sum_of_the_parts_is_the_whole(done: list[tuple[int, Act]]) -> None:
    parts, whole, merged = [worker() for _ in range(3)], worker(), Merged(Stats())
    for slot, act in done:
        act(parts[slot])
        act(whole)
    for slot, part in enumerate(parts):
        seen(merged, slot, part)
    assert ours(merged) == {
        key: value
        for key, value in exposed(rendered(Metrics(whole, {}), "")[0]).items()
        if key[0].startswith("sidecar_")
    }


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["act", "look", "die"]), acts), max_size=40))
def test_no_counter_goes_down_when_a_worker_dies(life: list[tuple[int, str, Act]]) -> None:
    parts, merged, before = [worker() for _ in range(3)], Merged(Stats()), Samples()
    for slot, what, act in life:
        if what == "act":
            act(parts[slot])
        elif what == "look":
            seen(merged, slot, parts[slot])
        else:
            merged.lost(slot)
            parts[slot] = worker()
        found = ours(merged)
        for key, count in before.items():
            if key[0].endswith(("_total", "_bucket", "_sum", "_count")):
                assert found.get(key, 0.0) >= count, key
        before = found


def test_what_is_true_now_only_is_gone_with_its_process() -> None:
    merged, one, other = Merged(Stats()), worker(), worker()
    for stats in (one, other):
        stats.route("a").started()
        stats.downstream_connections.active = 2
        stats.upstream_connections.idle = 1
        stats.memory_resident = 100
        stats.readings = lambda: [("retry_budget_available", ("app",), 2.5), ("held_requests", ("app",), 3)]
    seen(merged, 0, one)
    seen(merged, 1, other)
    assert value(merged, "requests_in_flight", route="a") == 2
    assert value(merged, "connections", side="downstream", state="active") == 4
    assert value(merged, "connections", side="upstream", state="idle") == 2
    assert value(merged, "retry_budget_available", upstream="app") == 5
    assert value(merged, "held_requests", upstream="app") == 6
    merged.lost(0)
    merged.lost(0)
    assert value(merged, "requests_in_flight", route="a") == 1
    assert value(merged, "connections", side="downstream", state="active") == 2
    assert value(merged, "retry_budget_available", upstream="app") == 2.5
    assert merged.stats().memory_resident == 100


def test_what_every_worker_shows_of_the_instance_is_taken_once_and_from_one_look() -> None:
    merged, one, other = Merged(Stats()), worker(), worker()
    one.readings = lambda: [*breaker_state_readings("upstream.app", "open"), ("concurrency_in_flight", ("a",), 5)]
    other.readings = lambda: [
        *breaker_state_readings("upstream.app", "half_open"),
        ("concurrency_in_flight", ("a",), 6),
        ("concurrency_limit", ("a",), 9),
    ]
    seen(merged, 0, one)
    seen(merged, 1, other)
    assert value(merged, "concurrency_in_flight", route="a") == 6
    states = [value(merged, "breaker_state", breaker="upstream.app", state=one) for one in ("open", "half_open")]
    assert states == [0, 1]
    seen(merged, 0, one)
    assert value(merged, "concurrency_in_flight", route="a") == 5


def test_two_machines_of_one_place_in_each_of_two_workers_are_one_sample() -> None:
    merged, stats = Merged(Stats()), worker()
    stats.readings = lambda: [("held_requests", ("app",), 1), ("held_requests", ("app",), 2)]
    seen(merged, 0, stats)
    seen(merged, 1, stats)
    assert value(merged, "held_requests", upstream="app") == 6


def test_an_endpoint_is_available_when_any_worker_says_so() -> None:
    merged, one, other = Merged(Stats()), worker(), worker()
    one.endpoint_availability = lambda: [("app", "x", False), ("app", "y", False)]
    other.endpoint_availability = lambda: [("app", "x", True), ("app", "y", False)]
    seen(merged, 0, one)
    seen(merged, 1, other)
    assert value(merged, "endpoint_available", upstream="app", endpoint="x") == 1
    assert value(merged, "endpoint_available", upstream="app", endpoint="y") == 0


def test_the_supervisor_alone_knows_of_reloads_and_workers() -> None:
    own, restarted = Stats(), worker()
    own.config_generation, own.config_hash, own.config_reloaded_at = 7, "abc", 5.0
    own.config_reloads["reloaded"] = 6
    own.workers_up, own.worker_restarts = {0: True, 1: False}, 2
    restarted.config_generation, restarted.config_hash = 1, "abc"
    merged = Merged(own)
    seen(merged, 0, restarted)
    assert value(merged, "config_generation") == 7
    assert value(merged, "config_info", hash="abc") == 1
    assert value(merged, "config_reloads_total", result="reloaded") == 6
    assert value(merged, "worker_up", worker="1") == 0
    assert value(merged, "worker_restarts_total") == 2


def test_the_instance_lags_with_its_latest_and_drains_with_its_last() -> None:
    own = Stats()
    merged, one, other = Merged(own), worker(), worker()
    assert merged.stats().drain_phase == 0
    assert merged.stats().accepting
    assert merged.stats().memory_limit is None
    one.loop_lag, one.drain_phase, one.accepting, one.memory_limit = 0.5, 2, False, 100
    other.loop_lag, other.drain_phase, other.accepting, other.memory_limit = 0.1, 1, True, 100
    seen(merged, 0, one)
    seen(merged, 1, other)
    stats = merged.stats()
    assert (stats.loop_lag, stats.drain_phase, stats.accepting, stats.memory_limit) == (0.5, 1, True, 200)
    own.drain_phase = 3
    assert merged.stats().drain_phase == 3


def test_a_route_that_no_worker_knows_any_more_is_forgotten() -> None:
    merged, gone, left = Merged(Stats()), worker(), worker()
    finish("old", 200, 1)(gone)
    seen(merged, 0, gone)
    seen(merged, 1, left)
    assert "old" in merged.stats().routes
    merged.lost(0)
    assert list(merged.stats().routes) == ["a", "b"]
    seen(merged, 0, worker())
    assert list(merged.stats().routes) == ["a", "b"]


def test_the_counts_of_the_last_worker_are_shown_until_the_next_one_tells() -> None:
    merged, stats = Merged(Stats()), worker()
    finish("a", 200, 1)(stats)
    seen(merged, 0, stats)
    merged.lost(0)
    assert value(merged, "requests_total", route="a", method="GET", status="200") == 1
    seen(merged, 0, worker())
    assert value(merged, "requests_total", route="a", method="GET", status="200") == 1


def traced(stats: Stats, trace_id: bytes, sampled: bool) -> None:
    stats.route("a").started()
    stats.route("a").finished(b"GET", 200, 0.125, trace_id, sampled)


def test_the_example_of_a_bucket_is_any_worker_s_and_a_sampled_one_first() -> None:
    merged, one, other = Merged(Stats()), worker(), worker()
    traced(one, b"1" * 32, True)
    traced(other, b"2" * 32, False)
    seen(merged, 0, one)
    seen(merged, 1, other)
    place = bucket(0.125)
    assert merged.stats().route("a").exemplars == {place: (b"1" * 32, 0.125, True)}
    merged.lost(0)
    assert merged.stats().route("a").exemplars == {place: (b"1" * 32, 0.125, True)}
    traced(other, b"3" * 32, True)
    seen(merged, 1, other)
    assert merged.stats().route("a").exemplars == {place: (b"3" * 32, 0.125, True)}
    assert f'# {{trace_id="{"3" * 32}"}} 0.125'.encode() in b"".join(merged.exposition({}, OPENMETRICS)[0])


def test_the_drain_ends_when_the_supervisor_s_does() -> None:
    own, one = Stats(), worker()
    merged = Merged(own)
    one.drain_deadline = 5.0
    seen(merged, 0, one)
    assert merged.stats().drain_deadline is None
    own.drain_deadline = 7.0
    assert merged.stats().drain_deadline == 7.0


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="the system does not tell")
def test_the_workers_memory_and_time_are_the_instances() -> None:
    merged = Merged(Stats())
    told = {**dump(worker()), "process": {"process_cpu_seconds_total": 1e6, "process_resident_memory_bytes": 2.0**50}}
    merged.update(0, told)
    found = exposed(b"".join(merged.exposition({}, "")[0]))
    assert found["process_cpu_seconds_total", frozenset()] >= 1e6
    assert found["process_resident_memory_bytes", frozenset()] > 2.0**50
    merged.lost(0)
    found = exposed(b"".join(merged.exposition({}, "")[0]))
    assert found["process_cpu_seconds_total", frozenset()] >= 1e6
    assert found["process_resident_memory_bytes", frozenset()] < 2.0**50
    assert found["process_start_time_seconds", frozenset()] > 0


def test_routes_without_counts_cost_a_dump_no_more_than_their_names() -> None:
    told = dump(worker())
    assert told["routes"] == {"a": {}, "b": {}}
    assert told["upstreams"] == {"app": {}}
    assert told["unrouted"] == {}


def test_a_dump_does_not_follow_what_is_counted_later() -> None:
    stats = worker()
    finish("a", 200, 1)(stats)
    told = dump(stats)
    finish("a", 200, 1)(stats)
    assert told["routes"]["a"]["requests"] == {(b"GET", 200): 1}
    assert sum(told["routes"]["a"]["buckets"]) == 1


def test_every_figure_and_every_reading_is_classified_once() -> None:
    structure = (*KINDS, "unrouted", "endpoint_availability", "readings")
    assert sorted([*structure, *COUNTERS, *CHOICES, *OWN, *SIDES]) == sorted(Stats.__slots__)
    assert set(SHARED_READINGS) == {name for name, *_ in _READINGS}


def test_a_dump_that_was_begun_before_the_last_is_not_listened_to() -> None:
    stats = worker()
    older = dump(stats)
    merged = Merged(Stats())
    merged.update(0, {**dump(stats), "made": older["made"] + 1.0, "counters": dict.fromkeys(COUNTERS, 5)})
    merged.update(0, older)
    assert merged.stats().log_dropped == 5
