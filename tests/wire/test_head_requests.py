"""Request heads as tables of bytes: what is accepted means exactly this, and what is refused is refused so."""

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import CHUNKED, NO_BODY, RequestHead
from tests.wire.heads import LIMITS, parsed, refusal, with_fields


def trickled(data: bytes, limits: HeadLimits, hinted: bool = True) -> str:
    """Feeds a head that must be refused one byte at a time; answers the code it is refused with."""
    for end in range(1, len(data) + 1):
        try:
            head = parse_request(data[:end], limits, end - 1 if hinted else 0)
        except BadMessage as error:
            return error.code
        assert head is None
    return ""


def test_a_plain_request_is_taken_apart() -> None:
    data = b"GET /a/b?c=1&d HTTP/1.1\r\nHost: example.com:8080\r\nUser-Agent: x\r\nContent-Type: a/b\r\n\r\nrest"
    head = parsed(data)
    assert (head.method, head.target, head.origin_target) == (b"GET", b"/a/b?c=1&d", b"/a/b?c=1&d")
    assert (head.path, head.query, head.authority) == (b"/a/b", b"c=1&d", b"example.com:8080")
    assert head.fields == b"Host: example.com:8080\r\nUser-Agent: x\r\nContent-Type: a/b\r\n"
    assert head.size == len(data) - 4
    assert (head.minor_version, head.framing, head.content_length) == (1, NO_BODY, -1)
    assert head.keep_alive
    assert head.content_type == b"a/b"
    assert not head.expect_continue
    assert not head.te_trailers
    assert not head.has_idempotency_key
    assert head.upgrade == b""


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/?", b"/", b""),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"//double//slash", b"//double//slash", b""),
        (b"/%2e%2e/%00", b"/%2e%2e/%00", b""),
        (b"/../x", b"/../x", b""),
        (b'/"<>^`{|}\\', b'/"<>^`{|}\\', b""),
    ],
)
def test_path_and_query_are_kept_byte_for_byte(target: bytes, path: bytes, query: bytes) -> None:
    head = parsed(with_fields(start=b"GET " + target + b" HTTP/1.1"))
    assert (head.path, head.query, head.origin_target) == (path, query, target)


@pytest.mark.parametrize(
    ("start", "forwarded", "authority"),
    [
        (b"GET http://a.com/x?y HTTP/1.1", b"/x?y", b"a.com"),
        (b"GET HTTP://A.com:81 HTTP/1.1", b"/", b"A.com:81"),
        (b"GET https://a.com?q HTTP/1.1", b"/?q", b"a.com"),
        (b"OPTIONS http://a.com HTTP/1.1", b"*", b"a.com"),
        (b"OPTIONS * HTTP/1.1", b"*", b"h"),
        (b"GET http://[::1]:8/ HTTP/1.1", b"/", b"[::1]:8"),
    ],
)
def test_other_target_forms_are_forwarded_in_origin_form(start: bytes, forwarded: bytes, authority: bytes) -> None:
    head = parsed(with_fields(b"A: b", start=start))
    assert (head.origin_target, head.authority) == (forwarded, authority)
    assert head.target == start.split(b" ")[1]
    assert head.header(b"host") == authority
    assert head.fields == b"Host: " + authority + b"\r\nA: b\r\n"


def test_the_authority_of_an_absolute_target_replaces_host_where_it_stands() -> None:
    data = b"GET http://real/ HTTP/1.1\r\nA: 1\r\nhOST: other\r\nB: 2\r\n\r\n"
    assert parsed(data).fields == b"A: 1\r\nHost: real\r\nB: 2\r\n"
    assert parsed(b"GET http://real/ HTTP/1.0\r\nA: 1\r\n\r\n").fields == b"Host: real\r\nA: 1\r\n"


