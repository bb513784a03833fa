"""A client's own pace and `timeout.total`: who is to blame for silence, and what ends an answer that goes on and on."""

from __future__ import annotations

import math

import pytest

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answer
from tests.proxy.witnesses import Gate

PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
SWITCH = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


def test_a_client_that_uploads_and_does_not_read_is_not_held_against_the_endpoint() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request(PUT)
    stream.receiver.response_head(answer(), True)
    receiver.downstream_paused()
    for _ in range(3):
        bridge.loop.advance(1.5)
        receiver.request_data(b"x")
    bridge.loop.advance(60.0)
    assert downstream.told[-1] != "reset"
    receiver.downstream_resumed()
    bridge.loop.advance(2.1)
    assert downstream.told[-1] == "reset"


def test_a_client_that_paused_before_its_answer_came_is_not_held_against_the_endpoint() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(b"HTTP/1.1 103 Early Hints\r\n\r\n"), False)
    receiver.downstream_paused()
    stream.receiver.response_head(answer(), False)
    bridge.loop.advance(60.0)
    assert downstream.told[-1] != "reset"


def test_in_a_tunnel_a_client_that_does_not_read_stops_the_clock_even_if_it_writes() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request(UPGRADE)
    stream.receiver.response_head(answer(SWITCH), False)
    receiver.downstream_paused()
    receiver.request_data(b"ping")
    bridge.loop.advance(60.0)
    assert downstream.told[-1] == "tunnel"
    receiver.downstream_resumed()
    bridge.loop.advance(2.1)
    assert downstream.told[-1] == "reset"


def test_the_total_timeout_cuts_an_answer_that_is_running_and_blames_nobody() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    bridge.route.total_timeout = 5.0
    attempt = Gate("app/gate")
    bridge.admits_attempts(attempt)
    downstream, _ = bridge.request()
    stream.receiver.response_head(answer(b"HTTP/1.1 200 OK\r\n\r\n"), False)
    for _ in range(4):
        bridge.loop.advance(1.2)
        stream.receiver.response_data(b"x")
    assert downstream.body == b"xxxx"
    bridge.loop.advance(0.3)
    assert downstream.told[-1] == "reset"
    assert stream.told[-1] == "cancel"
    assert bridge.records.records[0].rule == "everything/timeout.total"
    assert attempt.settled == [Outcome.IGNORED]
    (record,) = bridge.records.records
    assert (record.status, record.reason, record.rule) == (200, Reason.REQUEST_TIMEOUT, "everything/timeout.total")


def test_the_total_timeout_holds_for_a_client_that_does_not_read() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    bridge.route.total_timeout = 5.0
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(), False)
    receiver.downstream_paused()
    bridge.loop.advance(4.9)
    assert downstream.told[-1] != "reset"
    bridge.loop.advance(0.2)
    assert downstream.told[-1] == "reset"


def test_the_total_timeout_before_an_answer_is_a_504() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.route.total_timeout = 2.0
    downstream, _ = bridge.request()
    bridge.loop.advance(2.1)
    assert downstream.status == 504
    assert stream.told[-1] == "cancel"


def test_the_total_timeout_holds_for_a_client_that_does_not_end_its_upload() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, request=math.inf, attempt=math.inf)
    bridge.route.total_timeout = 2.0
    downstream, receiver = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
    for _ in range(3):
        receiver.request_data(b"x")
        bridge.loop.advance(0.6)
    assert downstream.told == []
    bridge.loop.advance(0.3)
    assert downstream.status == 504
    (record,) = bridge.records.records
    assert (record.reason, record.rule) == (Reason.REQUEST_TIMEOUT, "everything/timeout.total")


def test_a_tunnel_outlives_the_total_timeout() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=60.0)
    bridge.route.total_timeout = 5.0
    downstream, _ = bridge.request(UPGRADE)
    stream.receiver.response_head(answer(SWITCH), False)
    bridge.loop.advance(20.0)
    assert downstream.told[-1] == "tunnel"


@pytest.mark.parametrize("paused", [False, True])
def test_pieces_that_come_keep_an_answer_alive(paused: bool) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, idle=2.0)
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(b"HTTP/1.1 200 OK\r\n\r\n"), False)
    for _ in range(5):
        bridge.loop.advance(1.9)
        if paused:
            receiver.downstream_paused()
            receiver.downstream_resumed()
        stream.receiver.response_data(b"x")
    stream.receiver.response_end(b"")
    assert downstream.told[-1] == ("end", b"")
