"""What is counted adds up, and nobody outside can make the table of counts grow."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.telemetry.events import Events
from sidecar.telemetry.stats import (
    BOUNDS,
    KNOWN_METHODS,
    KNOWN_STATUSES,
    MAX_CHECKED,
    MAX_EJECTED,
    OTHER_METHOD,
    OTHER_STATUS,
    BreakerStats,
    RouteStats,
    Stats,
    UpstreamStats,
)


def test_stats_are_observers() -> None:
    stats = Stats()
    route: RouteObserver = stats.route("a")
    upstream: UpstreamObserver = stats.upstream("app")
    breaker: BreakerObserver = stats.breaker("upstream.app")
    assert (route, upstream) == (stats.routes["a"], stats.upstreams["app"])
    assert breaker is stats.breakers["upstream.app"]


def test_one_name_has_one_object() -> None:
    stats = Stats()
    assert stats.route("a") is stats.route("a")
    assert stats.route("a") is not stats.route("b")
    assert stats.upstream("a") is stats.upstream("a")
    assert stats.breaker("upstream.a") is stats.breaker("upstream.a")


def test_bounds_rise() -> None:
    assert list(BOUNDS) == sorted(set(BOUNDS))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"GET", b"POST", b"BREW", b"get"]),
            st.integers(min_value=0, max_value=999),
            st.floats(min_value=0, max_value=1000),
        )
    )
)
def test_every_exchange_is_counted_once_everywhere(exchanges: list[tuple[bytes, int, float]]) -> None:
    stats = RouteStats()
    for method, status, seconds in exchanges:
        stats.started()
        stats.finished(method, status, seconds, b"", False)
    assert stats.in_flight == 0
    assert sum(stats.requests.values()) == sum(stats.buckets) == len(exchanges)
    assert stats.seconds == pytest.approx(sum(seconds for _, _, seconds in exchanges))
    for index in range(len(stats.buckets)):
        assert stats.buckets[index] == sum(bisect_left(BOUNDS, seconds) == index for _, _, seconds in exchanges)
    for method, status in stats.requests:
        assert method in KNOWN_METHODS or method == OTHER_METHOD
        assert status in KNOWN_STATUSES or 1 <= status <= 5 or status == OTHER_STATUS


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_bound_belongs_to_the_bucket_that_it_closes(bound: float) -> None:
    stats = RouteStats()
    stats.started()
    stats.finished(b"GET", 200, bound, b"", False)
    assert stats.buckets.index(1) == BOUNDS.index(bound)


def test_what_takes_longer_than_the_last_bound_is_counted_too() -> None:
    stats = RouteStats()
    stats.started()
    stats.finished(b"GET", 200, 61.0, b"", False)
    assert stats.buckets[-1] == 1


TRACE, OTHER = b"4bf92f3577b34da6a3ce929d0e0e4736", b"0af7651916cd43dd8448eb211c80319c"


def ended(stats: RouteStats, seconds: float, trace_id: bytes, sampled: bool = False) -> None:
    stats.started()
    stats.finished(b"GET", 200, seconds, trace_id, sampled)


def test_each_bucket_remembers_the_last_trace_that_fell_into_it() -> None:
    stats = RouteStats()
    ended(stats, 0.0001, TRACE)
    ended(stats, 61.0, TRACE)
    ended(stats, 62.0, OTHER)
    assert stats.exemplars == {0: (TRACE, 0.0001, False), len(BOUNDS): (OTHER, 62.0, False)}


def test_a_sampled_trace_stays_until_another_sampled_one_comes() -> None:
    stats = RouteStats()
    ended(stats, 0.0001, OTHER)
    ended(stats, 0.0002, TRACE, sampled=True)
    ended(stats, 0.0003, OTHER)
    assert stats.exemplars == {0: (TRACE, 0.0002, True)}
    ended(stats, 0.0004, OTHER, sampled=True)
    assert stats.exemplars == {0: (OTHER, 0.0004, True)}


def test_an_exchange_without_a_trace_is_nobody_s_example() -> None:
    stats = RouteStats()
    ended(stats, 0.0001, TRACE)
    ended(stats, 0.0002, b"")
    ended(stats, 0.1, b"", sampled=True)
    assert stats.exemplars == {0: (TRACE, 0.0001, False)}


def test_an_exchange_under_way_is_in_flight() -> None:
    stats = RouteStats()
    stats.started()
    stats.started()
    stats.finished(b"GET", 200, 0.1, b"", False)
    assert stats.in_flight == 1


def test_invented_methods_share_one_count() -> None:
    stats = RouteStats()
    for method in (b"BREW", b"WHEN", b"BREW"):
        stats.started()
        stats.finished(method, 200, 0.1, b"", False)
    assert stats.requests == {(OTHER_METHOD, 200): 3}


def test_unregistered_statuses_share_the_count_of_their_class() -> None:
    stats = RouteStats()
    for status in (200, 299, 298, 499, 480, 599, 99, 600, 0, -1):
        stats.started()
        stats.finished(b"GET", status, 0.1, b"", False)
    counts = {status: count for (_method, status), count in stats.requests.items()}
    assert counts == {200: 1, 2: 2, 499: 1, 4: 1, 5: 1, OTHER_STATUS: 4}


def test_refusals_and_retries_are_counted_by_cause() -> None:
    stats = RouteStats()
    stats.rejected("login/per-client", Reason.RATE_LIMITED)
    stats.rejected("login/per-client", Reason.RATE_LIMITED)
    stats.rejected("", Reason.NO_ENDPOINT)
    stats.retried(Cause.RESET.value)
    assert stats.rejections == {("login/per-client", "rate_limited"): 2, ("", "no_endpoint"): 1}
    assert stats.retries == {"reset": 1}


def test_attempts_and_connects_are_counted_by_result() -> None:
    stats = UpstreamStats("app", Events())
    stats.attempt_finished("success", 0.002)
    stats.attempt_finished("5xx", 0.3)
    stats.attempt_finished("success", 0.0001)
    stats.connected("ok")
    stats.connected("connect_failure")
    assert stats.attempts == {"success": 2, "5xx": 1}
    assert sum(stats.buckets) == 3
    assert stats.buckets[0] == 1
    assert stats.seconds == pytest.approx(0.3021)
    assert stats.connects == {"ok": 1, "connect_failure": 1}


def test_names_that_left_the_rules_are_forgotten_once_nothing_is_in_flight() -> None:
    stats = Stats()
    busy, kept = stats.route("busy"), stats.route("kept")
    stats.route("gone")
    stats.upstream("gone")
    app = stats.upstream("app")
    stats.breaker("upstream.gone")
    breaker = stats.breaker("upstream.app")
    stats.listener("gone")
    public = stats.listener("public")
    busy.started()
    stats.keep_only(["kept"], ["app"], ["upstream.app"], ["public"])
    assert stats.listeners == {"public": public}
    assert stats.routes == {"busy": busy, "kept": kept}
    assert stats.upstreams == {"app": app}
    assert stats.breakers == {"upstream.app": breaker}
    busy.finished(b"GET", 200, 0.1, b"", False)
    stats.keep_only(["kept"], ["app"], [], [])
    assert stats.routes == {"kept": kept}


def test_what_a_shadow_rule_would_have_refused_is_counted_apart() -> None:
    stats = RouteStats()
    stats.shadow_rejected("login/per-client", Reason.RATE_LIMITED)
    stats.shadow_rejected("login/per-client", Reason.RATE_LIMITED)
    assert stats.shadow_rejections == {("login/per-client", "rate_limited"): 2}
    assert stats.rejections == {}


def test_retries_not_made_and_fallbacks_are_counted_by_cause() -> None:
    stats = RouteStats()
    for why in ("budget", "deadline", "budget"):
        stats.retry_skipped(why)
    stats.fell_back("static", "circuit_open")
    stats.fell_back("shadow", "circuit_open")
    stats.fell_back("static", "circuit_open")
    assert stats.retries_skipped == {"budget": 2, "deadline": 1}
    assert stats.fallbacks == {("static", "circuit_open"): 2, ("shadow", "circuit_open"): 1}


def test_an_ejection_is_counted_and_told() -> None:
    events = Events()
    stats = UpstreamStats("app", events)
    stats.ejected("app/127.0.0.1:1", 30.0)
    stats.readmitted("app/127.0.0.1:1")
    stats.ejected("app/127.0.0.1:1", 60.0)
    assert stats.ejections == {"app/127.0.0.1:1": 2}
    assert [(one.kind, one.subject) for one in events.recent] == [
        ("ejected", "app/127.0.0.1:1"),
        ("readmitted", "app/127.0.0.1:1"),
        ("ejected", "app/127.0.0.1:1"),
    ]
    assert events.recent[2].fields == {"upstream": "app", "seconds": 60.0}


def test_holding_is_counted_by_request_and_told_when_it_begins_and_when_it_ends() -> None:
    events = Events()
    stats = UpstreamStats("app", events)
    for result in ("held", "held", "timed_out"):
        stats.hold_counted(result)
    stats.hold_began()
    stats.hold_ended(37, 1.84)
    stats.hold_ended(1, 0.2)
    assert stats.hold == {"held": 2, "timed_out": 1}
    assert [(one.kind, one.subject, one.text) for one in events.recent] == [
        ("hold", "app", "holding: no endpoint of app is available"),
        ("hold", "app", "released 37 held requests after 1.8s"),
        ("hold", "app", "released 1 held request after 0.2s"),
    ]
    assert events.recent[1].fields == {"released": 37, "seconds": 1.84}


def test_endpoints_that_come_and_go_do_not_make_the_counts_grow_for_ever() -> None:
    stats = UpstreamStats("app", Events())
    for number in range(MAX_EJECTED + 10):
        stats.ejected(f"app/{number}", 1.0)
    stats.ejected(f"app/{MAX_EJECTED}", 1.0)
    assert len(stats.ejections) == MAX_EJECTED
    assert "app/9" not in stats.ejections
    assert stats.ejections[f"app/{MAX_EJECTED}"] == 2


def test_checks_are_counted_by_result_and_only_a_change_is_told() -> None:
    events = Events()
    stats = UpstreamStats("app", events)
    stats.checked("app/1", "success")
    stats.checked("app/1", "timeout")
    stats.checked("app/1", "timeout")
    stats.health_changed("app/1", False, "timed out after 1s", False)
    stats.health_changed("app/1", True, "status 200", True)
    assert stats.health_checks == {("app/1", "success"): 1, ("app/1", "timeout"): 2}
    assert [(one.kind, one.subject, one.text) for one in events.recent] == [
        ("health", "app/1", "down: timed out after 1s"),
        ("health", "app/1", "would be up (shadow): status 200"),
    ]
    assert events.recent[0].fields == {"upstream": "app", "to": "down", "why": "timed out after 1s", "shadow": False}


def test_checked_endpoints_that_come_and_go_do_not_make_the_counts_grow_for_ever() -> None:
    stats = UpstreamStats("app", Events())
    for number in range(MAX_CHECKED + 10):
        stats.checked(f"app/{number}", "success")
    assert len(stats.health_checks) == MAX_CHECKED
    assert ("app/9", "success") not in stats.health_checks


def test_a_breaker_s_transitions_are_counted_and_told_with_their_reason() -> None:
    events = Events()
    stats = BreakerStats("upstream.app", events)
    stats.transition("closed", "open", "6 of 10 attempts failed within 10s")
    stats.transition("open", "half_open", "30s are over")
    stats.transition("half_open", "open", "a probe failed")
    assert stats.transitions == {("closed", "open"): 1, ("open", "half_open"): 1, ("half_open", "open"): 1}
    first = events.recent[0]
    assert (first.kind, first.subject) == ("breaker", "upstream.app")
    assert first.text == "closed to open: 6 of 10 attempts failed within 10s"
    assert first.fields == {"from": "closed", "to": "open", "why": "6 of 10 attempts failed within 10s"}


def test_all_stats_tell_one_ring_of_events() -> None:
    events = Events()
    stats = Stats(events)
    stats.upstream("app").readmitted("app/127.0.0.1:1")
    stats.breaker("route.login").transition("open", "closed", "by hand")
    assert [one.subject for one in events.recent] == ["app/127.0.0.1:1", "route.login"]
    assert stats.events is events
