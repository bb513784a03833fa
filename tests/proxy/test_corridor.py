"""The corridor between two scripted streams: what each side is told, in which order, and what is counted."""

from __future__ import annotations

import math

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.proxy.head_edits import HeadEdits
from sidecar.wire.rewriting import TargetRewrite
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answer

POST = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_request_is_forwarded_and_its_answer_relayed() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request(b"GET /a?b=c HTTP/1.1\r\nHost: shop\r\nX-One: 1\r\n\r\n")
    assert stream.head.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: shop\r\nX-One: 1\r\n")
    assert b"X-Forwarded-For: 192.0.2.7\r\n" in stream.head
    assert stream.head.endswith(b"\r\n\r\n")
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"ok")
    bridge.loop.advance(0.25)
    stream.receiver.response_end(b"")
    assert downstream.status == 200
    assert downstream.body == b"ok"
    assert downstream.told[-1] == ("end", b"")
    assert bridge.route_log.finishes == [(b"GET", 200, 0.25)]
    assert bridge.route_log.in_flight == 0
    assert bridge.endpoint.in_flight == 0
    assert downstream.timer.deadline == math.inf


def test_a_body_streams_and_its_trailers_follow() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"one")
    receiver.request_data(b"two")
    receiver.request_end(b"X-Sum: 6\r\n")
    assert stream.body == b"onetwo"
    assert stream.told[-1] == ("end", b"X-Sum: 6\r\n")


def test_a_body_that_comes_before_its_connection_waits_within_bounds() -> None:
    bridge = Bridge()
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"x" * 100)
    assert downstream.pauses == 0
    receiver.request_data(b"y")
    assert downstream.pauses == 1
    stream = UpstreamDouble()
    receiver.leased(stream)
    assert stream.body == b"x" * 100 + b"y"
    assert downstream.pauses == 0
    receiver.request_end(b"")
    assert stream.told[-1] == ("end", b"")


def test_a_complete_body_that_waited_is_sent_with_its_end() -> None:
    bridge = Bridge()
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"abc")
    receiver.request_end(b"T: 1\r\n")
    stream = UpstreamDouble()
    receiver.leased(stream)
    assert [entry[0] for entry in stream.told] == ["head", "data", "end"]
    assert stream.told[-1] == ("end", b"T: 1\r\n")


def test_a_stale_connection_is_replaced_by_a_fresh_one() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    downstream, _ = bridge.request()
    first.receiver.upstream_failed(Cause.STALE, "closed")
    assert bridge.channel.asked[1][1] is True
    assert b"X-Sidecar-Attempt: 2\r\n" in second.head
    assert b"X-Sidecar-Attempt" not in first.head
    second.receiver.response_head(answer(), True)
    second.receiver.response_data(b"ok")
    second.receiver.response_end(b"")
    assert downstream.status == 200
    assert bridge.route_log.retries == ["stale"]


def test_a_kept_body_is_sent_again_on_a_fresh_connection() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    _, receiver = bridge.request(PUT)
    receiver.request_data(b"abc")
    first.receiver.upstream_failed(Cause.STALE, "closed")
    receiver.request_data(b"def")
    receiver.request_end(b"")
    assert second.body == b"abcdef"
    assert second.told[-1] == ("end", b"")


def test_a_body_that_outgrew_the_copy_is_not_sent_again() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"x" * 101)
    first.receiver.upstream_failed(Cause.STALE, "closed")
    assert second.told == []
    assert downstream.status == 502


def test_a_post_is_not_sent_again() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    downstream, _ = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    first.receiver.upstream_failed(Cause.STALE, "closed")
    assert second.told == []
    assert downstream.status == 502


def test_an_idempotency_key_makes_a_post_repeatable() -> None:
    first, second = UpstreamDouble(reused=True), UpstreamDouble()
    bridge = Bridge(first, second)
    _, receiver = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nContent-Length: 2\r\n\r\n")
    receiver.request_data(b"hi")
    receiver.request_end(b"")
    first.receiver.upstream_failed(Cause.STALE, "closed")
    assert second.body == b"hi"


def test_pressure_passes_from_each_side_to_the_other() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request(PUT)
    stream.receiver.upstream_paused()
    assert downstream.pauses == 1
    stream.receiver.upstream_resumed()
    assert downstream.pauses == 0
    stream.receiver.response_head(answer(), True)
    receiver.downstream_paused()
    assert stream.pauses == 1
    receiver.downstream_resumed()
    assert stream.pauses == 0


