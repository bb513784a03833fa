"""More than one attempt: what is sent again, what is not, and which answer the client gets."""

from __future__ import annotations

import pytest

from sidecar.model.outcome import Cause, Outcome
from sidecar.policies.header_edits import HeaderEditsSpec, RewriteSpec
from sidecar.policies.retry import BackoffSpec
from sidecar.proxy.head_edits import head_edits
from sidecar.rules.schema import RouteRule
from tests.proxy.bridges import Bridge
from tests.proxy.streams import Downstream, UpstreamDouble, answer, answers, problem
from tests.proxy.witnesses import Gate

PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
POST = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
AT_ONCE = BackoffSpec(base=1e-9, max=1e-9)


def bridge_of(*streams: UpstreamDouble, **spec: object) -> Bridge:
    bridge = Bridge(*streams)
    bridge.retries(**spec)
    return bridge


def whole_answer(downstream: Downstream) -> tuple[int, bytes]:
    assert downstream.told[-1] == ("end", b"")
    assert [entry[0] for entry in downstream.told].count("head") == 1
    return downstream.status, downstream.body


@pytest.mark.parametrize("cause", [Cause.RESET, Cause.PROTOCOL_ERROR])
def test_a_failed_attempt_is_made_again_after_its_backoff(cause: Cause) -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=BackoffSpec(base=2.0, max=2.0))
    downstream, _ = bridge.request()
    first.receiver.upstream_failed(cause, "closed")
    bridge.loop.advance(0.9)
    assert second.told == []
    bridge.loop.advance(0.2)
    assert b"X-Sidecar-Attempt: 2\r\n" in second.head
    answers(second)
    assert whole_answer(downstream) == (200, b"ok")
    assert bridge.route_log.retries == [cause.value]
    assert bridge.attempts.outcomes == [cause.value, "success"]
    assert bridge.records.records[0].attempts == 2
    assert bridge.records.records[0].reason is None


def test_a_connection_that_cannot_be_had_is_asked_for_again_whatever_the_method() -> None:
    second = UpstreamDouble()
    bridge = bridge_of(backoff=AT_ONCE)
    downstream, receiver = bridge.request(POST)
    receiver.request_data(b"body")
    receiver.request_end(b"")
    bridge.channel.streams.append(second)
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    bridge.loop.advance(0.1)
    assert second.body == b"body"
    answers(second)
    assert whole_answer(downstream) == (200, b"ok")


def test_no_head_in_time_is_tried_again_and_the_first_attempt_cancelled() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, _ = bridge.request()
    bridge.loop.advance(5.1)
    assert first.told[-1] == "cancel"
    answers(second)
    assert whole_answer(downstream) == (200, b"ok")
    assert bridge.route_log.retries == ["attempt_timeout"]


def test_a_body_is_sent_again_byte_for_byte_with_its_trailers() -> None:
    streams = [UpstreamDouble() for _ in range(3)]
    bridge = bridge_of(*streams, backoff=AT_ONCE)
    downstream, receiver = bridge.request(PUT)
    for piece in (b"a\x00b", b"\r\n", b"", b"c" * 50):
        receiver.request_data(piece)
    receiver.request_end(b"X-Sum: 1\r\n")
    for stream in streams[:2]:
        stream.receiver.upstream_failed(Cause.RESET, "closed")
        bridge.loop.advance(0.1)
    for stream in streams:
        assert stream.body == b"a\x00b\r\n" + b"c" * 50
        assert stream.told[-1] == ("end", b"X-Sum: 1\r\n")
    answers(streams[2])
    assert whole_answer(downstream) == (200, b"ok")
    heads = [stream.head.replace(b"X-Sidecar-Attempt: %d\r\n" % n, b"") for n, stream in enumerate(streams, 1)]
    without = [
        b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"X-Request-Timeout-Ms"))
        for head in heads
    ]
    assert without[0] == without[1] == without[2]


def test_an_upload_that_still_runs_at_the_retry_is_sent_from_its_first_byte() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"one")
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    assert second.body == b"one"
    receiver.request_data(b"two")
    receiver.request_end(b"")
    assert second.body == b"onetwo"
    assert second.told[-1] == ("end", b"")
    answers(second)
    assert downstream.told[0][3] is False, "the request is complete, so its connection goes on"


def test_a_body_larger_than_the_copy_is_streamed_and_not_sent_again() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE, max_body_bytes=10)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"x" * 11)
    receiver.request_data(b"y" * 1000)
    assert first.body == b"x" * 11 + b"y" * 1000
    assert downstream.pauses == 0
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    assert second.told == []
    assert downstream.status == 502
    assert bridge.route_log.skipped == ["body_too_large"]


def test_a_body_that_fills_the_copy_exactly_is_sent_again() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE, max_body_bytes=10)
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"x" * 10)
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    assert second.body == b"x" * 10


def test_a_post_of_which_something_was_sent_is_not_sent_again() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, receiver = bridge.request(POST)
    receiver.request_data(b"body")
    receiver.request_end(b"")
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    assert second.told == []
    assert problem(downstream)["reason"] == "reset"
    assert bridge.route_log.skipped == ["not_idempotent"]


