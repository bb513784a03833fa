"""A timeout in shadow mode cuts nothing and counts what it would have cut."""

from __future__ import annotations

import math

import pytest

from sidecar.policies.timeout import TimeoutSpec
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answer

POST = b"POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
SWITCH = b"HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"


@pytest.mark.parametrize(
    ("to_head", "to_end", "told"),
    [
        (0.5, 0.5, []),
        (2.5, 0.0, ["everything/timeout.attempt"]),
        (3.5, 0.0, ["everything/timeout.request"]),
        (0.5, 10.0, ["everything/timeout.total"]),
    ],
)
def test_what_would_have_been_late_is_counted_once(to_head: float, to_end: float, told: list[str]) -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, request=math.inf, attempt=math.inf)
    bridge.route.shadow_timeout = TimeoutSpec(request=3.0, attempt=2.0, total=10.0, mode="shadow")
    downstream, _ = bridge.request()
    bridge.loop.advance(to_head)
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"ok")
    bridge.loop.advance(to_end)
    stream.receiver.response_end(b"")
    assert downstream.status == 200
    assert bridge.route_log.shadowed == told


def test_an_upload_that_takes_its_time_makes_no_attempt_late() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, request=math.inf, attempt=math.inf)
    bridge.route.shadow_timeout = TimeoutSpec(request=10.0, attempt=2.0, mode="shadow")
    downstream, receiver = bridge.request(POST)
    bridge.loop.advance(5.0)
    receiver.request_data(b"body")
    receiver.request_end(b"")
    bridge.loop.advance(1.0)
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"ok")
    stream.receiver.response_end(b"")
    assert downstream.status == 200
    assert bridge.route_log.shadowed == []


def test_a_tunnel_is_never_too_long() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream, request=math.inf, attempt=math.inf)
    bridge.route.shadow_timeout = TimeoutSpec(total=10.0, mode="shadow")
    _, receiver = bridge.request()
    stream.receiver.response_head(answer(SWITCH), False)
    bridge.loop.advance(50.0)
    receiver.downstream_gone()
    assert bridge.route_log.finishes[0][:2] == (b"GET", 101)
    assert bridge.route_log.shadowed == []
