"""Where rules were written, and by which hand."""

from __future__ import annotations

from sidecar.rules.places import Places
from sidecar.rules.schema import RouteRule
from sidecar.rules.tree import DEFAULT, Origin

ROUTE = RouteRule(name="all", upstream="app", policies={})
SHARED = Origin("f", 1, 1)
KNOWN = Places(
    {
        "routes.all": Origin("f", 5, 1),
        "routes.all.timeout": Origin("f", 6, 1),
        "routes.all.timeout.request": Origin("f", 6, 9),
        "defaults.timeout.attempt": SHARED,
        "routes.all.timeout.attempt": SHARED,
        "routes.all.timeout.idle": DEFAULT,
    }
)


def test_what_was_not_written_is_where_the_nearest_thing_around_it_is() -> None:
    assert KNOWN.at("routes", "all", "timeout", "request").column == 9
    assert KNOWN.at("routes", "all", "timeout", "idle").line == 6
    assert KNOWN.at("routes", "all", "retry", "budget", "ratio").line == 5
    assert KNOWN.at("upstreams", "app") == DEFAULT


def test_a_default_is_written_by_nobody() -> None:
    assert KNOWN.wrote("routes", "all", "timeout", "request")
    assert not KNOWN.wrote("routes", "all", "timeout", "idle")
    assert not KNOWN.wrote("routes", "all", "retry")


def test_a_route_inherits_what_stands_in_defaults_or_nowhere() -> None:
    assert KNOWN.inherits(ROUTE, "timeout.attempt")
    assert KNOWN.inherits(ROUTE, "timeout.idle")
    assert not KNOWN.inherits(ROUTE, "timeout.request")


def test_values_of_two_hands_were_not_meant_together() -> None:
    assert KNOWN.same_hand(ROUTE, "timeout.attempt", "timeout.idle")
    assert not KNOWN.same_hand(ROUTE, "timeout.attempt", "timeout.request")


def test_only_the_lowered_limit_of_an_inherited_value_excuses_it() -> None:
    assert not KNOWN.to_blame(ROUTE, "timeout.attempt", "timeout.request")
    assert KNOWN.to_blame(ROUTE, "timeout.request", "timeout.attempt")
    assert KNOWN.to_blame(ROUTE, "timeout.attempt", "timeout.idle")
