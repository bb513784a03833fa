"""What a retry may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.retry import METHOD_SET, TRIGGER, BackoffSpec, BudgetSpec, RetrySpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (RetrySpec, {"max_attempts": 0}, "max_attempts", "from 1"),
        (RetrySpec, {"max_attempts": 11}, "max_attempts", "to 10"),
        (RetrySpec, {"on": ()}, "on", "nothing is ever retried"),
        (RetrySpec, {"methods": ()}, "methods", "nothing is ever retried"),
        (RetrySpec, {"methods": ("all", "GET")}, "methods", "mixture"),
        (BackoffSpec, {"base": 0.0}, "base", "at once"),
        (BackoffSpec, {"base": 2.0}, "max", "at least base"),
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
        (RetrySpec, {}),
        (RetrySpec, {"methods": ("GET", "POST"), "budget": None}),
        (RetrySpec, {"max_attempts": 1}),
        (BackoffSpec, {"base": 0.1, "max": 0.1}),
        (BudgetSpec, {"ratio": 0.0}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"


def test_triggers_are_failures_by_name_or_by_status() -> None:
    assert [TRIGGER.parse(text) for text in ("reset", "503")] == ["reset", 503]
    for text in ("200", "resets", "77"):
        with pytest.raises(ValueError, match=text):
            TRIGGER.parse(text)


def test_methods_keep_their_two_words_and_are_upper_case_otherwise() -> None:
    assert [METHOD_SET.parse(text) for text in ("idempotent", "all", "get")] == ["idempotent", "all", "GET"]
