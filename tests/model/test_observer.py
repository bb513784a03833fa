"""The null observers satisfy the protocols and keep nothing."""

from __future__ import annotations

from sidecar.model.observer import (
    NullRouteObserver,
    NullUpstreamObserver,
    RouteObserver,
    UpstreamObserver,
)
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason


def test_the_null_route_observer_hears_everything_and_keeps_nothing() -> None:
    observer: RouteObserver = NullRouteObserver()
    observer.started()
    observer.finished(b"GET", 200, 0.1)
    observer.rejected("rule", Reason.NO_ROUTE)
    observer.retried(Cause.STALE.value)
    assert not hasattr(observer, "__dict__")


def test_the_null_upstream_observer_hears_everything_and_keeps_nothing() -> None:
    observer: UpstreamObserver = NullUpstreamObserver()
    observer.attempt_finished("success", 0.1)
    observer.connected("ok")
    assert not hasattr(observer, "__dict__")