@pytest.mark.parametrize(
    "start",
    [
        b"GET  / HTTP/1.1",
        b"GET /  HTTP/1.1",
        b"GET\t/ HTTP/1.1",
        b" GET / HTTP/1.1",
        b"G@T / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b"GET / http/1.1",
        b"GET / HTTP/2.0",
        b"GET / HTTP/2.1",
        b"GET / HTTP/1.20",
        b"GET / HTTP/1.2 ",
        b"GET / HTTP/1.:",
        b"GET / http/1.2",
        b"GET / HTTP/0.9",
        b"GET / HTTP/01.1",
        b"GET / HTTP/1.10",
        b"GET /",
        b"GET",
        b"PRI * HTTP/2.0",
        b"GET * HTTP/1.1",
        b"GET a.com HTTP/1.1",
        b"GET a.com:80 HTTP/1.1",
        b"GET ?x HTTP/1.1",
        b"GET /a#b HTTP/1.1",
        b"GET /\x00 HTTP/1.1",
        b"GET /\x7f HTTP/1.1",
        b"GET /caf\xc3\xa9 HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"CONNECT a.com:443 HTTP/1.1",
        b"CONNECT / HTTP/1.1",
        b"GET ftp://a.com/ HTTP/1.1",
        b"GET http:///x HTTP/1.1",
        b"GET http://:80/x HTTP/1.1",
        b"GET http://u@a.com/ HTTP/1.1",
        b"GET http://a.com:b/ HTTP/1.1",
        b"GET http://[::1/ HTTP/1.1",
        b"OPTIONS *x HTTP/1.1",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00",
        b"\nGET / HTTP/1.1",
        b"\rGET / HTTP/1.1",
        b"\r\n\r\n\r\nGET / HTTP/1.1",
    ],
)
def test_a_malformed_request_line_is_a_bad_request(start: bytes) -> None:
    assert refusal(with_fields(start=start))[0] == "bad_request"


@pytest.mark.parametrize(
    "start", [b"\x16\x03\x01", b"PRI * HTTP/2.", b"GET / HTTP/3", b"\x00", b"GET /\x01", b"GET /a\r", b"\n", b"\rG"]
)
def test_what_can_become_no_request_is_refused_before_it_is_complete(start: bytes) -> None:
    assert refusal(start)[0] == "bad_request"


def test_up_to_two_empty_lines_before_a_request_are_skipped_and_counted() -> None:
    for skipped in (b"\r\n", b"\r\n\r\n"):
        assert parse_request(skipped, LIMITS) is None
        assert parsed(skipped + with_fields()).size == len(skipped) + len(with_fields())


BAD_FIELDS = [
    b"Name : v",
    b"Name\t: v",
    b" Name: v",
    b"Name",
    b": v",
    b"Na me: v",
    b"Na\x00me: v",
    b"N\xc3\xa4me: v",
    b"N(me: v",
    b"Name: a\x00b",
    b"Name: a\x01b",
    b"Name: a\x7fb",
    b"Name: a\rb",
    b"Name: a\nb",
    b"Name: a\r",
    b"Name: a\r\n folded",
    b"Name: a\r\n\tfolded",
    b"Content-Length: +5",
    b"Content-Length: -5",
    b"Content-Length: ",
    b"Content-Length: 5, 5",
    b"Content-Length: 5, 6",
    b"Content-Length: 5 5",
    b"Content-Length: 0x5",
    b"Content-Length: 5_0",
    b"Content-Length: 5.0",
    b"Content-Length: \xd9\xa5",
    b"Content-Length: 9223372036854775808",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 5\r\nContent-Length: 6",
    b"Content-Length: 5\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"transfer-encoding: chunked\r\ncontent-length: 0",
    b"Transfer-Encoding: chunked, chunked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunked;x",
    b"Transfer-Encoding: chunked,",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding:",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"Transfer-Encoding:\r\n chunked",
    b"Host: h",
    b"Host: other",
    b"HOST:h",
    b"Connection: host",
    b"Connection: close, Content-Length",
    b"Connection: Transfer-Encoding",
    b"Connection: X-Forwarded-For",
    b"Connection: a b",
    b"Connection: \xff",
]


@pytest.mark.parametrize("line", BAD_FIELDS)
def test_a_malformed_or_ambiguous_field_is_a_bad_request(line: bytes) -> None:
    assert refusal(with_fields(line))[0] == "bad_request"
    assert refusal(with_fields(line, b"After: x"))[0] == "bad_request"


@pytest.mark.parametrize("line", BAD_FIELDS)
@pytest.mark.parametrize("hinted", [False, True])
def test_no_prefix_of_a_refused_head_is_accepted(line: bytes, hinted: bool) -> None:
    data = with_fields(line, b"After: x")
    assert trickled(data, LIMITS, hinted) == "bad_request"


@pytest.mark.parametrize(
    "host",
    [
        *(b"a@b", b"a/b", b"a?b", b"a#b", b"a b", b"a\tb", b"a\\b", b"h\xc3", b"a:b", b"a:123456", b"a:1:2", b"a,b"),
        *(b"[::1", b"[::1]x", b"[]", b"[g]", b"a:+1", b'"a"', b"<a>"),
    ],
)
def test_an_invalid_host_is_a_bad_request(host: bytes) -> None:
    assert refusal(with_fields(b"Host: " + host, host=False)) == ("bad_request", "invalid Host")


