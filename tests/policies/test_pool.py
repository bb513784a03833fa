"""What a pool may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.pool import PoolSpec
from tests.policies.specs import refused, taken


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (PoolSpec, {"max_connections": 0}, "max_connections", "at least 1"),
        (PoolSpec, {"max_connects": 0.0}, "max_connects", "more than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (PoolSpec, {}),
        (PoolSpec, {"max_connections": 1, "max_connects": 0.5, "idle_timeout": None}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)
