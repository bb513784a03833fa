"""b3, the fields by which Zipkin's kin pass a trace on (https://github.com/openzipkin/b3-propagation).

Owns how both forms are read and written: `b3: TRACE-SPAN-STATE-PARENT`, and X-B3-TraceId with its companions. May not
know W3C's fields, nor which of them decides. What has one malformed part is believed in nothing.
"""

from __future__ import annotations

from sidecar.wire.message import RequestHead

SINGLE = frozenset({b"b3"})
MULTI = frozenset({b"x-b3-traceid", b"x-b3-spanid", b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-flags"})

_LOWER_HEX = b"0123456789abcdef"
# `true` and `false` were written before there was a specification, and may be read.
_STATES = {b"0": b"0", b"1": b"1", b"false": b"0", b"true": b"1"}


class B3:
    """What one form said. `trace_id` is as it came, 16 or 32 digits, and empty where only a decision did; `state` is
    `0`, `1`, `d` (sampled, and to be kept) or empty, where the decision is left to whoever reads."""

    __slots__ = ("single", "span_id", "state", "trace_id")

    def __init__(self, single: bool, trace_id: bytes, span_id: bytes, state: bytes) -> None:
        self.single = single
        self.trace_id = trace_id
        self.span_id = span_id
        self.state = state

    @property
    def wide_trace_id(self) -> bytes:
        """The trace in 32 digits: one of 64 bits has zeros on its left."""
        return self.trace_id.rjust(32, b"0") if self.trace_id else b""

    @property
    def names(self) -> frozenset[bytes]:
        """The fields of this form, in lower case."""
        return SINGLE if self.single else MULTI

    def lines(self, trace_id: bytes, span_id: bytes, parent_id: bytes, recorded: bool) -> bytes:
        """This form for an attempt: its span, its parent (perhaps empty), and the state that came. One left open is
        closed where somebody records; `trace_id` is for a form that came with none."""
        trace_id = self.trace_id or trace_id
        state = self.state or (b"1" if recorded else b"")
        if self.single:
            parts = [trace_id, span_id]
            if state:  # the parent has its place behind it, and no other
                parts += [state, parent_id] if parent_id else [state]
            return b"b3: " + b"-".join(parts) + b"\r\n"
        lines = b"X-B3-TraceId: " + trace_id + b"\r\nX-B3-SpanId: " + span_id + b"\r\n"
        if parent_id:
            lines += b"X-B3-ParentSpanId: " + parent_id + b"\r\n"
        if state:
            lines += b"X-B3-Flags: 1\r\n" if state == b"d" else b"X-B3-Sampled: " + state + b"\r\n"
        return lines


def read_b3(head: RequestHead) -> list[B3]:
    """The valid forms that the request carries; the single one first, as who reads both takes it."""
    return [form for form in (_single(head), _multi(head)) if form is not None]


def _single(head: RequestHead) -> B3 | None:
    value = head.header(b"b3")
    if value is None:
        return None
    if value in (b"0", b"1", b"d"):
        return B3(True, b"", b"", value)
    parts = value.split(b"-")
    if not 2 <= len(parts) <= 4 or not _is_trace(parts[0]) or not _is_span(parts[1]):
        return None
    if len(parts) > 2 and parts[2] not in (b"0", b"1", b"d"):
        return None
    if len(parts) > 3 and not _is_span(parts[3]):
        return None
    return B3(True, parts[0], parts[1], parts[2] if len(parts) > 2 else b"")


def _multi(head: RequestHead) -> B3 | None:
    trace_id = head.header(b"x-b3-traceid")
    span_id = head.header(b"x-b3-spanid")
    parent_id = head.header(b"x-b3-parentspanid")
    sampled = head.header(b"x-b3-sampled")
    flags = head.header(b"x-b3-flags")
    if sampled not in (None, *_STATES) or flags not in (None, b"0", b"1"):
        return None
    state = b"d" if flags == b"1" else b"" if sampled is None else _STATES[sampled]
    if trace_id is None and span_id is None and parent_id is None:
        return B3(False, b"", b"", state) if state else None
    if trace_id is None or span_id is None or not _is_trace(trace_id) or not _is_span(span_id):
        return None
    return B3(False, trace_id, span_id, state) if parent_id is None or _is_span(parent_id) else None


def _is_trace(value: bytes) -> bool:
    return len(value) in (16, 32) and _is_identifier(value)


def _is_span(value: bytes) -> bool:
    return len(value) == 16 and _is_identifier(value)


def _is_identifier(value: bytes) -> bool:
    return not value.translate(None, _LOWER_HEX) and bool(value.strip(b"0"))