def test_a_missing_host_is_refused_in_http_1_1_only() -> None:
    assert refusal(with_fields(host=False)) == ("bad_request", "no Host")
    assert parsed(b"GET / HTTP/1.0\r\n\r\n").authority == b""


@pytest.mark.parametrize("host", [b"", b"a", b"A-b.c_d:80", b"[::1]", b"[2001:db8::1]:443", b"1.2.3.4:1", b"a:"])
def test_a_valid_host_is_the_authority(host: bytes) -> None:
    assert parsed(with_fields(b"Host:" + host + b" ", host=False)).authority == host


def test_limits_hold_exactly_and_each_has_its_code() -> None:
    base = with_fields(b"A: b")
    limits = HeadLimits(max_bytes=64, max_fields=2, max_target=10)
    filled = with_fields(b"A: " + b"b" * (64 - len(base) + 1))
    assert len(filled) == 64
    assert parsed(filled, limits).size == 64
    assert parsed(b"\r\n\r\n" + filled, limits).size == 68
    assert refusal(with_fields(b"A: " + b"b" * (65 - len(base) + 1)), limits)[0] == "headers_too_large"
    assert refusal(filled[:-4] + b"bbbb", limits)[0] == "headers_too_large"
    assert refusal(with_fields(b"A: b", b"B: c"), limits) == ("headers_too_large", "too many fields")
    assert parsed(with_fields(start=b"GET /123456789 HTTP/1.1"), limits).path == b"/123456789"
    assert refusal(with_fields(start=b"GET /1234567890 HTTP/1.1"), limits)[0] == "uri_too_long"
    assert refusal(b"GET /1234567890", limits)[0] == "uri_too_long"
    assert refusal(b"G" * 64, limits)[0] == "headers_too_large"
    assert refusal(b"GET /" + b"a" * 60, HeadLimits(64, 2, 100))[0] == "uri_too_long"


def test_limits_hold_for_a_head_that_trickles_in() -> None:
    limits = HeadLimits(max_bytes=100)
    data = with_fields(b"A: " + b"b" * 200)
    assert trickled(data, limits) == trickled(data, limits, hinted=False) == "headers_too_large"


@pytest.mark.parametrize("step", [1, 2, 3, 7])
@pytest.mark.parametrize("lead", [b"", b"\r\n", b"\r\n\r\n"])
def test_a_head_is_the_same_at_every_split(step: int, lead: bytes) -> None:
    data = lead + with_fields(b"Connection: close, X", b"X: y", b"Content-Length: 3", start=b"PUT /a?b HTTP/1.1")
    whole = parsed(data)
    for first in range(len(data)):
        assert parse_request(data[:first], LIMITS) is None
    searched = 0
    for end in range(step, len(data) + step, step):
        head = parse_request(data[:end], LIMITS, searched)
        searched = min(end, len(data))
        if end < len(data):
            assert head is None
    assert head is not None
    for slot in RequestHead.__slots__:
        if not slot.startswith("_"):
            assert getattr(head, slot) == getattr(whole, slot)


def test_bytes_after_the_head_do_not_change_it() -> None:
    data = with_fields(b"Content-Length: 9")
    assert parsed(data + b"\x00\n\r\r\nGET / HTTP/1.1").fields == parsed(data).fields
    assert parsed(data + data).size == len(data)


@pytest.mark.parametrize("minor", [b"2", b"3", b"9"])
def test_a_later_minor_version_is_read_as_the_latest_that_is_known(minor: bytes) -> None:
    data = with_fields(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1." + minor)
    head = parsed(data)
    assert (head.minor_version, head.framing, head.keep_alive) == (1, CHUNKED, True)
    assert [parse_request(data[:at], LIMITS) for at in range(len(data))] == [None] * len(data)


@pytest.mark.parametrize("method", [b"OPTIONS", b"TRACE"])
def test_max_forwards_of_options_and_trace_is_counted(method: bytes) -> None:
    head = parsed(with_fields(b"Max-Forwards: 3", b"X: 1", start=method + b" /a HTTP/1.1"))
    assert (head.max_forwards, head.fields) == (3, b"Host: h\r\nMax-Forwards: 2\r\nX: 1\r\n")
    assert head.header(b"max-forwards") == b"2"
    assert parsed(with_fields(b"Max-Forwards: 0", start=method + b" /a HTTP/1.1")).max_forwards == 0
    assert parsed(with_fields(start=method + b" /a HTTP/1.1")).max_forwards == -1


def test_max_forwards_of_other_methods_is_not_ours_to_count() -> None:
    head = parsed(with_fields(b"Max-Forwards: 0"))
    assert (head.max_forwards, head.fields) == (-1, b"Host: h\r\nMax-Forwards: 0\r\n")
