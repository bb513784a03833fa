"""What a concurrency limit may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (BulkheadSpec, {"max": 0}, "max", "at least 1"),
        (BulkheadSpec, {"max": 1, "max_queue": 1, "max_wait": 0.0}, "max_wait", "nothing can ever wait"),
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
        (BulkheadSpec, {"max": 1}),
        (BulkheadSpec, {"max": 64, "max_queue": 128, "max_wait": 0.5}),
        (BulkheadSpec, {"max": 64, "max_queue": 128, "max_wait": None}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"
