"""What every exchange shares."""

from __future__ import annotations

from tests.proxy.bridges import Bridge


def test_a_process_is_not_leaving_until_it_says_so() -> None:
    assert Bridge().environment.draining is False


def test_nothing_is_remembered_until_the_rules_ask_for_it() -> None:
    bridge = Bridge()
    assert bridge.environment.stores == ()
    fallback = bridge.falls_back(on=(503,), status=200)
    assert fallback.stale is None
    assert bridge.environment.stores == ()


def test_nothing_is_shed_until_somebody_says_so() -> None:
    assert Bridge().environment.shedding is False