def test_an_unwanted_answer_is_discarded_and_the_next_delivered_whole() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    attempt = Gate("app/gate")
    bridge.admits_attempts(attempt)
    downstream, _ = bridge.request()
    answers(first, b"sorry", 503)
    assert first.told[-1] == "discard"
    assert downstream.told == []
    assert attempt.settled == [Outcome.FAILURE]
    bridge.loop.advance(0.1)
    answers(second, b"fine", 200)
    assert whole_answer(downstream) == (200, b"fine")
    assert bridge.route_log.retries == ["503"]
    assert attempt.settled == [Outcome.FAILURE, Outcome.SUCCESS]
    assert bridge.records.records[0].bytes_out == 4


def test_the_wait_asked_for_by_the_unwanted_answer_is_kept() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    bridge.request()
    answers(first, b"", 503, b"Retry-After: 3\r\n")
    bridge.loop.advance(2.9)
    assert second.told == []
    bridge.loop.advance(0.2)
    assert second.head


@pytest.mark.parametrize("fields", [b"", b"Retry-After: 600\r\n", b"Retry-After: nonsense\r\n"])
def test_the_answer_of_the_last_attempt_is_delivered_as_it_came(fields: bytes) -> None:
    stream = UpstreamDouble()
    bridge = bridge_of(stream, max_attempts=1)
    downstream, _ = bridge.request()
    answers(stream, b"sorry", 503, fields + b"X-Kind: theirs\r\n")
    assert whole_answer(downstream) == (503, b"sorry")
    assert b"\r\nX-Kind: theirs\r\n" in downstream.head
    assert bridge.records.records[0].reason is None


def test_a_retry_that_could_not_finish_in_time_is_not_made_and_the_answer_comes_through() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second, request=2.0)
    bridge.retries(backoff=AT_ONCE)
    downstream, _ = bridge.request()
    answers(first, b"sorry", 503, b"Retry-After: 3\r\n")
    assert whole_answer(downstream) == (503, b"sorry")
    assert second.told == []
    assert bridge.route_log.skipped == ["deadline"]


def test_after_an_early_unwanted_answer_the_upload_is_sent_again_whole() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"one")
    first.receiver.response_head(answer(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n"), False)
    assert first.told[-1] == "discard"
    receiver.request_data(b"two")
    bridge.loop.advance(0.1)
    receiver.request_end(b"")
    assert second.body == b"onetwo"
    answers(second)
    assert whole_answer(downstream) == (200, b"ok")
    assert downstream.told[0][3] is False


def test_nothing_is_tried_again_once_an_answer_has_begun() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, _ = bridge.request()
    first.receiver.response_head(answer(), False)
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(1.0)
    assert downstream.told[-1] == "reset"
    assert second.told == []


def test_a_body_is_not_kept_while_its_answer_is_relayed() -> None:
    stream = UpstreamDouble()
    bridge = bridge_of(stream)
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"one")
    stream.receiver.response_head(answer(), False)
    assert receiver.buffer is None
    receiver.request_data(b"two")
    receiver.request_end(b"")
    assert stream.body == b"onetwo"
    assert stream.told[-1] == ("end", b"")


def test_interim_answers_of_a_failed_attempt_do_not_stop_the_next() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    downstream, _ = bridge.request()
    first.receiver.response_head(answer(b"HTTP/1.1 103 Early Hints\r\n\r\n"), False)
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    answers(second)
    assert [entry[0] for entry in downstream.told] == ["interim", "head", "data", "end"]


def test_a_client_that_does_not_read_holds_up_the_next_attempt_too() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    _, receiver = bridge.request()
    receiver.downstream_paused()
    assert first.pauses == 1
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    assert second.pauses == 1
    receiver.downstream_resumed()
    assert second.pauses == 0


def test_each_attempt_is_edited_and_rewritten() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    policies = {
        "request_headers": HeaderEditsSpec(remove=("x-old",), set={"x-new": "1"}),
        "response_headers": HeaderEditsSpec(set={"server": "s"}),
        "rewrite": RewriteSpec(strip_prefix="/api"),
    }
    bridge.route.edits = head_edits(RouteRule(name="everything", upstream="app", policies=policies))
    downstream, _ = bridge.request(b"GET /api/a?b HTTP/1.1\r\nHost: a\r\nX-Old: 1\r\n\r\n")
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    answers(second)
    for stream in (first, second):
        assert stream.head.startswith(b"GET /a?b HTTP/1.1\r\n")
        assert b"X-Old" not in stream.head
        assert b"\r\nx-new: 1\r\n" in stream.head
    assert b"X-Sidecar-Attempt: 2\r\n" in second.head
    assert b"\r\nserver: s\r\n" in downstream.head
    assert bridge.records.records[0].path == b"/api/a"


def test_what_is_left_of_the_deadline_is_told_to_each_attempt() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = bridge_of(first, second, backoff=AT_ONCE)
    bridge.request()
    bridge.loop.advance(4.0)
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.run_ready()
    bridge.loop.advance(0.5)
    assert b"X-Request-Timeout-Ms: 15000\r\n" in first.head
    left = int(second.head.partition(b"X-Request-Timeout-Ms: ")[2].partition(b"\r\n")[0])
    assert 10_900 <= left <= 11_000


def test_a_rule_in_shadow_mode_does_not_make_a_post_repeatable() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.retries(methods=("all",), mode="shadow")
    bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    first.receiver.upstream_failed(Cause.STALE, "closed")
    assert second.told == []


def test_a_request_whose_caller_allows_no_time_is_not_sent() -> None:
    first = UpstreamDouble()
    bridge = Bridge(first)
    downstream, _ = bridge.request(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 0\r\n\r\n")
    assert downstream.status == 504
    assert first.told == []
