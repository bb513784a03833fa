"""What a breaker may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (CircuitBreakerSpec, {"failure_ratio": 0.0}, "failure_ratio", "one success"),
        (CircuitBreakerSpec, {"slow_ratio": 0.0}, "slow_ratio", "slow_after"),
        (CircuitBreakerSpec, {"min_requests": 0}, "min_requests", "at least 1"),
        (CircuitBreakerSpec, {"window": 0.5}, "window", "from 1s to 1h"),
        (CircuitBreakerSpec, {"open_for": 0.0}, "open_for", "more than 0"),
        (CircuitBreakerSpec, {"open_for": 10.0, "max_open_for": 5.0}, "max_open_for", "at least open_for"),
        (CircuitBreakerSpec, {"half_open_requests": 0}, "half_open_requests", "never close"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        spec(**given)
    assert caught.value.faults[0][0] == key
    assert sentence in caught.value.faults[0][1]


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (CircuitBreakerSpec, {}),
        (CircuitBreakerSpec, {"window": 1.0, "consecutive_failures": 5, "slow_after": None}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"
