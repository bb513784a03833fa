"""b3 in both forms, read and written."""

import pytest

from sidecar.wire.b3 import read_b3
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead

TRACE = b"0af7651916cd43dd8448eb211c80319c"
SHORT = TRACE[:16]
SPAN = b"b7ad6b7169203331"
OURS = b"00f067aa0ba902b7"
NONE = b"0" * 16


def request(*lines: bytes) -> RequestHead:
    head = parse_request(b"\r\n".join([b"GET / HTTP/1.1", b"Host: h", *lines, b"", b""]), HeadLimits())
    assert head is not None
    return head


@pytest.mark.parametrize(
    ("value", "trace", "span", "state"),
    [
        (b"0", b"", b"", b"0"),
        (b"1", b"", b"", b"1"),
        (b"d", b"", b"", b"d"),
        (TRACE + b"-" + SPAN, TRACE, SPAN, b""),
        (SHORT + b"-" + SPAN + b"-1", SHORT, SPAN, b"1"),
        (TRACE + b"-" + SPAN + b"-d-" + OURS, TRACE, SPAN, b"d"),
        (TRACE + b"-" + SPAN + b"-0-" + OURS, TRACE, SPAN, b"0"),
    ],
)
def test_the_single_form_is_read(value: bytes, trace: bytes, span: bytes, state: bytes) -> None:
    (form,) = read_b3(request(b"B3: " + value))
    assert (form.single, form.trace_id, form.span_id, form.state) == (True, trace, span, state)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"2",
        b"true",
        b"01",
        TRACE,
        SPAN + b"-1",
        TRACE + b"-" + SPAN + b"-",
        TRACE + b"-" + SPAN + b"-2",
        TRACE + b"-" + SPAN + b"--" + OURS,
        TRACE + b"-" + SPAN + b"-1-" + OURS + b"-1",
        TRACE + b"-" + SPAN + b"-1-" + OURS[1:],
        TRACE[1:] + b"-" + SPAN,
        TRACE + b"-" + SPAN[1:],
        TRACE.upper() + b"-" + SPAN,
        NONE + NONE + b"-" + SPAN,
        TRACE + b"-" + NONE,
        b"1\r\nb3: 1",
        b"1\r\nb3:",
    ],
)
def test_what_is_malformed_in_the_single_form_is_not_believed(value: bytes) -> None:
    assert read_b3(request(b"b3: " + value)) == []


@pytest.mark.parametrize(
    ("lines", "trace", "state"),
    [
        ((b"TraceId: " + TRACE, b"SpanId: " + SPAN), TRACE, b""),
        ((b"TraceId: " + SHORT, b"SpanId: " + SPAN, b"Sampled: 1", b"ParentSpanId: " + OURS), SHORT, b"1"),
        ((b"TraceId: " + TRACE, b"SpanId: " + SPAN, b"Sampled: false"), TRACE, b"0"),
        ((b"TraceId: " + TRACE, b"SpanId: " + SPAN, b"Sampled: 0", b"Flags: 1"), TRACE, b"d"),
        ((b"TraceId: " + TRACE, b"SpanId: " + SPAN, b"Sampled: true", b"Flags: 0"), TRACE, b"1"),
        ((b"Sampled: 0",), b"", b"0"),
        ((b"Flags: 1",), b"", b"d"),
    ],
)
def test_the_form_of_several_fields_is_read(lines: tuple[bytes, ...], trace: bytes, state: bytes) -> None:
    (form,) = read_b3(request(*(b"X-B3-" + line for line in lines)))
    assert (form.single, form.trace_id, form.state) == (False, trace, state)


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (b"Flags: 0",),
        (b"Flags: 2", b"Sampled: 1"),
        (b"Sampled: d",),
        (b"Sampled: 1", b"Sampled: 1"),
        (b"TraceId: " + TRACE,),
        (b"SpanId: " + SPAN, b"Sampled: 1"),
        (b"ParentSpanId: " + SPAN, b"Sampled: 1"),
        (b"TraceId: " + TRACE, b"SpanId: " + NONE),
        (b"TraceId: " + TRACE + b"0", b"SpanId: " + SPAN),
        (b"TraceId: " + TRACE, b"SpanId: " + SPAN, b"ParentSpanId: 1"),
    ],
)
def test_what_is_malformed_in_several_fields_is_not_believed(lines: tuple[bytes, ...]) -> None:
    assert read_b3(request(*(b"X-B3-" + line for line in lines))) == []


def test_the_single_form_comes_first() -> None:
    forms = read_b3(request(b"X-B3-Sampled: 1", b"b3: 0"))
    assert [(form.single, form.state) for form in forms] == [(True, b"0"), (False, b"1")]


def test_a_trace_of_64_bits_keeps_its_digits_and_is_padded_for_others() -> None:
    (form,) = read_b3(request(b"b3: " + SHORT + b"-" + SPAN))
    assert form.wide_trace_id == NONE + SHORT
    assert form.lines(NONE + SHORT, OURS, SPAN, False) == b"b3: " + SHORT + b"-" + OURS + b"\r\n"


@pytest.mark.parametrize(
    ("line", "parent", "recorded", "written"),
    [
        (b"b3: " + TRACE + b"-" + SPAN + b"-d", SPAN, False, b"b3: " + TRACE + b"-" + OURS + b"-d-" + SPAN + b"\r\n"),
        (b"b3: " + TRACE + b"-" + SPAN, SPAN, True, b"b3: " + TRACE + b"-" + OURS + b"-1-" + SPAN + b"\r\n"),
        (b"b3: 1", b"", False, b"b3: " + TRACE + b"-" + OURS + b"-1\r\n"),
        (
            b"X-B3-Flags: 1",
            b"",
            True,
            b"X-B3-TraceId: " + TRACE + b"\r\nX-B3-SpanId: " + OURS + b"\r\nX-B3-Flags: 1\r\n",
        ),
        (
            b"X-B3-Sampled: true",
            SPAN,
            True,
            b"X-B3-TraceId: " + TRACE + b"\r\nX-B3-SpanId: " + OURS + b"\r\nX-B3-ParentSpanId: " + SPAN + b"\r\n"
            b"X-B3-Sampled: 1\r\n",
        ),
    ],
)
def test_an_attempt_carries_the_form_with_its_own_span(
    line: bytes, parent: bytes, recorded: bool, written: bytes
) -> None:
    (form,) = read_b3(request(line))
    assert form.lines(TRACE, OURS, parent, recorded) == written
