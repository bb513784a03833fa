"""What header edits and rewrites may say."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.policies.header_edits import HeaderEditsSpec, RewriteSpec
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (HeaderEditsSpec, {"set": {"content-length": "1"}}, "set", "content-length"),
        (HeaderEditsSpec, {"add": {"te": "x"}}, "add", "te"),
        (HeaderEditsSpec, {"remove": ("transfer-encoding",)}, "remove", "transfer-encoding"),
        (RewriteSpec, {}, "strip_prefix", "is missing"),
        (RewriteSpec, {"strip_prefix": "api"}, "strip_prefix", "begin with /"),
        (RewriteSpec, {"add_prefix": "/v1?x"}, "add_prefix", "begin with /"),
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
        (HeaderEditsSpec, {"set": {"x-env": "prod"}, "remove": ("x-debug",)}),
        (RewriteSpec, {"strip_prefix": "/api", "add_prefix": "/v1"}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    made = spec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert getattr(made, "mode", "enforce") == "enforce"
