"""What the upstream is told, byte for byte."""

import math
import random

from sidecar.wire.forwarding import DeadlineLine, attempt_line, client_scheme, forwarded_fields
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from sidecar.wire.trace_context import IdSource, RequestIds, TraceTerms, request_ids

IDS = RequestIds()
IDS.request_id, IDS.trace_id, IDS.ending = b"rid", b"t", b"-00\r\n"
SPAN = b"00f067aa0ba902b7"
STRANGER = Origin("192.0.2.7", b"http", False, 8080)
BALANCER = Origin("10.0.0.1", b"http", True, 8080)
TRACE = b"4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = b"b7ad6b7169203331"
TRACEPARENT = b"traceparent: 00-" + TRACE + b"-" + CALLER + b"-01"


def request(*lines: bytes, version: bytes = b"1.1") -> RequestHead:
    data = b"\r\n".join([b"GET / HTTP/" + version, b"Host: h:1", *lines, b"", b""])
    head = parse_request(data, HeadLimits())
    assert head is not None
    return head


def traced(*lines: bytes, terms: TraceTerms | None = None, span: bytes = SPAN) -> bytes:
    """What an attempt of such a request carries behind its X-Request-Id."""
    head = request(*lines)
    ids = request_ids(head, IdSource(random.Random(7).randbytes), terms or TraceTerms())
    fields = forwarded_fields(head, STRANGER, ids, span if ids.ending else b"")
    return fields.partition(b"X-Request-Id: " + ids.request_id + b"\r\n")[2]


def test_a_first_hop_names_the_peer_and_what_was_asked_for() -> None:
    assert forwarded_fields(request(), STRANGER, IDS, b"s") == (
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n"
        b"Via: 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: 00-t-s-00\r\n"
    )


def test_a_certificate_is_told_when_the_origin_has_one() -> None:
    known = Origin("192.0.2.7", b"https", False, 8443, "public", b'Hash=00;Subject="CN=a"')
    told = forwarded_fields(request(), known, IDS, b"s")
    assert told.endswith(b'-00\r\nX-Forwarded-Client-Cert: Hash=00;Subject="CN=a"\r\n')
    assert b"X-Forwarded-Proto: https\r\n" in told


def lines(head: RequestHead, origin: Origin, *names: bytes) -> list[bytes]:
    """The lines of these names that an attempt carries."""
    return [line for line in forwarded_fields(head, origin, IDS, b"").split(b"\r\n") if line.startswith(names)]


def test_x_forwarded_fields_are_left_out_where_the_listener_says_so() -> None:
    quiet = Origin("192.0.2.7", b"http", True, x_forwarded=False)
    came = request(b"X-Forwarded-For: 1.1.1.1", b"X-Forwarded-Host: a", b"X-Forwarded-Proto: https", b"Via: 1.0 a")
    assert forwarded_fields(came, quiet, IDS, b"s") == (
        b"Via: 1.0 a, 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: 00-t-s-00\r\n"
    )


def test_a_trusted_peers_forwarded_passes_and_is_told_as_x_forwarded_too() -> None:
    came = request(b'Forwarded: for="[2001:db8::1]:80";proto=HTTPS;host=a', b"Forwarded: for=10.0.0.9")
    assert lines(came, BALANCER, b"X-Forwarded-For", b"X-Forwarded-Proto", b"Forwarded") == [
        b"X-Forwarded-For: 2001:db8::1, 10.0.0.9, 10.0.0.1",
        b"X-Forwarded-Proto: http",
        b'Forwarded: for="[2001:db8::1]:80";proto=HTTPS;host=a, for=10.0.0.9',
    ]


def test_a_strangers_forwarded_is_dropped() -> None:
    came = request(b"Forwarded: for=1.1.1.1;proto=https")
    assert lines(came, STRANGER, b"X-Forwarded-", b"Forwarded") == [
        b"X-Forwarded-For: 192.0.2.7",
        b"X-Forwarded-Proto: http",
        b"X-Forwarded-Host: h:1",
    ]


def test_the_scheme_of_the_client_is_said_by_a_trusted_peer_or_is_that_of_the_connection() -> None:
    secure = Origin("10.0.0.1", b"https", True)
    assert client_scheme(request(), STRANGER) == b"http"
    assert client_scheme(request(b"X-Forwarded-Proto: https"), STRANGER) == b"http"
    assert client_scheme(request(b"X-Forwarded-Proto: https"), BALANCER) == b"https"
    assert client_scheme(request(b"X-Forwarded-Proto: http"), secure) == b"http"
    assert client_scheme(request(b"X-Forwarded-Proto: gopher"), secure) == b"https"
    assert client_scheme(request(b"Forwarded: for=1.1.1.1;proto=https"), BALANCER) == b"https"
    assert client_scheme(request(b"Forwarded: for=1.1.1.1;proto=https"), STRANGER) == b"http"
    assert client_scheme(request(b"Forwarded: for=1.1.1.1"), BALANCER) == b"http"


