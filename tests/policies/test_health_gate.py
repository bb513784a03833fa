"""What health checks, ejection, slow start and hold may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.health_gate import MAX_WORDS, EjectionSpec, HealthCheckSpec, HoldSpec, SlowStart
from tests.policies.specs import refused, taken


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (HealthCheckSpec, {}, "path", "is missing"),
        (HealthCheckSpec, {"path": "/", "tcp": True}, "tcp", "exclude"),
        (HealthCheckSpec, {"path": "x"}, "path", "begin with /"),
        (HealthCheckSpec, {"path": "/a b"}, "path", "space"),
        (HealthCheckSpec, {"path": "/", "expect": "x"}, "expect", "goes with `tcp: true`"),
        (HealthCheckSpec, {"tcp": True, "send": "x"}, "send", "proves nothing"),
        (HealthCheckSpec, {"tcp": True, "expect": ""}, "expect", "is empty"),
        (HealthCheckSpec, {"tcp": True, "expect": "\u20ac"}, "expect", "no single byte"),
        (HealthCheckSpec, {"tcp": True, "expect": "x" * (MAX_WORDS + 1)}, "expect", "longer than 64 KiB"),
        (HealthCheckSpec, {"path": "/", "interval": 0.01}, "interval", "100ms"),
        (HealthCheckSpec, {"path": "/", "timeout": 0.0}, "timeout", "more than 0"),
        (HealthCheckSpec, {"path": "/", "healthy_after": 0}, "healthy_after", "at least 1"),
        (HealthCheckSpec, {"path": "/", "unhealthy_after": 0}, "unhealthy_after", "at least 1"),
        (HealthCheckSpec, {"path": "/", "expect_status": ()}, "expect_status", "is empty"),
        (EjectionSpec, {"consecutive_failures": 0}, "consecutive_failures", "at least 1"),
        (EjectionSpec, {"base": 0.0}, "base", "more than 0"),
        (EjectionSpec, {"base": 9.0, "max": 1.0}, "max", "at least base"),
        (EjectionSpec, {"max_ejected_ratio": 0.0}, "max_ejected_ratio", "drop `ejection`"),
        (HoldSpec, {"timeout": 0.0}, "timeout", "drop `hold`"),
        (HoldSpec, {"max_requests": 0}, "max_requests", "drop `hold`"),
        (HoldSpec, {"release": 0.0}, "release", "nothing would be let go"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (HealthCheckSpec, {"path": "/healthz"}),
        (HealthCheckSpec, {"tcp": True}),
        (EjectionSpec, {}),
        (SlowStart, {"duration": 10.0}),
        (HoldSpec, {}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)
