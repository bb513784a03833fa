"""The dispatcher: routes, refuses, and survives its own bugs."""

from __future__ import annotations

import json
import logging

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.wire.origin import Origin
from tests.proxy.bridges import Bridge, Router
from tests.proxy.streams import Downstream, UpstreamDouble, answers


def test_a_request_that_no_route_wants_is_404() -> None:
    bridge = Bridge()
    bridge.router.route = None
    downstream, receiver = bridge.request()
    assert downstream.status == 404
    assert json.loads(downstream.body)["reason"] == "no_route"
    assert downstream.told[0][3] is False, "the connection can go on"
    assert bridge.unrouted.finishes[0][:2] == (b"GET", 404)
    receiver.request_data(b"x")
    receiver.downstream_gone()
    assert len(bridge.unrouted.finishes) == 1


def test_a_request_is_looked_for_among_the_routes_of_its_listener() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.runtime.by_listener = {"inner": Router(None)}
    bridge.origin = Origin("192.0.2.7", listener="inner")
    assert bridge.request()[0].status == 404
    bridge.origin = Origin("192.0.2.7", listener="public")
    bridge.request()
    assert bridge.route_log.in_flight == 1


def test_an_unwanted_request_with_a_body_ends_its_connection() -> None:
    bridge = Bridge()
    bridge.router.route = None
    downstream, _ = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert downstream.told[0][3] is True


def test_what_is_no_request_is_refused_and_closed() -> None:
    bridge = Bridge()
    downstream = Downstream(bridge.clock, bridge.origin)
    bridge.dispatcher.refuse(downstream, Reason.HEADERS_TOO_LARGE, "too many")
    assert downstream.status == 431
    assert downstream.told[0][3] is True
    assert bridge.unrouted.rejections == [("", Reason.HEADERS_TOO_LARGE)]
    assert bridge.unrouted.in_flight == 0
    (record,) = bridge.records.records
    assert (record.status, record.reason, record.client) == (431, Reason.HEADERS_TOO_LARGE, "192.0.2.7")


def test_a_bug_in_routing_is_a_500_and_the_next_request_passes(caplog: pytest.LogCaptureFixture) -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.router.broken = RuntimeError("boom")
    with caplog.at_level(logging.ERROR):
        downstream, _ = bridge.request()
    assert downstream.status == 500
    assert "boom" in caplog.text
    assert bridge.unrouted.in_flight == 0
    bridge.router.broken = None
    downstream, _ = bridge.request()
    assert downstream.told == []
    assert bridge.route_log.in_flight == 1


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"250", 0.25), (b"0", 0.0), (b"", 15.0), (b"-1", 15.0), (b"1e3", 15.0), (b"9" * 10, 15.0)]
)
def test_the_callers_limit_is_read_strictly(text: bytes, seconds: float) -> None:
    bridge = Bridge(UpstreamDouble())
    _, receiver = bridge.request(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: " + text + b"\r\n\r\n")
    assert receiver.decision.deadline == bridge.clock.now + seconds


def test_a_head_request_is_refused_without_a_body() -> None:
    bridge = Bridge()
    bridge.router.route = None
    downstream, _ = bridge.request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert downstream.status == 404
    assert downstream.body == b""
    assert b"Content-Length: 0" not in downstream.head


def test_an_answer_of_our_own_carries_the_requests_id() -> None:
    bridge = Bridge()
    bridge.router.route = None
    downstream, _ = bridge.request(b"GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n")
    assert b"\r\nX-Request-Id: mine\r\n" in downstream.head
    assert json.loads(downstream.body)["request_id"] == "mine"
    assert bridge.records.records[0].request_id == b"mine"


def test_a_request_without_an_id_is_given_one_even_if_nothing_could_be_sent() -> None:
    bridge = Bridge()
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    made = json.loads(downstream.body)["request_id"]
    assert len(made) == 32
    assert bridge.records.records[0].request_id.decode() == made
    assert len(bridge.records.records[0].trace_id) == 32


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        (b"Content-Type: application/grpc\r\ngrpc-timeout: 200m\r\n", 0.2),
        (b"Content-Type: application/grpc+proto\r\ngrpc-timeout: 1S\r\nX-Request-Timeout-Ms: 300\r\n", 0.3),
        (b"Content-Type: application/json\r\ngrpc-timeout: 200m\r\n", 15.0),
        (b"Content-Type: application/grpc\r\ngrpc-timeout: 1H\r\n", 15.0),
    ],
)
def test_grpc_says_its_limit_in_its_own_field_and_can_only_shorten_the_routes(fields: bytes, seconds: float) -> None:
    bridge = Bridge(UpstreamDouble())
    _, receiver = bridge.request(b"GET / HTTP/1.1\r\nHost: a\r\n" + fields + b"\r\n")
    assert receiver.decision.deadline == bridge.clock.now + seconds


def test_while_draining_a_refusal_closes_its_connection() -> None:
    bridge = Bridge()
    bridge.environment.draining = True
    bridge.router.route = None
    downstream, _ = bridge.request()
    assert downstream.told[0][3] is True
    assert b"\r\nConnection: close\r\n" in downstream.head


def test_an_exchange_keeps_the_rules_it_began_with() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    downstream, _ = bridge.request()
    bridge.router.route = None
    answers(first)
    assert downstream.status == 200
    assert bridge.request()[0].status == 404


def test_while_memory_is_short_a_request_is_refused_before_it_is_routed_and_its_connection_stays() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.environment.shedding = True
    bridge.router.broken = RuntimeError("it is not asked")
    downstream, receiver = bridge.request()
    assert downstream.status == 503
    told = json.loads(downstream.body)
    assert (told["reason"], told["rule"]) == ("overloaded", "overload/max_memory")
    assert b"\r\nRetry-After: 1\r\n" in downstream.head
    assert b'details="overloaded; rule=overload/max_memory"' in downstream.head
    assert downstream.told[0][3] is False
    assert bridge.unrouted.rejections == [("overload/max_memory", Reason.OVERLOADED)]
    assert bridge.unrouted.in_flight == 0
    assert bridge.records.records[0].rule == "overload/max_memory"
    receiver.downstream_gone()
    bridge.environment.shedding = False
    bridge.router.broken = None
    assert bridge.request()[0].told == []


def test_a_request_that_is_under_way_when_memory_becomes_short_is_answered() -> None:
    upstream = UpstreamDouble()
    bridge = Bridge(upstream)
    downstream, _ = bridge.request()
    bridge.environment.shedding = True
    answers(upstream)
    assert downstream.status == 200


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
def test_a_request_that_may_go_no_further_is_answered_here(method: bytes) -> None:
    bridge = Bridge(UpstreamDouble())
    downstream, _ = bridge.request(method + b" / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\nCookie: secret\r\n\r\n")
    assert downstream.status == 405
    assert json.loads(downstream.body)["reason"] == "max_forwards"
    assert b"\r\nAllow: \r\n" in downstream.head
    assert b"secret" not in downstream.head + downstream.body
    assert bridge.unrouted.rejections == [("", Reason.MAX_FORWARDS)]
    assert downstream.told[0][3] is False, "the connection can go on"
