"""A route leads somewhere, in one way only."""

import pytest

from sidecar.policies.units import Invalid
from sidecar.rules.route_rule import RouteRule, SplitRule

SHARES = (SplitRule(upstream="a", weight=1), SplitRule(upstream="b", weight=2))


def test_a_route_leads_to_its_upstream_or_to_those_of_its_split() -> None:
    assert RouteRule(name="r", upstream="a", policies={}).upstreams == ("a",)
    assert RouteRule(name="r", split=SHARES, policies={}).upstreams == ("a", "b")


def test_a_route_without_a_destination_or_with_two_is_refused() -> None:
    with pytest.raises(Invalid, match="`upstream` is missing"):
        RouteRule(name="r", policies={})
    with pytest.raises(Invalid, match="exclude each other"):
        RouteRule(name="r", upstream="a", split=SHARES, policies={})
