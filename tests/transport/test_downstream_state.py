"""The order of the states is relied on in comparisons."""

from __future__ import annotations

from sidecar.transport import downstream_state as states


def test_the_states_are_in_the_order_that_comparisons_rely_on() -> None:
    order = [
        states.IDLE,
        states.HEAD,
        states.BODY,
        states.ANSWER,
        states.BROKEN,
        states.TUNNEL,
        states.LINGER,
        states.CLOSING,
        states.CLOSED,
    ]
    assert order == sorted(set(order))
