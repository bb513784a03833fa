"""What a tracer is told, and when it is told nothing."""

from __future__ import annotations

import logging
import random

import pytest

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.model.trace import LONGEST_TEXT, ExchangeTrace, ExchangeTracer
from sidecar.policies.contract import REFUSED
from sidecar.rules.schema import TracingRule
from sidecar.wire.clientip import TrustedNetworks
from sidecar.wire.origin import Origin
from sidecar.wire.trace_context import IdSource
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answers
from tests.proxy.witnesses import Gate

TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = b"00f067aa0ba902b7"


class Tracer(ExchangeTracer):
    """Keeps what it is told; `broken` is its bug."""

    def __init__(self) -> None:
        self.told: list[ExchangeTrace] = []
        self.broken: Exception | None = None

    def exchange(self, trace: ExchangeTrace) -> None:
        if self.broken is not None:
            raise self.broken
        self.told.append(trace)


def traced(*streams: UpstreamDouble, sample: float = 1.0) -> tuple[Bridge, Tracer]:
    bridge, tracer = Bridge(*streams), Tracer()
    bridge.environment.ids = IdSource(random.Random(7).randbytes)
    bridge.environment.follow_tracing(TracingRule(sample=sample), tracer)
    return bridge, tracer


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET /a?token=1 HTTP/1.1", b"Host: h:1", *lines, b"", b""])


def sent_span(stream: UpstreamDouble) -> bytes:
    line = next(line for line in stream.head.split(b"\r\n") if line.startswith(b"traceparent: "))
    return line.split(b"-")[2]


def test_an_exchange_is_told_with_each_of_its_attempts() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge, tracer = traced(first, second)
    bridge.retries()
    line = b"traceparent: 00-" + TRACE + b"-" + CALLER + b"-01"
    bridge.request(head(line, b"tracestate: a=1", b"X-Request-Id: mine"))
    bridge.clock.now += 0.25
    bridge.wheel.now()
    answers(first, status=503)
    bridge.loop.advance(2.0)
    answers(second)
    (trace,) = tracer.told
    assert (trace.trace_id, trace.parent_id, trace.tracestate) == (TRACE, CALLER, b"a=1")
    assert (trace.request_id, trace.method, trace.scheme, trace.host) == (b"mine", b"GET", "http", b"h:1")
    assert (trace.path, trace.pattern, trace.route, trace.client) == (b"/a", "/", "everything", "192.0.2.7")
    assert (trace.status, trace.reason, trace.rule, trace.minor_version) == (200, None, "", 1)
    assert (trace.started, trace.ended) == (100.0, bridge.clock.now)
    one, two = trace.attempts
    assert (one.outcome, one.status, one.upstream, one.endpoint) == ("5xx", 503, "app", "app/127.0.0.1:3000")
    assert (one.started, one.ended) == (100.0, 100.25)
    assert (two.outcome, two.status, two.ended) == ("success", 200, trace.ended)
    assert [one.span_id, two.span_id] == [sent_span(first), sent_span(second)]
    assert len({CALLER, trace.span_id, one.span_id, two.span_id}) == 4


def test_an_attempt_that_was_never_sent_has_no_span() -> None:
    bridge, tracer = traced()
    bridge.request(head())
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    (trace,) = tracer.told
    (attempt,) = trace.attempts
    assert (attempt.span_id, attempt.outcome, attempt.status) == (b"", "connect_failure", 0)
    assert (trace.status, trace.reason, trace.parent_id, trace.tracestate) == (502, Reason.CONNECT_FAILURE, b"", b"")


def test_a_refusal_is_told_with_its_rule() -> None:
    bridge, tracer = traced()
    bridge.admits(Gate("everything/gate", REFUSED))
    bridge.request(head())
    (trace,) = tracer.told
    assert (trace.reason, trace.rule, trace.attempts) == (Reason.CONCURRENCY_LIMITED, "everything/gate", [])
    assert trace.status == Reason.CONCURRENCY_LIMITED.status


