"""When things fail in the corridor: what the client is told, what is cut, and what is counted."""

from __future__ import annotations

import logging

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answer, problem

POST = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("cause", "status", "word"),
    [
        (Cause.CONNECT_FAILURE, 502, "connect_failure"),
        (Cause.CONNECT_TIMEOUT, 504, "connect_timeout"),
        (Cause.POOL_FULL, 503, "overloaded"),
    ],
)
def test_a_connection_that_cannot_be_had_is_answered_with_its_reason(cause: Cause, status: int, word: str) -> None:
    bridge = Bridge()
    downstream, _ = bridge.request()
    bridge.channel.refuse(cause, "10.0.0.7: refused")
    assert downstream.status == status
    assert problem(downstream)["reason"] == word
    assert b"10.0.0.7" not in downstream.body, "where the endpoint is, is not the client's business"
    assert bridge.records.records[0].detail == "10.0.0.7: refused"
    assert [reason.code for _, reason in bridge.route_log.rejections] == [word]


def test_no_head_within_the_attempts_timeout_is_504_and_cancels_upstream() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request()
    bridge.loop.advance(4.9)
    assert downstream.told == []
    bridge.loop.advance(0.25)
    assert downstream.status == 504
    assert problem(downstream)["reason"] == "attempt_timeout"
    assert problem(downstream)["rule"] == "everything/timeout.attempt"
    assert stream.told[-1] == "cancel"


def test_a_slow_upload_is_bounded_by_the_requests_timeout() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request(POST)
    for _ in range(4):
        bridge.loop.advance(3.6)
        receiver.request_data(b"x")
    assert downstream.told == []
    bridge.loop.advance(1.0)
    assert problem(downstream)["reason"] == "request_timeout"
    assert downstream.told[0][3] is True, "an unfinished request ends its connection"


def test_an_upload_that_waits_for_a_connection_keeps_to_the_attempts_timeout_once_complete() -> None:
    bridge = Bridge()
    _, receiver = bridge.request(POST)
    bridge.loop.advance(2.0)
    receiver.request_data(b"0123456789")
    receiver.request_end(b"")
    assert bridge.channel.asked == [(115.0, False), (107.0, False)]
    assert bridge.channel.waiting == [receiver]
    stream = UpstreamDouble()
    receiver.leased(stream)
    assert stream.told[-1] == ("end", b"")


def test_the_callers_own_limit_is_kept() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 200\r\n\r\n")
    bridge.loop.advance(0.25)
    assert problem(downstream)["reason"] == "request_timeout"


def test_a_body_that_stalls_is_cut_after_the_idle_timeout() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), False)
    bridge.loop.advance(1.9)
    stream.receiver.response_data(b"o")
    bridge.loop.advance(1.9)
    assert downstream.told[-1] == ("data", b"o")
    bridge.loop.advance(0.25)
    assert downstream.told[-1] == "reset"
    assert stream.told[-1] == "cancel"
    assert bridge.route_log.finishes[0][1] == 200


def test_an_answer_that_breaks_off_is_cut_and_never_looks_complete() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"o")
    stream.receiver.upstream_failed(Cause.RESET, "closed")
    assert downstream.told[-1] == "reset"
    assert bridge.records.records[0].reason is Reason.RESET


def test_a_client_that_leaves_cancels_upstream_and_counts_as_499() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request()
    receiver.downstream_gone()
    assert stream.told[-1] == "cancel"
    assert downstream.told == []
    assert bridge.route_log.finishes == [(b"GET", 499, 0.0)]
    assert bridge.endpoint.in_flight == 0


def test_a_client_that_leaves_while_waiting_for_a_connection_frees_its_place() -> None:
    bridge = Bridge()
    _, receiver = bridge.request()
    assert len(bridge.channel.waiting) == 1
    receiver.downstream_gone()
    assert bridge.channel.waiting == []


@pytest.mark.parametrize("reason", [Reason.BAD_REQUEST, Reason.BODY_TOO_LARGE, Reason.BODY_TIMEOUT])
def test_a_broken_upload_is_answered_with_its_reason_and_cancels_upstream(reason: Reason) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request(POST)
    receiver.request_broken(reason, "why")
    assert stream.told[-1] == "cancel"
    assert downstream.status == reason.status
    assert downstream.told[0][3] is True


def test_a_broken_upload_cuts_an_answer_that_has_begun() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request(POST)
    stream.receiver.response_head(answer(), True)
    receiver.request_broken(Reason.BAD_REQUEST, "why")
    assert downstream.told[-1] == "reset"
    assert len(bridge.route_log.finishes) == 1


def test_a_bug_before_the_answer_is_a_500_with_a_logged_traceback(caplog: pytest.LogCaptureFixture) -> None:
    stream = UpstreamDouble()
    stream.broken = RuntimeError("boom")
    bridge = Bridge(stream)
    with caplog.at_level(logging.ERROR):
        downstream, _ = bridge.request()
    assert downstream.status == 500
    assert problem(downstream)["reason"] == "internal_error"
    assert "boom" in caplog.text
    assert bridge.endpoint.in_flight == 0
    assert bridge.route_log.in_flight == 0


def test_a_bug_in_the_answer_cuts_it(caplog: pytest.LogCaptureFixture) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request()
    downstream.broken = RuntimeError("boom")
    with caplog.at_level(logging.ERROR):
        stream.receiver.response_head(answer(), True)
    assert downstream.told == ["reset"]
    assert stream.told[-1] == "cancel"
    assert bridge.route_log.in_flight == 0
    assert "boom" in caplog.text
