"""Heads as values: look-up by name and limits."""

import pytest

from sidecar.wire.message import HeadLimits, RequestHead, ResponseHead, find_field


def block(*lines: bytes) -> bytes:
    return b"".join(line + b"\r\n" for line in lines)


def test_a_field_is_found_by_its_whole_name_in_any_case() -> None:
    head = RequestHead()
    head.fields = block(b"X-Ab: 1", b"AB:2", b"ab : not a name", b"Ab:\t 3 ", b"C:")
    assert head.header(b"ab") == b"2, 3"
    assert head.header(b"x-ab") == b"1"
    assert head.header(b"c") == b""
    assert head.header(b"b") is None
    assert head.header(b"2") is None


def test_picked_fields_are_found_too() -> None:
    head = RequestHead()
    head.forwarded_for, head.forwarded_host, head.forwarded_proto = b"1", b"2", b"3"
    head.via, head.request_id, head.traceparent, head.timeout_ms = b"4", b"5", b"6", b"7"
    names = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"via", b"x-request-id", b"traceparent")
    assert [head.header(name) for name in names] == [b"1", b"2", b"3", b"4", b"5", b"6"]
    assert head.header(b"x-request-timeout-ms") == b"7"
    assert head.header(b"upgrade") is None
    head.upgrade = b"websocket"
    assert head.header(b"upgrade") == b"websocket"


def test_a_response_joins_duplicates() -> None:
    head = ResponseHead()
    head.fields = block(b"Vary: a", b"Other: b", b"vary: c")
    assert (head.header(b"vary"), head.header(b"upgrade")) == (b"a, c", None)


def test_find_field_reads_the_original_spelling() -> None:
    fields = block(b"Name: VaLuE")
    assert find_field(fields, b"\r\n" + fields.lower(), b"name") == b"VaLuE"


def test_limits_that_admit_nothing_are_refused() -> None:
    assert (HeadLimits().max_bytes, HeadLimits().max_fields, HeadLimits().max_target) == (32768, 128, 8192)
    for limits in ((63, 1, 1), (64, 0, 1), (64, 1, 0)):
        with pytest.raises(ValueError, match="a head needs"):
            HeadLimits(*limits)