CLAIMS = (
    b"X-Forwarded-For: 1.1.1.1",
    b"X-Forwarded-For: 2.2.2.2",
    b"X-Forwarded-Proto: https",
    b"X-Forwarded-Host: public",
    b"Via: 1.0 a",
)


def test_a_trusted_peer_is_believed_about_proto_and_host() -> None:
    assert forwarded_fields(request(*CLAIMS), BALANCER, IDS, b"s") == (
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: public\r\n"
        b"Via: 1.0 a, 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: 00-t-s-00\r\n"
    )


def test_a_stranger_is_only_appended_to() -> None:
    assert forwarded_fields(request(*CLAIMS), STRANGER, IDS, b"s") == (
        b"X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h:1\r\n"
        b"Via: 1.0 a, 1.1 sidecar\r\nX-Request-Id: rid\r\ntraceparent: 00-t-s-00\r\n"
    )


def test_a_unix_socket_adds_no_address_and_a_missing_host_no_line() -> None:
    local = Origin("", b"https", True)
    bare = parse_request(b"GET / HTTP/1.0\r\n\r\n", HeadLimits())
    assert bare is not None
    assert forwarded_fields(bare, local, IDS, b"s") == (
        b"X-Forwarded-Proto: https\r\nVia: 1.0 sidecar\r\nX-Request-Id: rid\r\ntraceparent: 00-t-s-00\r\n"
    )
    assert forwarded_fields(request(b"X-Forwarded-For: 1.1.1.1"), local, IDS, b"s").startswith(
        b"X-Forwarded-For: 1.1.1.1\r\n"
    )


def test_attempts_are_numbered_from_the_second() -> None:
    assert attempt_line(1) == b""
    assert attempt_line(2) == b"X-Sidecar-Attempt: 2\r\n"


def test_the_line_of_a_deadline_says_what_is_left_of_this_one() -> None:
    line = DeadlineLine()
    assert line.of(math.inf) == b""
    assert line.of(0.0) == b"X-Request-Timeout-Ms: 0\r\n"
    assert line.of(0.2509) == line.of(0.2501) == b"X-Request-Timeout-Ms: 250\r\n"
    assert line.of(math.inf) == b""
    assert line.of(14.9999) == b"X-Request-Timeout-Ms: 14999\r\n"
    assert line.of(-0.003) == b"X-Request-Timeout-Ms: 0\r\n"


def test_each_attempt_has_its_own_span_in_the_trace_of_the_caller() -> None:
    carried = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\r\n"
    assert traced(TRACEPARENT) == carried
    assert traced(TRACEPARENT, span=CALLER[::-1]) == carried.replace(SPAN, CALLER[::-1])


def test_the_state_of_a_trace_goes_on_as_it_came_or_not_at_all() -> None:
    lines = (b"TraceState: a=1", b"tracestate:b=2 ,c=3")
    assert traced(*lines, TRACEPARENT).endswith(b"-01\r\nTraceState: a=1\r\ntracestate:b=2 ,c=3\r\n")
    for invalid in ((), (TRACEPARENT[:-1],), (TRACEPARENT, TRACEPARENT), (TRACEPARENT, b"traceparent:")):
        assert b"tracestate" not in traced(*lines, *invalid).lower()


def test_b3_goes_on_with_the_attempts_span_in_the_form_that_it_came_in() -> None:
    ours = b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\r\n"
    assert traced(b"b3: " + TRACE + b"-" + CALLER + b"-1") == (
        ours + b"b3: " + TRACE + b"-" + SPAN + b"-1-" + CALLER + b"\r\n"
    )
    assert traced(b"X-B3-TraceId: " + TRACE[16:], b"X-B3-SpanId: " + CALLER, b"X-B3-Sampled: 1") == (
        b"traceparent: 00-" + b"0" * 16 + TRACE[16:] + b"-" + SPAN + b"-01\r\n"
        b"X-B3-TraceId: " + TRACE[16:] + b"\r\nX-B3-SpanId: " + SPAN + b"\r\n"
        b"X-B3-ParentSpanId: " + CALLER + b"\r\nX-B3-Sampled: 1\r\n"
    )


def test_where_the_exchange_is_recorded_its_span_is_the_parent() -> None:
    line = b"b3: " + TRACE + b"-" + CALLER
    assert traced(line).endswith(b"\r\nb3: " + TRACE + b"-" + SPAN + b"\r\n")
    recorded = traced(line, terms=TraceTerms(recording=True))
    assert recorded.startswith(b"traceparent: 00-" + TRACE + b"-" + SPAN + b"-01\r\nb3: ")
    assert recorded.splitlines()[1].split(b"-")[2] == b"1"
    assert CALLER not in recorded


def test_with_headers_off_the_fields_of_traces_pass_as_they_came() -> None:
    off = TraceTerms(headers=False)
    assert traced(terms=off) == b""
    lines = (b"b3: x", TRACEPARENT, b"Tracestate: a=1", b"X-B3-Flags: 1")
    assert traced(*lines, terms=off) == b"\r\n".join([TRACEPARENT, b"b3: x", lines[2], lines[3], b""])
