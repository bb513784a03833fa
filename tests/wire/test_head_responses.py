"""Response heads as tables of bytes; every fault is the upstream's."""

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.head import HeadLimits, parse_response
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, ResponseHead

LIMITS = HeadLimits()


def parsed(data: bytes, method: bytes = b"GET", limits: HeadLimits = LIMITS) -> ResponseHead:
    head = parse_response(data, limits, method)
    assert head is not None
    return head


def reply(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> bytes:
    return b"\r\n".join([start, *lines, b"", b""])


def refusal(data: bytes, limits: HeadLimits = LIMITS) -> str:
    with pytest.raises(BadMessage) as caught:
        parse_response(data, limits, b"GET")
    assert caught.value.code == "upstream_protocol_error"
    return caught.value.detail


@pytest.mark.parametrize(
    ("start", "status", "reason", "minor"),
    [
        (b"HTTP/1.1 200 OK", 200, b"OK", 1),
        (b"HTTP/1.0 404 Not Found", 404, b"Not Found", 0),
        (b"HTTP/1.1 200 ", 200, b"", 1),
        (b"HTTP/1.1 200", 200, b"", 1),
        (b"HTTP/1.1 599 \xe4\tb", 599, b"\xe4\tb", 1),
        (b"HTTP/1.1 100 Continue", 100, b"Continue", 1),
    ],
)
def test_the_status_line_is_taken_apart(start: bytes, status: int, reason: bytes, minor: int) -> None:
    head = parsed(reply(start=start))
    assert (head.status, head.reason, head.minor_version) == (status, reason, minor)
    assert head.size == len(reply(start=start))


@pytest.mark.parametrize(
    "start",
    [
        b"HTTP/1.20 200 OK",
        b"HTTP/2 200 OK",
        b"HTTP/2.1 200 OK",
        b"http/1.1 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1  200 OK",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 2000 OK",
        b"HTTP/1.1 099 OK",
        b"HTTP/1.1 600 OK",
        b"HTTP/1.1 +20 OK",
        b"HTTP/1.1 2x0 OK",
        b"HTTP/1.1 200OK",
        b"HTTP/1.1 200\tOK",
        b"HTTP/1.1 200 O\x00K",
        b"HTTP/1.1 200 O\rK",
        b"HTTP/1.1 200 O\nK",
        b"\r\nHTTP/1.1 200 OK",
        b"\x15\x03\x01\x00\x02",
        b"HTTP/1.1 \xb2\xb2\xb2 OK",
    ],
)
def test_a_malformed_status_line_is_a_protocol_error(start: bytes) -> None:
    assert refusal(reply(start=start))


@pytest.mark.parametrize(
    "line",
    [
        b"A : b",
        b"A: b\r\n folded",
        b" A: b",
        b"A",
        b"A: \x00",
        b"A: b\rc",
        b"A: b\nc",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: five",
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked, gzip",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        b"Connection: content-length",
    ],
)
def test_a_malformed_field_is_a_protocol_error(line: bytes) -> None:
    assert refusal(reply(line))


def test_chunks_from_http_1_0_are_a_protocol_error() -> None:
    assert refusal(reply(b"Transfer-Encoding: chunked", start=b"HTTP/1.0 200 OK"))


@pytest.mark.parametrize(
    ("status", "method", "line", "framing", "kept"),
    [
        (200, b"GET", b"Content-Length: 5", LENGTH, True),
        (200, b"GET", b"Content-Length: 0", NO_BODY, True),
        (200, b"GET", b"Transfer-Encoding: chunked", CHUNKED, True),
        (200, b"GET", b"A: b", UNTIL_CLOSE, False),
        (200, b"HEAD", b"Content-Length: 5", NO_BODY, True),
        (200, b"HEAD", b"Transfer-Encoding: chunked", NO_BODY, True),
        (200, b"HEAD", b"A: b", NO_BODY, True),
        (304, b"GET", b"Content-Length: 5", NO_BODY, True),
        (204, b"GET", b"A: b", NO_BODY, True),
        (204, b"GET", b"Content-Length: 0", NO_BODY, True),
        (204, b"GET", b"Content-Length: 5", NO_BODY, False),
        (204, b"GET", b"Transfer-Encoding: chunked", NO_BODY, False),
        (103, b"GET", b"Link: x", NO_BODY, True),
        (101, b"GET", b"Connection: upgrade", NO_BODY, False),
        (200, b"GET", b"Connection: close\r\nContent-Length: 1", LENGTH, False),
    ],
)
def test_the_body_framing_follows_status_method_and_fields(
    status: int, method: bytes, line: bytes, framing: int, kept: bool
) -> None:
    head = parsed(reply(line, start=b"HTTP/1.1 %d x" % status), method)
    assert (head.framing, head.keep_alive) == (framing, kept)


def test_http_1_0_persists_only_when_it_says_so_and_has_a_length() -> None:
    start = b"HTTP/1.0 200 OK"
    assert not parsed(reply(b"Content-Length: 1", start=start)).keep_alive
    assert parsed(reply(b"Content-Length: 1", b"Connection: keep-alive", start=start)).keep_alive
    assert not parsed(reply(b"Connection: keep-alive", start=start)).keep_alive


def test_a_length_where_none_may_be_is_cut() -> None:
    for status in (100, 204):
        head = parsed(reply(b"A: b", b"Content-Length: 0", start=b"HTTP/1.1 %d x" % status))
        assert (head.fields, head.content_length) == (b"A: b\r\n", -1)
    head = parsed(reply(b"Content-Length: 7", start=b"HTTP/1.1 304 x"))
    assert (head.fields, head.content_length) == (b"Content-Length: 7\r\n", 7)


def test_hop_by_hop_fields_are_cut_and_the_rest_is_verbatim() -> None:
    head = parsed(
        reply(
            b"Set-Cookie: a=1",
            b"Connection: keep-alive, X-Hop",
            b"Via: 1.1 up",
            b"X-Hop: 1",
            b"Keep-Alive: timeout=5",
            b"Proxy-Authenticate: x",
            b"Proxy-Authentication-Info: x",
            b"set-cookie:b=2",
            b"Host: odd but no matter",
            b"Host: twice",
            b"X-Request-Id: theirs",
            b"Content-Length: 2",
        )
    )
    assert head.fields == (
        b"Set-Cookie: a=1\r\nVia: 1.1 up\r\nset-cookie:b=2\r\nHost: odd but no matter\r\nHost: twice\r\n"
        b"X-Request-Id: theirs\r\nContent-Length: 2\r\n"
    )
    assert head.header(b"set-cookie") == b"a=1, b=2"


def test_an_upgrade_is_kept_aside() -> None:
    head = parsed(reply(b"Connection: Upgrade", b"Upgrade: websocket", start=b"HTTP/1.1 101 Switching Protocols"))
    assert (head.upgrade, head.fields) == (b"websocket", b"")
    assert head.header(b"upgrade") == b"websocket"


def test_limits_hold_while_the_head_is_incomplete() -> None:
    limits = HeadLimits(max_bytes=64, max_fields=2)
    assert refusal(b"HTTP/1.1 200 " + b"a" * 60, limits) == "head too large"
    assert refusal(reply(b"A: " + b"b" * 60), limits) == "head too large"
    assert refusal(reply(b"A: b", b"B: c", b"C: d"), limits) == "too many fields"
    data = reply(b"A: b", b"B: " + b"c" * 100)
    outcomes: list[ResponseHead | None] = []
    details: set[str] = set()
    for end in range(1, len(data)):
        try:
            outcomes.append(parse_response(data[:end], limits, b"GET", end - 1))
        except BadMessage as error:
            outcomes.append(None)
            details.add(error.detail)
    assert details == {"head too large"}
    assert outcomes == [None] * (len(data) - 1)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 200 "])
def test_a_head_is_the_same_at_every_split(start: bytes) -> None:
    data = reply(b"Content-Length: 3", b"Connection: X", b"X: y", start=start)
    whole = parsed(data)
    for end in range(len(data)):
        assert parse_response(data[:end], LIMITS, b"GET") is None
        assert parse_response(data[:end], LIMITS, b"GET", max(0, end - 1)) is None
    head = parse_response(data, LIMITS, b"GET", len(data) - 1)
    assert head is not None
    for slot in ResponseHead.__slots__:
        if not slot.startswith("_"):
            assert getattr(head, slot) == getattr(whole, slot)


def test_a_later_minor_version_is_read_as_the_latest_that_is_known() -> None:
    head = parsed(reply(b"Content-Length: 0", start=b"HTTP/1.7 200 OK"))
    assert (head.minor_version, head.keep_alive) == (1, True)


@pytest.mark.parametrize(
    ("fields", "dated"),
    [
        (b"", False),
        (b"Date: x\r\n", True),
        (b"dAtE:\r\n", True),
        (b"X-Date: x\r\nDates: x\r\nData: x\r\n", False),
        (b"Date: x\r\nConnection: date\r\n", False),
    ],
)
def test_whether_an_answer_says_when_it_was_made(fields: bytes, dated: bool) -> None:
    head = parse_response(b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 0\r\n\r\n", HeadLimits(), b"GET")
    assert head is not None
    assert head.dated is dated