def test_a_bound_that_a_key_of_the_rules_sets_is_named_by_it() -> None:
    bridge, tracer = traced(UpstreamDouble())
    bridge.request(head())
    bridge.loop.advance(5.1)
    assert tracer.told[0].rule == "everything/timeout.attempt"


def test_what_never_becomes_an_exchange_is_told_too() -> None:
    bridge, tracer = traced()
    bridge.router.route = None
    bridge.request(head(b"traceparent: 00-" + TRACE + b"-" + CALLER + b"-01"))
    bridge.environment.shedding = True
    bridge.request(head())
    unrouted, shed = tracer.told
    assert (unrouted.trace_id, unrouted.parent_id, unrouted.reason) == (TRACE, CALLER, Reason.NO_ROUTE)
    assert (unrouted.route, unrouted.pattern, unrouted.status) == ("", "", 404)
    assert (shed.reason, shed.rule) == (Reason.OVERLOADED, "overload/max_memory")


def test_what_is_told_is_bounded_whatever_a_client_sends() -> None:
    bridge, tracer = traced(UpstreamDouble())
    long = b"x" * 5000
    lines = [long + b" /" + long + b" HTTP/1.1", b"Host: " + long, b"tracestate: a=" + long]
    lines.append(b"traceparent: 00-" + TRACE + b"-" + CALLER + b"-01")
    bridge.request(b"\r\n".join([*lines, b"", b""]))[1].downstream_gone()
    (trace,) = tracer.told
    assert (len(trace.method), len(trace.path), len(trace.host)) == (LONGEST_TEXT,) * 3
    assert (trace.tracestate, trace.trace_id) == (b"", TRACE)


def test_a_client_that_leaves_ends_its_span() -> None:
    bridge, tracer = traced(UpstreamDouble())
    _, receiver = bridge.request(head())
    receiver.downstream_gone()
    (trace,) = tracer.told
    assert (trace.status, trace.reason) == (499, Reason.DOWNSTREAM_GONE)
    assert [attempt.outcome for attempt in trace.attempts] == ["downstream_gone"]


def test_the_client_is_the_one_behind_trusted_proxies() -> None:
    bridge, tracer = traced(UpstreamDouble())
    bridge.origin = Origin("10.0.0.1", trusted=True)
    bridge.environment.trusted = TrustedNetworks(["10.0.0.0/8"])
    bridge.request(head(b"X-Forwarded-For: 198.51.100.4"))[1].downstream_gone()
    assert tracer.told[0].client == "198.51.100.4"


@pytest.mark.parametrize("flags", [b"00", b"02"])
def test_a_trace_that_is_not_sampled_is_not_recorded(flags: bytes) -> None:
    stream = UpstreamDouble()
    bridge, tracer = traced(stream, sample=0.0)
    bridge.request(head(b"traceparent: 00-" + TRACE + b"-" + CALLER + b"-" + flags))
    answers(stream)
    assert tracer.told == []
    assert (b"-" + flags + b"\r\n") in stream.head
    bridge.request(head())[1].downstream_gone()
    assert tracer.told == []


def test_who_stops_recording_is_told_no_more() -> None:
    stream = UpstreamDouble()
    bridge, tracer = traced(stream)
    bridge.request(head())
    bridge.environment.follow_tracing(TracingRule(), None)
    answers(stream)
    assert (tracer.told, bridge.route_log.in_flight) == ([], 0)


def test_a_tracers_bug_ends_no_exchange(caplog: pytest.LogCaptureFixture) -> None:
    stream = UpstreamDouble()
    bridge, tracer = traced(stream)
    tracer.broken = RuntimeError("tracer")
    downstream, _ = bridge.request(head())
    with caplog.at_level(logging.ERROR, "sidecar.proxy"):
        answers(stream)
        assert (downstream.status, downstream.body) == (200, b"ok")
        bridge.router.route = None
        assert bridge.request(head())[0].status == 404
    assert [record.message for record in caplog.records] == [
        "an exchange could not be traced",
        "a refusal could not be traced",
    ]
