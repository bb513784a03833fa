"""What a fallback may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.fallback import CAUSE, FallbackSpec, StaleSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (FallbackSpec, {}, "status", "is missing"),
        (FallbackSpec, {"status": 200, "on": ()}, "on", "never used"),
        (FallbackSpec, {"status": 200, "stale": StaleSpec()}, "stale", "excludes"),
        (FallbackSpec, {"status": 204, "body": "x"}, "body", "cannot be sent"),
        (FallbackSpec, {"status": 200, "headers": {"content-length": "1"}}, "headers", "content-length"),
        (StaleSpec, {"max_age": 0.0}, "max_age", "more than 0"),
        (StaleSpec, {"max_bytes": 0}, "max_bytes", "more than 0"),
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
        (FallbackSpec, {"status": 200, "body": "{}"}),
        (FallbackSpec, {"stale": StaleSpec()}),
        (StaleSpec, {"max_age": 1.0}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"


def test_causes_are_outcomes_by_name_or_by_status() -> None:
    assert [CAUSE.parse(text) for text in ("circuit_open", "503")] == ["circuit_open", 503]
    with pytest.raises(ValueError, match="neither a status nor one of"):
        CAUSE.parse("open")
