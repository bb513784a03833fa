"""The key tables are made from annotations alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest

from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import DURATION, Kind
from sidecar.rules.keys import Keyed, Many, Record, keys_of, name_field
from sidecar.rules.schema import MatchRule, RouteRule, RuleSet, UpstreamRule


@dataclass
class Unwritable:
    number: Annotated[complex, "has no written form"]


def test_a_spec_s_keys_carry_form_default_and_meaning() -> None:
    keys = {key.name: key for key in keys_of(TimeoutSpec)}
    request = keys["request"]
    assert (request.shape, request.default, request.off, request.nullable) == (DURATION, 15.0, True, True)
    assert "first byte" in request.doc


def test_a_policy_s_key_knows_whether_its_shadow_counts() -> None:
    keys = {key.name: key for key in keys_of(RouteRule)}
    assert [keys[name].shadows for name in ("concurrency", "retry", "timeout", "rewrite")] == [True, True, True, False]


def test_policies_are_keys_of_the_rules_they_hang_on() -> None:
    names = [key.name for key in keys_of(RouteRule)]
    assert names[:4] == ["name", "match", "upstream", "split"]
    assert {"timeout", "retry", "rate_limits", "fault"} <= set(names)
    assert "policies" not in names


def test_shapes_follow_the_types() -> None:
    top = {key.name: key.shape for key in keys_of(RuleSet)}
    assert isinstance(top["upstreams"], Keyed)
    assert isinstance(top["routes"], Many)
    assert isinstance(top["admin"], Record)
    headers = {key.name: key.shape for key in keys_of(MatchRule)}["headers"]
    assert isinstance(headers, Keyed)
    assert isinstance(headers.item, Kind)


def test_a_record_under_a_free_key_takes_it_as_its_name() -> None:
    assert name_field(UpstreamRule) == "name"
    assert name_field(RouteRule) is None
    assert "name" not in {key.name for key in keys_of(UpstreamRule)}


def test_a_type_without_a_written_form_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no written form"):
        keys_of(Unwritable)
