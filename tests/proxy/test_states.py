"""The states stand in the order that comparisons rely on."""

from __future__ import annotations

from sidecar.proxy.states import DONE, HELD, RELAYING, SENDING, TUNNEL, WAITING


def test_from_relaying_on_the_client_has_been_told_something_and_nothing_is_under_way_before_sending() -> None:
    assert HELD < WAITING < SENDING < RELAYING < TUNNEL < DONE


def test_no_two_states_are_the_same() -> None:
    assert len({DONE, HELD, RELAYING, SENDING, TUNNEL, WAITING}) == 6
