"""An exchange that is held: in a queue, for a token, between two attempts. What happens to it meanwhile."""

from __future__ import annotations

from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import REFUSED, WAIT
from sidecar.policies.fault import AbortSpec, DelaySpec, Fault, FaultSpec
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.retry import BackoffSpec
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answers, problem
from tests.proxy.witnesses import PERMIT, Gate, Half

PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
SLOW = BackoffSpec(base=2.0, max=2.0)  # with Half's dice, a wait of one second


def queue(*, max_queue: int = 1, max_wait: float | None = None) -> Bulkhead:
    return Bulkhead("everything/concurrency", BulkheadSpec(max=1, max_queue=max_queue, max_wait=max_wait))


def limits(*, max_wait: float = 0.0) -> RateLimits:
    spec = RateLimitSpec(name="calls", rate=1.0, burst=1.0, max_wait=max_wait)
    return RateLimits("everything", [(spec, None)], Bridge().route_log)


def test_one_in_a_queue_goes_on_in_a_turn_of_its_own_when_the_one_before_it_ends() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.admits(queue())
    bridge.request()
    downstream, _ = bridge.request()
    assert second.told == []
    answers(first)
    assert second.told == [], "never inside another exchange's ending"
    bridge.loop.run_ready()
    assert second.head.startswith(b"GET / ")
    answers(second)
    assert downstream.status == 200
    assert bridge.route_log.in_flight == 0


def test_one_that_waits_too_long_in_a_queue_is_refused_by_name() -> None:
    bridge = Bridge(UpstreamDouble())
    bulkhead = queue(max_wait=0.5)
    bridge.admits(bulkhead)
    bridge.request()
    downstream, _ = bridge.request()
    bridge.loop.advance(0.4)
    assert downstream.told == []
    bridge.loop.advance(0.2)
    assert downstream.status == 503
    assert problem(downstream)["reason"] == "concurrency_limited"
    assert problem(downstream)["rule"] == "everything/concurrency"
    assert bulkhead.snapshot(bridge.clock.now)["queued"] == 0


def test_a_client_that_leaves_a_queue_frees_its_place_in_it() -> None:
    first, third = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, third)
    bridge.admits(queue())
    bridge.request()
    downstream, receiver = bridge.request()
    receiver.downstream_gone()
    assert downstream.told == []
    assert bridge.route_log.finishes == [(b"GET", 499, 0.0)]
    bridge.request()
    answers(first)
    bridge.loop.run_ready()
    assert third.head, "the one behind it has its place"


def test_a_client_that_leaves_between_its_grant_and_its_turn_hands_the_place_on() -> None:
    first, third = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, third)
    bulkhead = queue(max_queue=2)
    bridge.admits(bulkhead)
    bridge.request()
    _, second = bridge.request()
    bridge.request()
    answers(first)
    second.downstream_gone()
    bridge.loop.run_ready()
    assert third.head
    answers(third)
    assert bulkhead.snapshot(bridge.clock.now)["in_flight"] == 0
    assert bridge.route_log.in_flight == 0


def test_a_grant_and_a_timer_that_come_together_are_used_once() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.admits(queue(max_wait=0.5))
    bridge.request()
    _, receiver = bridge.request()
    answers(first)
    receiver.expired()
    told = list(second.told)
    assert len(told) == 1
    bridge.loop.run_ready()
    assert second.told == told


def test_a_body_that_comes_while_its_request_is_held_waits_within_bounds_and_is_sent_whole() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.admits(queue())
    bridge.request()
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"x" * 100)
    assert downstream.pauses == 0
    receiver.request_data(b"y")
    assert downstream.pauses == 1
    answers(first)
    bridge.loop.run_ready()
    assert second.body == b"x" * 100 + b"y"
    assert downstream.pauses == 0
    receiver.request_data(b"z")
    receiver.request_end(b"T: 1\r\n")
    assert second.body == b"x" * 100 + b"yz"
    assert second.told[-1] == ("end", b"T: 1\r\n")


def test_a_request_that_is_complete_before_it_is_let_in_is_sent_with_its_end() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second, attempt=5.0)
    bridge.admits(queue())
    bridge.request()
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"abc")
    receiver.request_end(b"T: 1\r\n")
    bridge.loop.advance(3.0)
    answers(first)
    bridge.loop.run_ready()
    assert [entry[0] for entry in second.told] == ["head", "data", "end"]
    assert second.told[-1] == ("end", b"T: 1\r\n")
    assert bridge.channel.asked[-1] == (108.0, False), "its own attempt's time begins with it"


def test_a_broken_upload_while_held_is_answered_and_leaves_the_queue() -> None:
    bridge = Bridge(UpstreamDouble())
    bulkhead = queue()
    bridge.admits(bulkhead)
    bridge.request()
    downstream, receiver = bridge.request(PUT)
    receiver.request_broken(Reason.BAD_REQUEST, "why")
    assert downstream.status == 400
    assert downstream.told[0][3] is True
    assert bulkhead.snapshot(bridge.clock.now)["queued"] == 0
    assert bridge.records.records[0].reason is Reason.BAD_REQUEST


def test_one_that_waits_for_a_token_goes_on_when_it_is_there() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.admits(limits(max_wait=2.0))
    bridge.request()
    bridge.request()
    bridge.loop.advance(0.9)
    assert second.told == []
    bridge.loop.advance(0.2)
    assert second.head


def test_a_client_that_leaves_while_it_waits_for_a_token_gives_it_back() -> None:
    first, third = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, third)
    bridge.admits(limits(max_wait=2.0))
    bridge.request()
    _, receiver = bridge.request()
    receiver.downstream_gone()
    bridge.request()
    bridge.loop.advance(1.1)
    assert third.head, "it would have had to wait two seconds"


