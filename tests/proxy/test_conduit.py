"""A connection of bytes from its accept to its end: who is asked, who hears what, and how it is counted."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.address import Address
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import WAIT
from sidecar.runtime.endpoint import Endpoint
from tests.proxy.byte_bridges import ByteBridge, ByteDownstream, ByteUpstream
from tests.proxy.streams import Leases
from tests.proxy.test_corridor_hold import held_by, number_held
from tests.proxy.witnesses import Gate


def standing(**times: float) -> tuple[ByteBridge, ByteDownstream, ByteUpstream]:
    """A connection that an endpoint has taken."""
    upstream = ByteUpstream()
    bridge = ByteBridge(upstream, **times)
    downstream = bridge.connect()
    assert downstream.told == upstream.told == ["tunnel"]
    return bridge, downstream, upstream


def test_a_connection_that_an_endpoint_takes_stands_and_its_bytes_pass_both_ways() -> None:
    bridge, downstream, upstream = standing()
    downstream.receiver.request_data(b"ask")
    upstream.receiver.response_data(b"answer")
    assert (upstream.sent, downstream.sent) == (b"ask", b"answer")
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (1, 1)


def test_the_permits_of_an_attempt_hear_that_it_stands_and_are_settled_at_its_end() -> None:
    upstream = ByteUpstream()
    bridge, gate = ByteBridge(upstream), Gate()
    bridge.admits_attempts(gate)
    downstream = bridge.connect()
    assert gate.settled == []
    upstream.receiver.response_end(b"")
    downstream.receiver.request_end(b"")
    assert gate.settled == [Outcome.SUCCESS]


def test_what_passes_in_bulk_is_counted_with_the_rest_and_keeps_the_connection() -> None:
    bridge, downstream, upstream = standing(idle=10.0)
    for _ in range(3):
        bridge.loop.advance(8.0)
        downstream.receiver.request_bulk(memoryview(b"much"))
        bridge.loop.advance(8.0)
        upstream.receiver.response_bulk(memoryview(b"more"))
    assert (upstream.sent, downstream.sent) == (b"much" * 3, b"more" * 3)
    assert bridge.statuses == []
    bridge.loop.advance(11.0)
    assert bridge.statuses == [200]
    (record,) = bridge.records.records
    assert (record.bytes_in, record.bytes_out) == (12, 12)


# Refusals.


def test_one_too_many_is_turned_away() -> None:
    bridge = ByteBridge()
    downstream = bridge.connect((Reason.OVERLOADED, "too many connections"))
    assert downstream.told == [("end", b"")]
    assert bridge.unrouted.finishes[0][:2] == (b"TCP", 503)
    assert bridge.records.records[0].detail == "too many connections"


def test_without_a_route_and_without_memory_it_is_turned_away() -> None:
    bridge = ByteBridge()
    bridge.environment.shedding = True
    assert bridge.connect().told == [("end", b"")]
    bridge.environment.shedding = False
    runtime: Any = bridge.runtime
    runtime.byte_routes = {}
    assert bridge.connect().told == [("end", b"")]
    assert bridge.unrouted.rejections == [("overload/max_memory", Reason.OVERLOADED), ("", Reason.NO_ROUTE)]
    assert [status for _, status, _ in bridge.unrouted.finishes] == [503, 404]


# Waiting and connecting.


def test_it_waits_for_its_place_and_then_goes() -> None:
    upstream = ByteUpstream()
    bridge, gate = ByteBridge(upstream), Gate("everything/gate", WAIT)
    bridge.admits(gate)
    downstream = bridge.connect()
    assert downstream.told == []
    gate.waiting[0].granted(bridge.clock.now)
    bridge.loop.run_ready()
    assert downstream.told == ["tunnel"]


def test_a_client_that_leaves_while_it_waits_is_a_499_and_nobodys_failure() -> None:
    bridge, gate = ByteBridge(), Gate("everything/gate", WAIT)
    bridge.admits(gate)
    bridge.connect().receiver.downstream_gone()
    assert (bridge.statuses, gate.waiting, bridge.attempts.outcomes) == ([499], [], [])


def test_a_client_that_leaves_while_its_connection_is_made_gives_the_place_back() -> None:
    bridge = ByteBridge()
    downstream = bridge.connect()
    downstream.receiver.downstream_gone()
    assert (bridge.channel.waiting, bridge.statuses, bridge.attempts.outcomes) == ([], [499], ["downstream_gone"])


def test_connecting_is_tried_again_elsewhere_and_nobody_hears_of_it() -> None:
    bridge, upstream = ByteBridge(), ByteUpstream()
    other = Endpoint("app", Address.parse("127.0.0.1:3001"))
    other.channel = Leases(upstream)
    bridge.route.branch.upstream.endpoints = (bridge.endpoint, other)
    bridge.retries(max_attempts=3)
    downstream = bridge.connect()
    if not upstream.told:
        bridge.channel.refuse(Cause.CONNECT_FAILURE)
        bridge.loop.advance(1.0)
        assert bridge.route_log.retries == ["connect_failure"]
    assert downstream.told == ["tunnel"]
    assert other.in_flight == 1


@pytest.mark.parametrize(
    ("cause", "status", "reason"),
    [
        (Cause.CONNECT_FAILURE, 502, Reason.CONNECT_FAILURE),
        (Cause.CONNECT_TIMEOUT, 504, Reason.CONNECT_TIMEOUT),
        (Cause.POOL_FULL, 503, Reason.OVERLOADED),
    ],
)
def test_one_that_no_endpoint_takes_is_closed_for_the_reason(cause: Cause, status: int, reason: Reason) -> None:
    bridge = ByteBridge()
    downstream = bridge.connect()
    bridge.channel.refuse(cause)
    assert downstream.told == [("end", b"")]
    assert (bridge.statuses, bridge.route_log.rejections[0][1]) == ([status], reason)
    assert bridge.records.records[0].detail == "refused"


def test_it_is_held_while_no_endpoint_is_there() -> None:
    upstream = ByteUpstream()
    bridge = ByteBridge(upstream)
    group = held_by(bridge)
    downstream = bridge.connect()
    assert (downstream.told, number_held(bridge)) == ([], 1)
    group.mark_up(bridge.clock.now, bridge.endpoint)
    bridge.loop.advance(0.1)
    assert downstream.told == ["tunnel"]


# How long it may last.


def test_silence_of_both_ends_it_without_blame() -> None:
    bridge, downstream, upstream = standing(idle=10.0)
    bridge.loop.advance(9.0)
    downstream.receiver.request_data(b"still there")
    bridge.loop.advance(9.0)
    upstream.receiver.response_data(b"so am I")
    bridge.loop.advance(9.0)
    assert bridge.statuses == []
    bridge.loop.advance(2.0)
    assert (downstream.told[-1], upstream.told[-1]) == ("reset", "cancel")
    assert (bridge.statuses, bridge.attempts.outcomes) == ([200], ["idle_timeout"])
    assert "timeout.idle" in bridge.records.records[0].detail


def test_a_client_that_takes_slowly_what_it_was_sent_is_not_silent() -> None:
    bridge, downstream, upstream = standing(idle=10.0)
    upstream.receiver.response_data(b"much")
    downstream.left = 300
    downstream.receiver.downstream_paused()
    assert upstream.pauses
    for left in (200, 100):
        downstream.left = left
        bridge.loop.advance(10.5)
        assert bridge.statuses == []
    bridge.loop.advance(10.5)
    assert bridge.statuses == [200], "it took nothing more"


def test_who_takes_slowly_what_is_too_little_to_hold_the_other_up_is_not_silent() -> None:
    bridge, downstream, upstream = standing(idle=10.0)
    upstream.receiver.response_data(b"some")
    for left in (200, 100):
        downstream.left = left
        bridge.loop.advance(10.5)
        assert bridge.statuses == []
    bridge.loop.advance(10.5)
    assert bridge.statuses == [200], "it took nothing more"


def test_who_did_not_keep_up_once_is_silent_as_soon_as_others() -> None:
    bridge, downstream, _ = standing(idle=10.0)
    downstream.left = 300
    downstream.receiver.downstream_paused()
    downstream.left = 0
    downstream.receiver.downstream_resumed()
    bridge.loop.advance(10.5)
    assert bridge.statuses == [200]


def test_an_endpoint_that_takes_slowly_is_not_silent_either() -> None:
    bridge, downstream, upstream = standing(idle=10.0)
    downstream.receiver.request_data(b"much")
    upstream.left = 300
    upstream.receiver.upstream_paused()
    assert downstream.pauses
    upstream.left = 10
    bridge.loop.advance(10.5)
    assert bridge.statuses == []
    upstream.receiver.upstream_resumed()
    assert not downstream.pauses


def test_whoever_keeps_up_again_is_read_for_again() -> None:
    _, downstream, upstream = standing()
    downstream.receiver.downstream_paused()
    downstream.receiver.downstream_resumed()
    assert not upstream.pauses


def test_the_bound_of_the_whole_ends_it_by_its_name() -> None:
    bridge = ByteBridge(ByteUpstream(), idle=60.0)
    bridge.route.total_timeout = 5.0
    downstream = bridge.connect()
    bridge.loop.advance(4.0)
    downstream.receiver.request_data(b"busy")
    bridge.loop.advance(1.1)
    assert downstream.told[-1] == "reset"
    (record,) = bridge.records.records
    assert (record.status, record.reason, record.rule) == (200, Reason.REQUEST_TIMEOUT, "everything/timeout.total")


def test_the_time_to_stand_is_that_of_a_request() -> None:
    bridge = ByteBridge(request=3.0, attempt=1.0)
    bridge.connect()
    assert bridge.channel.asked == [(bridge.clock.now + 1.0, False)]
