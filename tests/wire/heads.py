"""Request heads for tests: written, taken apart, refused."""

from __future__ import annotations

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import RequestHead

LIMITS = HeadLimits()


def parsed(data: bytes, limits: HeadLimits = LIMITS) -> RequestHead:
    head = parse_request(data, limits)
    assert head is not None
    return head


def with_fields(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bool = True) -> bytes:
    fields = ((b"Host: h",) if host else ()) + lines
    return b"\r\n".join([start, *fields, b"", b""])


def refusal(data: bytes, limits: HeadLimits = LIMITS) -> tuple[str, str]:
    with pytest.raises(BadMessage) as caught:
        parse_request(data, limits)
    return caught.value.code, caught.value.detail