def test_a_refused_request_says_by_which_rule_when_to_come_back_and_how_the_limit_stands() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.admits(limits())
    bridge.request()
    downstream, _ = bridge.request()
    assert downstream.status == 429
    assert problem(downstream)["rule"] == "everything/calls"
    assert b"\r\nRetry-After: 1\r\n" in downstream.head
    assert b"\r\nRateLimit-Policy: " in downstream.head
    assert b'rule=everything/calls"\r\n' in downstream.head
    assert downstream.told[0][3] is False, "the connection goes on"
    assert bridge.route_log.rejections == [("everything/calls", Reason.RATE_LIMITED)]
    (record,) = bridge.records.records
    assert (record.status, record.rule, record.attempts, record.endpoint) == (429, "everything/calls", 0, "")


def test_an_answer_that_is_relayed_says_how_the_limit_stands() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.admits(limits())
    downstream, _ = bridge.request()
    answers(stream)
    assert b"\r\nRateLimit: " in downstream.head


def test_a_fault_is_made_after_its_delay_with_the_status_it_asks_for() -> None:
    bridge = Bridge(UpstreamDouble())
    spec = FaultSpec(delay=DelaySpec(ratio=1.0, duration=1.0), abort=AbortSpec(ratio=1.0, status=418))
    bridge.admits(Fault("everything/fault", spec, Half()))
    downstream, _ = bridge.request()
    bridge.loop.advance(0.9)
    assert downstream.told == []
    bridge.loop.advance(0.2)
    assert downstream.status == 418
    assert problem(downstream)["reason"] == "fault_injected"
    assert problem(downstream)["status"] == 418
    assert bridge.route_log.finishes[0][1] == 418


def test_a_later_refusal_gives_back_what_was_given_before_it_as_ignored() -> None:
    first, second = Gate("everything/first"), Gate("everything/second", REFUSED)
    bridge = Bridge(UpstreamDouble())
    bridge.admits(first, second)
    downstream, _ = bridge.request()
    assert downstream.status == 503
    assert problem(downstream)["rule"] == "everything/second"
    assert (first.out, first.settled) == ([], [Outcome.IGNORED])


def test_every_permit_is_given_back_with_the_last_byte() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    request, attempt = Gate(), Gate("app/gate")
    bridge.admits(request)
    bridge.admits_attempts(attempt)
    bridge.request()
    assert (len(request.out), len(attempt.out)) == (1, 1)
    answers(stream)
    assert (request.settled, attempt.settled) == ([Outcome.SUCCESS], [Outcome.SUCCESS])
    assert request.out == attempt.out == []


def test_one_machine_after_the_other_may_make_it_wait() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    first, second = Gate("a", WAIT, PERMIT), Gate("b", WAIT, PERMIT)
    first.wait_until, second.wait_until = 101.0, 102.0
    bridge.admits(first, second)
    _, receiver = bridge.request()
    bridge.loop.advance(1.1)
    assert (first.waiting, len(second.waiting)) == ([], 1)
    bridge.loop.advance(1.0)
    assert stream.head
    receiver.downstream_gone()
    assert first.out == second.out == []


def test_in_a_backoff_nothing_is_under_way_and_a_client_may_leave() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.retries(backoff=SLOW)
    gate, attempt = Gate(), Gate("app/gate")
    bridge.admits(gate)
    bridge.admits_attempts(attempt)
    _, receiver = bridge.request()
    first.receiver.upstream_failed(Cause.RESET, "closed")
    assert (bridge.endpoint.in_flight, attempt.out, len(gate.out)) == (0, [], 1)
    receiver.downstream_gone()
    assert gate.out == []
    bridge.loop.advance(5.0)
    assert second.told == []
    assert bridge.route_log.finishes == [(b"GET", 499, 0.0)]


def test_an_upload_goes_on_through_a_backoff_and_is_held_up_at_its_bound() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.retries(backoff=SLOW, max_body_bytes=10)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"0123")
    first.receiver.upstream_failed(Cause.RESET, "closed")
    receiver.request_data(b"456789")
    assert downstream.pauses == 0
    receiver.request_data(b"a")
    assert downstream.pauses == 1
    bridge.loop.advance(1.1)
    assert second.body == b"0123456789a"
    assert downstream.pauses == 0
    receiver.request_end(b"")
    assert second.told[-1] == ("end", b"")


def test_an_upload_may_end_in_a_backoff() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.retries(backoff=SLOW)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"0123")
    first.receiver.upstream_failed(Cause.RESET, "closed")
    receiver.request_data(b"45")
    receiver.request_end(b"T: 1\r\n")
    bridge.loop.advance(1.1)
    assert second.told[1:] == [("data", b"012345"), ("end", b"T: 1\r\n")]
    answers(second)
    assert downstream.status == 200


def test_an_upload_that_an_endpoint_had_held_up_goes_on_with_the_next() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.retries(backoff=SLOW)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"0123")
    receiver.request_end(b"")
    first.receiver.upstream_paused()
    assert downstream.pauses == 1
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(1.1)
    assert second.body == b"0123"
    assert downstream.pauses == 0, "a client that is not read is not seen to leave"


def test_a_connection_is_asked_for_as_by_one_that_is_not_here_until_its_body_is_or_all_that_is_kept_of_it() -> None:
    bridge = Bridge()
    bridge.request()
    _, receiver = bridge.request(PUT)
    receiver.request_end(b"")
    bridge.retries(max_body_bytes=8)
    _, large = bridge.request(PUT)
    large.request_data(b"x" * 8)
    large.request_data(b"x")
    assert bridge.channel.whole == [True, False, True, False, True]
