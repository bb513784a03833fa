"""A connection of bytes at its end: what it gives back, how it is counted, and what the log says of it."""

from __future__ import annotations

import pytest

from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import REFUSED
from sidecar.policies.timeout import TimeoutSpec
from sidecar.runtime.request_key import RequestKey
from tests.proxy.byte_bridges import ByteBridge, ByteUpstream
from tests.proxy.test_conduit import standing
from tests.proxy.witnesses import Gate


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


def test_a_refused_connection_is_closed_and_counted_by_its_rule() -> None:
    bridge = ByteBridge()
    bridge.admits(Gate("everything/gate", REFUSED))
    downstream = bridge.connect()
    assert downstream.told == [("end", b"")]
    assert bridge.route_log.rejections == [("everything/gate", Reason.CONCURRENCY_LIMITED)]
    assert bridge.statuses == [503]
    (record,) = bridge.records.records
    assert (record.reason, record.rule) == (Reason.CONCURRENCY_LIMITED, "everything/gate")


def test_a_key_knows_the_clients_address_and_nothing_of_a_request() -> None:
    bridge, _, _ = standing()
    conduit = bridge.connect().receiver
    assert conduit.key(RequestKey("client_ip")) == "192.0.2.7"
    assert conduit.key(RequestKey(["header:x", "cookie:a", "client_ip"])).endswith("192.0.2.7")


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
