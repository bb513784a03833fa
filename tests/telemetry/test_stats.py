"""What is counted adds up, and nobody outside can make the table of counts grow."""

from __future__ import annotations

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.telemetry.stats import BOUNDS, KNOWN_METHODS, OTHER_METHOD, OTHER_STATUS, RouteStats, Stats, UpstreamStats


def test_stats_are_observers() -> None:
    stats = Stats()
    route: RouteObserver = stats.route("a")
    upstream: UpstreamObserver = stats.upstream("app")
    assert (route, upstream) == (stats.routes["a"], stats.upstreams["app"])


def test_one_name_has_one_object() -> None:
    stats = Stats()
    assert stats.route("a") is stats.route("a")
    assert stats.route("a") is not stats.route("b")
    assert stats.upstream("a") is stats.upstream("a")


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
        stats.finished(method, status, seconds)
    assert stats.in_flight == 0
    assert sum(stats.requests.values()) == sum(stats.buckets) == len(exchanges)
    assert stats.seconds == pytest.approx(sum(seconds for _, _, seconds in exchanges))
    for index in range(len(stats.buckets)):
        assert stats.buckets[index] == sum(bisect_left(BOUNDS, seconds) == index for _, _, seconds in exchanges)
    for method, status in stats.requests:
        assert method in KNOWN_METHODS or method == OTHER_METHOD
        assert 100 <= status <= 599 or status == OTHER_STATUS


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_bound_belongs_to_the_bucket_that_it_closes(bound: float) -> None:
    stats = RouteStats()
    stats.started()
    stats.finished(b"GET", 200, bound)
    assert stats.buckets.index(1) == BOUNDS.index(bound)


def test_what_takes_longer_than_the_last_bound_is_counted_too() -> None:
    stats = RouteStats()
    stats.started()
    stats.finished(b"GET", 200, 61.0)
    assert stats.buckets[-1] == 1


def test_an_exchange_under_way_is_in_flight() -> None:
    stats = RouteStats()
    stats.started()
    stats.started()
    stats.finished(b"GET", 200, 0.1)
    assert stats.in_flight == 1


def test_invented_methods_share_one_count() -> None:
    stats = RouteStats()
    for method in (b"BREW", b"WHEN", b"BREW"):
        stats.started()
        stats.finished(method, 200, 0.1)
    assert stats.requests == {(OTHER_METHOD, 200): 3}


def test_refusals_and_retries_are_counted_by_cause() -> None:
    stats = RouteStats()
    stats.rejected("login/per-client", Reason.RATE_LIMITED)
    stats.rejected("login/per-client", Reason.RATE_LIMITED)
    stats.rejected("", Reason.NO_ENDPOINT)
    stats.retried(Cause.RESET.value)
    assert stats.rejections == {("login/per-client", "rate_limited"): 2, ("", "no_endpoint"): 1}
    assert stats.retries == {"reset": 1}


def test_attempts_and_connects_are_counted_by_result() -> None:
    stats = UpstreamStats()
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
    busy.started()
    stats.keep_only(["kept"], ["app"])
    assert stats.routes == {"busy": busy, "kept": kept}
    assert stats.upstreams == {"app": app}
    busy.finished(b"GET", 200, 0.1)
    stats.keep_only(["kept"], ["app"])
    assert stats.routes == {"kept": kept}
