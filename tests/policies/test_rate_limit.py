"""What a rate limit may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.rate_limit import RateLimitSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (RateLimitSpec, {"name": "a", "rate": 0.0}, "rate", "more than 0"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "burst": 0.0}, "burst", "more than 0"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "key": ("client_ip", "client_ip")}, "key", "twice"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "max_keys": 0}, "max_keys", "at least 1"),
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
        (RateLimitSpec, {"name": "a", "rate": 10.0}),
        (RateLimitSpec, {"name": "a", "rate": 0.5, "burst": 0.5, "key": ("client_ip", "header:x")}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"


@pytest.mark.parametrize(("rate", "burst", "capacity"), [(10.0, None, 10.0), (0.1, None, 1.0), (10.0, 20.0, 20.0)])
def test_without_a_burst_one_second_s_worth_is_admitted_at_once(
    rate: float, burst: float | None, capacity: float
) -> None:
    assert RateLimitSpec(name="a", rate=rate, burst=burst).capacity == capacity
