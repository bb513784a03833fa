"""A connection of bytes from its accept to its end: who is asked, who hears what, and how it is counted."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.address import Address
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.timeout import TimeoutSpec
from sidecar.runtime.request_key import RequestKey
from sidecar.runtime.upstream import Endpoint
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


@pytest.mark.parametrize("first", ["client", "endpoint"])
def test_each_end_is_passed_on_and_after_both_it_was_a_success(first: str) -> None:
    bridge, downstream, upstream = standing()
    ends = [lambda: downstream.receiver.request_end(b""), lambda: upstream.receiver.response_end(b"")]
    for end in ends if first == "client" else reversed(ends):
        assert bridge.statuses == []
        end()
    assert downstream.told[-1] == upstream.told[-1] == ("end", b"")
    assert (bridge.statuses, bridge.attempts.outcomes) == ([200], ["success"])
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (0, 0)


def test_the_permits_of_an_attempt_hear_that_it_stands_and_are_settled_at_its_end() -> None:
    upstream = ByteUpstream()
    bridge, gate = ByteBridge(upstream), Gate()
    bridge.admits_attempts(gate)
    downstream = bridge.connect()
    assert gate.settled == []
    upstream.receiver.response_end(b"")
    downstream.receiver.request_end(b"")
    assert gate.settled == [Outcome.SUCCESS]


def test_it_is_logged_with_its_bytes_and_where_it_went() -> None:
    bridge, downstream, upstream = standing()
    bridge.loop.advance(2.0)
    downstream.receiver.request_data(b"12345")
    upstream.receiver.response_data(b"123")
    downstream.receiver.request_end(b"")
    upstream.receiver.response_end(b"")
    (record,) = bridge.records.records
    assert (record.method, record.path, record.status, record.reason) == (b"TCP", b"", 200, None)
    assert (record.route, record.upstream, record.endpoint) == ("everything", "app", "app/127.0.0.1:3000")
    assert (record.bytes_in, record.bytes_out, record.attempts, record.client) == (5, 3, 1, "192.0.2.7")
    assert record.duration_ms == pytest.approx(2000)


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


def test_a_refused_connection_is_closed_and_counted_by_its_rule() -> None:
    bridge = ByteBridge()
    bridge.admits(Gate("everything/gate", REFUSED))
    downstream = bridge.connect()
    assert downstream.told == [("end", b"")]
    assert bridge.route_log.rejections == [("everything/gate", Reason.CONCURRENCY_LIMITED)]
    assert bridge.statuses == [503]
    (record,) = bridge.records.records
    assert (record.reason, record.rule) == (Reason.CONCURRENCY_LIMITED, "everything/gate")


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


def test_a_key_knows_the_clients_address_and_nothing_of_a_request() -> None:
    bridge, _, _ = standing()
    conduit = bridge.connect().receiver
    assert conduit.key(RequestKey("client_ip")) == "192.0.2.7"
    assert conduit.key(RequestKey(["header:x", "cookie:a", "client_ip"])).endswith("192.0.2.7")


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


# Breaking off.


def test_a_client_that_breaks_it_off_breaks_it_off_at_the_endpoint_too() -> None:
    bridge, downstream, upstream = standing()
    downstream.receiver.downstream_gone()
    assert upstream.told[-1] == "cancel"
    assert (bridge.statuses, bridge.attempts.outcomes) == ([200], ["downstream_gone"])
    assert bridge.records.records[0].detail == "the client broke the connection off"


def test_an_endpoint_that_breaks_it_off_breaks_it_off_at_the_client_too_and_is_not_blamed() -> None:
    upstream = ByteUpstream()
    bridge, gate = ByteBridge(upstream), Gate()
    bridge.admits_attempts(gate)
    downstream = bridge.connect()
    upstream.receiver.upstream_failed(Cause.RESET, "the endpoint reset the connection")
    assert downstream.told[-1] == "reset"
    assert (bridge.statuses, bridge.attempts.outcomes, gate.settled) == ([200], ["reset"], [Outcome.IGNORED])
    (record,) = bridge.records.records
    assert (record.reason, record.detail) == (None, "the endpoint reset the connection")


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


@pytest.mark.parametrize("stands", [True, False])
def test_at_the_end_of_a_drain_one_that_stands_is_cut_and_one_that_waits_refused(stands: bool) -> None:
    bridge = ByteBridge(*[ByteUpstream()] * stands)
    downstream = bridge.connect()
    downstream.receiver.request_broken(Reason.DRAINING, "out of time")
    assert downstream.told[-1] == ("reset" if stands else ("end", b""))
    assert bridge.statuses == [200 if stands else 503]
    assert bridge.records.records[0].reason is Reason.DRAINING
    assert bridge.endpoint.in_flight == 0


def test_a_timeout_in_shadow_mode_is_counted_and_cuts_nothing() -> None:
    bridge, downstream, upstream = standing(idle=600.0)
    bridge.route.shadow_timeout = TimeoutSpec(request=15.0, total=100.0, mode="shadow")
    bridge.loop.advance(200.0)
    assert bridge.statuses == []
    downstream.receiver.request_end(b"")
    upstream.receiver.response_end(b"")
    assert bridge.route_log.shadowed == ["everything/timeout.total"]


# Bugs.


def test_a_bug_ends_its_connection_alone_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bridge, downstream, upstream = standing()
    other = ByteUpstream()
    bridge.channel.streams = [other]
    neighbour = bridge.connect()
    upstream.send_data = None  # type: ignore[assignment, method-assign]
    downstream.receiver.request_data(b"x")
    assert (downstream.told[-1], upstream.told[-1]) == ("reset", "cancel")
    assert "a connection failed inside the proxy" in caplog.text
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (1, 1)
    neighbour.receiver.request_data(b"y")
    assert other.sent == b"y"
    assert bridge.records.records[0].reason is Reason.INTERNAL_ERROR


@pytest.mark.parametrize("side", ["client", "endpoint"])
def test_a_bug_while_much_passes_ends_it_too(side: str, caplog: pytest.LogCaptureFixture) -> None:
    bridge, downstream, upstream = standing()
    if side == "client":
        upstream.send_bulk = None  # type: ignore[assignment, method-assign]
        downstream.receiver.request_bulk(memoryview(b"x"))
    else:
        downstream.send_bulk = None  # type: ignore[assignment, method-assign]
        upstream.receiver.response_bulk(memoryview(b"x"))
    assert (downstream.told[-1], upstream.told[-1]) == ("reset", "cancel")
    assert caplog.records
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (0, 0)


def test_a_bug_before_it_stands_ends_it_too(caplog: pytest.LogCaptureFixture) -> None:
    upstream = ByteUpstream()
    upstream.broken = RuntimeError("broken")
    bridge = ByteBridge(upstream)
    downstream = bridge.connect()
    assert downstream.told[-1] == "reset"
    assert caplog.records
    assert (bridge.route_log.in_flight, bridge.endpoint.in_flight) == (0, 0)


def test_a_bug_of_a_policy_ends_it_and_gives_back_what_it_held(caplog: pytest.LogCaptureFixture) -> None:
    bridge, gate = ByteBridge(), Gate()
    bridge.admits(gate, broken := Gate("everything/broken"))
    broken.broken["try_acquire"] = RuntimeError("broken")
    downstream = bridge.connect()
    assert downstream.told == ["reset"]
    assert (gate.out, bridge.statuses) == ([], [500])
    assert caplog.records
