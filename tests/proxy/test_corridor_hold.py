"""An exchange that waits for an endpoint: what happens to it, to its body and to its client meanwhile."""

from __future__ import annotations

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.hold import Hold
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Sentinel, Upstream
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answers, problem

PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"


class Watch(Sentinel):
    def __init__(self) -> None:
        self.lost: list[Endpoint] = []

    def unreachable(self, endpoint: Endpoint) -> None:
        self.lost.append(endpoint)


def held_by(bridge: Bridge, timeout: float = 5.0) -> Upstream:
    """The bridge's upstream, which holds requests; its endpoint is down."""
    upstream = bridge.route.branch.upstream
    upstream.hold = Hold("app/hold", HoldSpec(timeout=timeout), bridge.attempts)
    upstream.sentinel = Watch()
    upstream.mark_down(bridge.clock.now, bridge.endpoint)
    return upstream


def number_held(bridge: Bridge) -> object:
    hold = bridge.route.branch.upstream.hold
    assert hold is not None
    return hold.snapshot(bridge.clock.now)["held"]


def test_held_requests_go_in_turns_of_their_own_each_at_its_instant() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    upstream = held_by(bridge)
    ears = [bridge.request()[0] for _ in range(2)]
    bridge.loop.advance(1.0)
    upstream.mark_up(bridge.clock.now, bridge.endpoint)
    assert first.told == [], "never inside whoever noticed that the endpoint is back"
    bridge.loop.run_ready()
    assert first.head.startswith(b"GET / ")
    assert second.told == []
    bridge.loop.advance(0.06)
    assert second.head.startswith(b"GET / ")
    for stream in (first, second):
        answers(stream)
    assert [one.status for one in ears] == [200, 200]
    assert bridge.route_log.in_flight == 0


def test_one_that_nothing_comes_back_for_is_refused_by_name_after_the_timeout() -> None:
    bridge = Bridge()
    held_by(bridge, timeout=2.0)
    downstream, _ = bridge.request()
    bridge.loop.advance(1.9)
    assert downstream.told == []
    bridge.loop.advance(0.2)
    assert downstream.status == 503
    assert (problem(downstream)["reason"], problem(downstream)["rule"]) == ("no_endpoint", "app/hold")
    assert number_held(bridge) == 0


def test_a_body_that_arrives_meanwhile_is_kept_and_sent() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    upstream = held_by(bridge)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"hel")
    receiver.request_data(b"lo")
    receiver.request_end(b"")
    upstream.mark_up(bridge.clock.now, bridge.endpoint)
    bridge.loop.run_ready()
    assert stream.body == b"hello"
    answers(stream)
    assert downstream.status == 200


def test_a_client_that_leaves_while_it_is_held_frees_its_place() -> None:
    bridge = Bridge()
    held_by(bridge)
    downstream, receiver = bridge.request()
    receiver.downstream_gone()
    assert (number_held(bridge), downstream.told) == (0, [])
    assert bridge.route_log.finishes == [(b"GET", 499, 0.0)]


def test_one_that_is_cut_short_by_our_own_side_frees_its_place_too() -> None:
    bridge = Bridge()
    held_by(bridge)
    downstream, receiver = bridge.request()
    receiver.request_broken(Reason.DRAINING, "the proxy is leaving")
    assert downstream.status == 503
    assert number_held(bridge) == 0


def test_an_attempt_that_finds_nobody_is_held_and_its_body_is_sent_when_somebody_is_back() -> None:
    stream = UpstreamDouble()
    bridge = Bridge()
    upstream = held_by(bridge)
    upstream.mark_up(bridge.clock.now, bridge.endpoint)
    downstream, receiver = bridge.request(PUT)
    receiver.request_data(b"hello")
    receiver.request_end(b"")
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert (number_held(bridge), bridge.endpoint.down, downstream.told) == (1, True, [])
    bridge.channel.streams.append(stream)
    upstream.mark_up(bridge.clock.now, bridge.endpoint)
    bridge.loop.run_ready()
    assert stream.body == b"hello"
    assert b"x-sidecar-attempt" not in stream.head.lower(), "nobody has seen a first one"
    answers(stream)
    assert downstream.status == 200
