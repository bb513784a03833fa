"""What a pool may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.pool import PoolSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (PoolSpec, {"max_connections": 0}, "max_connections", "at least 1"),
        (PoolSpec, {"max_connects": 0.0}, "max_connects", "more than 0"),
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
        (PoolSpec, {}),
        (PoolSpec, {"max_connections": 1, "max_connects": 0.5, "idle_timeout": None}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"
