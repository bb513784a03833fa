"""Traces through a running proxy: what a backend sees of them, attempt by attempt."""

from __future__ import annotations

import re

from tests.doubles.backend import OK, Backend, Request
from tests.doubles.running import example, rules_text, running

BUSY = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"
TRACE = b"0af7651916cd43dd8448eb211c80319c"
CALLER = b"b7ad6b7169203331"
TRACEPARENT = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
B3 = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def traceparent(request: Request) -> tuple[bytes, bytes, bytes]:
    """Trace, span and flags of a request."""
    match = re.fullmatch(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})", request.get("traceparent") or b"")
    assert match is not None
    return match[1], match[2], match[3]


async def test_a_retry_is_another_span_of_the_same_trace() -> None:
    async with Backend(BUSY, OK) as backend, running(given=example("tracing", backend.url)) as proxy:
        answer = await proxy.ask("/", TRACEPARENT, "tracestate: a=1,b=2", "tracestate: c=3")
        assert answer.status == 200
        first, second = backend.requests
        assert [traceparent(each)[0] for each in (first, second)] == [TRACE, TRACE]
        assert [traceparent(each)[2] for each in (first, second)] == [b"01", b"01"]
        assert len({CALLER, traceparent(first)[1], traceparent(second)[1]}) == 3
        assert [each.all("tracestate") for each in (first, second)] == [[b"a=1,b=2", b"c=3"]] * 2


async def test_a_trace_that_begins_here_is_one_for_all_attempts_and_not_sampled() -> None:
    async with Backend(BUSY, OK) as backend, running(given=example("tracing", backend.url)) as proxy:
        await proxy.ask("/", "traceparent: 00-zz", "tracestate: a=1")
        first, second = backend.requests
        assert traceparent(first)[0] == traceparent(second)[0] != TRACE
        assert traceparent(first)[1] != traceparent(second)[1]
        assert (traceparent(first)[2], first.get("tracestate")) == (b"00", None)


async def test_b3_is_continued_and_led_on_in_its_own_form() -> None:
    async with Backend(BUSY, OK) as backend, running(given=example("tracing", backend.url)) as proxy:
        await proxy.ask("/", f"b3: {B3}-1")
        for request in backend.requests:
            trace, span, flags = traceparent(request)
            assert (trace, flags) == (TRACE, b"01")
            assert request.get("b3") == b"-".join((TRACE, span, b"1", CALLER))
        await proxy.ask("/", f"X-B3-TraceId: {TRACE[16:].decode()}", f"X-B3-SpanId: {CALLER.decode()}")
        request = backend.requests[2]
        trace, span, flags = traceparent(request)
        assert (trace, flags) == (b"0" * 16 + TRACE[16:], b"00")
        assert (request.get("x-b3-traceid"), request.get("x-b3-spanid")) == (TRACE[16:], span)
        assert (request.get("x-b3-parentspanid"), request.get("x-b3-sampled")) == (CALLER, None)


async def test_b3_that_says_nothing_valid_passes_as_it_came() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        await proxy.ask("/", "b3: not-b3", "X-B3-TraceId: 12")
        (request,) = backend.requests
        assert (request.get("b3"), request.get("x-b3-traceid")) == (b"not-b3", b"12")
        assert traceparent(request)[2] == b"00"


async def test_what_connection_names_of_a_trace_goes_no_further() -> None:
    async with Backend() as backend, running(backend.url) as proxy:
        fields = (TRACEPARENT, "tracestate: a=1", "b3: 1", "Connection: tracestate, B3")
        await proxy.ask("/", *fields)
        (request,) = backend.requests
        assert traceparent(request)[0] == TRACE
        assert (request.all("tracestate"), request.all("b3")) == ([], [])


async def test_with_headers_off_nothing_is_made_or_touched() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url) + "tracing: {headers: false}\n"
        async with running(rules=rules) as proxy:
            await proxy.ask("/")
            await proxy.ask("/", TRACEPARENT, "tracestate: a=1", f"b3: {B3}-1")
            bare, told = backend.requests
            assert bare.get("traceparent") is None
            assert told.get("traceparent") == TRACEPARENT.split(": ")[1].encode()
            assert (told.get("tracestate"), told.get("b3")) == (b"a=1", f"{B3}-1".encode())


async def test_a_reload_changes_what_is_done_with_traces() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url)
        async with running(rules=rules) as proxy:
            await proxy.adopt(rules + "tracing: {headers: false}\n")
            await proxy.ask("/")
            await proxy.adopt(rules)
            await proxy.ask("/")
            assert [request.get("traceparent") is not None for request in backend.requests] == [False, True]


async def test_edits_of_the_rules_come_after_the_fields_of_a_trace() -> None:
    async with Backend() as backend:
        rules = rules_text(backend.url, route="request_headers: {remove: [traceparent, tracestate, b3]}")
        async with running(rules=rules) as proxy:
            await proxy.ask("/", TRACEPARENT, "tracestate: a=1", f"b3: {B3}")
            (request,) = backend.requests
            assert [request.all(name) for name in ("traceparent", "tracestate", "b3")] == [[], [], []]