def test_a_client_that_does_not_read_is_not_held_against_the_endpoint() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(), True)
    receiver.downstream_paused()
    bridge.loop.advance(60.0)
    assert downstream.told[-1] != "reset"
    receiver.downstream_resumed()
    bridge.loop.advance(2.1)
    assert downstream.told[-1] == "reset"


@pytest.mark.parametrize("rewrites", [False, True])
def test_a_request_of_http_1_0_that_names_no_host_names_the_endpoint(rewrites: bool) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    if rewrites:
        bridge.route.edits = HeadEdits(None, None, TargetRewrite(add_prefix="/v2"))
    bridge.request(b"GET /a HTTP/1.0\r\n\r\n")
    target = b"/v2/a" if rewrites else b"/a"
    assert stream.head.startswith(b"GET " + target + b" HTTP/1.1\r\nHost: 127.0.0.1:3000\r\n")
    assert b"X-Forwarded-Host" not in stream.head


def test_interim_answers_are_relayed_but_not_to_http_1_0() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), False)
    assert downstream.told[0][0] == "interim"
    assert downstream.told[0][1].startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n")
    old = UpstreamDouble()
    bridge.channel.streams.append(old)
    downstream, _ = bridge.request(b"GET / HTTP/1.0\r\n\r\n")
    old.receiver.response_head(answer(b"HTTP/1.1 100 Continue\r\n\r\n"), False)
    assert downstream.told == []


def test_a_tunnel_passes_raw_bytes_and_half_closes_and_ends_with_both() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request(
        b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert b"Upgrade: websocket\r\n" in stream.head
    stream.receiver.response_head(
        answer(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"), False
    )
    assert b"Upgrade: websocket\r\n" in downstream.told[0][1]
    assert downstream.told[1] == "tunnel"
    receiver.request_data(b"ping")
    stream.receiver.response_data(b"pong")
    assert stream.body == b"ping"
    assert downstream.body == b"pong"
    receiver.request_end(b"")
    assert stream.told[-1] == ("end", b"")
    assert bridge.route_log.finishes == []
    stream.receiver.response_end(b"")
    assert downstream.told[-1] == ("end", b"")
    assert bridge.route_log.finishes[0][:2] == (b"GET", 101)


def test_an_idle_tunnel_is_closed_after_the_idle_timeout() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request(b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
    stream.receiver.response_head(answer(b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), False)
    bridge.loop.advance(1.9)
    receiver.request_data(b"ping")
    bridge.loop.advance(1.9)
    assert downstream.told[-1] == "tunnel"
    bridge.loop.advance(0.25)
    assert downstream.told[-1] == "reset"
    assert stream.told[-1] == "cancel"


def test_nothing_is_heard_after_the_end() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"ok")
    stream.receiver.response_end(b"")
    told = list(downstream.told)
    receiver.downstream_gone()
    receiver.request_broken(Reason.BAD_REQUEST, "late")
    receiver.upstream_failed(Cause.RESET, "late")
    receiver.expired()
    assert downstream.told == told
    assert len(bridge.route_log.finishes) == 1


def test_while_draining_every_answer_closes_its_connection() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.environment.draining = True
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(), True)
    assert downstream.told[0][3] is True
    assert b"Connection: close\r\n" in downstream.head


def test_on_a_connection_that_was_told_to_end_meanwhile_the_answer_closes_it() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    downstream, _ = bridge.request()
    downstream.leaving = True
    stream.receiver.response_head(answer(), True)
    assert downstream.told[0][3] is True
    assert b"Connection: close\r\n" in downstream.head


def test_the_record_of_an_exchange_says_what_happened() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    _, receiver = bridge.request(
        b"PUT /a?secret=1 HTTP/1.1\r\nHost: a\r\nX-Request-Id: abc\r\nContent-Length: 3\r\n\r\n"
    )
    receiver.request_data(b"123")
    receiver.request_end(b"")
    stream.receiver.response_head(answer(method=b"PUT"), True)
    stream.receiver.response_data(b"ok")
    bridge.loop.advance(0.5)
    stream.receiver.response_end(b"")
    (record,) = bridge.records.records
    assert (record.method, record.path, record.status, record.reason) == (b"PUT", b"/a", 200, None)
    assert (record.bytes_in, record.bytes_out, record.attempts, record.duration_ms) == (3, 2, 1, 500.0)
    assert (record.request_id, record.route, record.upstream) == (b"abc", "everything", "app")
    assert (record.endpoint, record.client) == ("app/127.0.0.1:3000", "192.0.2.7")
    assert len(record.trace_id) == 32


@pytest.mark.parametrize("follows", [False, True])
def test_a_head_waits_for_the_body_that_follows_at_once_and_for_no_other(follows: bool) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.more = follows
    bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    assert stream.more is follows
