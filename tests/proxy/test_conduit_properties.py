"""A connection of bytes, whatever happens to it and in whatever order."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from tests.proxy.byte_bridges import ByteBridge, ByteUpstream
from tests.proxy.witnesses import Gate

EVENTS = (
    *("data", "end", "gone", "answer", "answered", "failed"),
    *("paused", "resumed", "stuck", "flows", "time", "broken"),
)


@given(st.lists(st.sampled_from(EVENTS), max_size=12), st.integers(0, 2**16))
def test_in_whatever_order_things_happen_everything_is_given_back_once(events: list[str], seed: int) -> None:
    upstream = ByteUpstream()
    bridge, gate, each = ByteBridge(upstream, idle=10.0), Gate(), Gate("everything/each")
    bridge.admits(gate)
    bridge.admits_attempts(each)
    downstream = bridge.connect()
    rng = random.Random(seed)
    client, endpoint = True, True  # whether that side may still say something
    for event in events:
        ears = downstream.receiver, upstream.receiver
        if event in ("data", "end") and client:
            _ = ears[0].request_data(b"abc") if event == "data" else ears[0].request_end(b"")
            client = event == "data"
        elif event in ("answer", "answered") and endpoint:
            _ = ears[1].response_data(b"de") if event == "answer" else ears[1].response_end(b"")
            endpoint = event == "answer"
        elif event == "gone":
            ears[0].downstream_gone()
            client = False
        elif event == "failed" and endpoint:
            ears[1].upstream_failed(Cause.RESET, "reset")
            endpoint = False
        elif event in ("paused", "resumed", "stuck", "flows"):
            named = {"paused": "downstream_paused", "resumed": "downstream_resumed", "stuck": "upstream_paused"}
            getattr(ears[0], named.get(event, "upstream_resumed"))()
        elif event == "time":
            bridge.loop.advance(rng.random() * 8)
        elif event == "broken":
            ears[0].request_broken(Reason.DRAINING, "out of time")
            client = False
        if bridge.statuses:
            client = endpoint = False
    bridge.loop.advance(60.0)
    assert bridge.statuses == [200]
    assert (len(gate.settled), len(each.settled), gate.out, each.out) == (1, 1, [], [])
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (0, 0)
    assert downstream.told[-1] in ("reset", ("end", b"")) or "gone" in events
