"""An observer by itself hears everything and keeps nothing."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from sidecar.model.observer import BreakerObserver, RouteObserver, UpstreamObserver
from sidecar.model.reason import Reason

TOLD: dict[str, tuple[Any, ...]] = {
    "started": (),
    "finished": (b"GET", 200, 0.1, b"", False),
    "rejected": ("rule", Reason.NO_ROUTE),
    "shadow_rejected": ("rule", Reason.RATE_LIMITED),
    "retried": ("reset",),
    "retry_skipped": ("budget",),
    "fell_back": ("static", "circuit_open"),
    "attempt_finished": ("success", 0.1),
    "connected": ("ok",),
    "ejected": ("app/127.0.0.1:80", 30.0),
    "readmitted": ("app/127.0.0.1:80",),
    "checked": ("app/127.0.0.1:80", "success"),
    "health_changed": ("app/127.0.0.1:80", True, "status 200", False),
    "hold_counted": ("held",),
    "hold_began": (),
    "hold_ended": (37, 1.8),
    "transition": ("closed", "open", "6 of 10 attempts failed"),
}


@pytest.mark.parametrize("kind", [RouteObserver, UpstreamObserver, BreakerObserver])
def test_it_takes_every_call_and_answers_nothing(kind: type) -> None:
    observer = kind()
    names = [name for name, value in vars(kind).items() if callable(value) and not name.startswith("_")]
    assert names
    for name in names:
        assert getattr(observer, name)(*TOLD[name]) is None
    assert not hasattr(observer, "__dict__")
    assert inspect.getdoc(kind)
