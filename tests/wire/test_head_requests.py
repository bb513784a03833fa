"""Request heads as tables of bytes: what is accepted means exactly this, and what is refused is refused so."""

import pytest

from sidecar.wire.errors import BadMessage
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, RequestHead

LIMITS = HeadLimits()


def parsed(data: bytes, limits: HeadLimits = LIMITS) -> RequestHead:
    head = parse_request(data, limits)
    assert head is not None
    return head


def with_fields(*lines: bytes, start: bytes = b"GET / HTTP/1.1", host: bool = True) -> bytes:
    fields = ((b"Host: h",) if host else ()) + lines
    return b"\r\n".join([start, *fields, b"", b""])


def trickled(data: bytes, limits: HeadLimits, hinted: bool = True) -> str:
    """Feeds a head that must be refused one byte at a time; answers the code it is refused with."""
    for end in range(1, len(data) + 1):
        try:
            head = parse_request(data[:end], limits, end - 1 if hinted else 0)
        except BadMessage as error:
            return error.code
        assert head is None
    return ""


def refusal(data: bytes, limits: HeadLimits = LIMITS) -> tuple[str, str]:
    with pytest.raises(BadMessage) as caught:
        parse_request(data, limits)
    return caught.value.code, caught.value.detail


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
        b"GET / HTTP/1.2",
        b"GET / HTTP/2.0",
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


@pytest.mark.parametrize(
    ("fields", "framing", "length"),
    [
        ((b"Content-Length: 5",), LENGTH, 5),
        ((b"content-length:005\t",), LENGTH, 5),
        ((b"Content-Length: 0",), NO_BODY, 0),
        ((b"Content-Length: 9223372036854775807",), LENGTH, 2**63 - 1),
        ((b"Transfer-Encoding: chunked",), CHUNKED, -1),
        ((b"TRANSFER-encoding:\t Chunked \t",), CHUNKED, -1),
    ],
)
def test_the_body_framing_follows_the_fields(fields: tuple[bytes, ...], framing: int, length: int) -> None:
    head = parsed(with_fields(*fields))
    assert (head.framing, head.content_length) == (framing, length)


def test_equal_content_lengths_are_forwarded_as_one() -> None:
    head = parsed(with_fields(b"Content-Length: 5", b"A: b", b"content-length: 5"))
    assert head.fields == b"Host: h\r\nContent-Length: 5\r\nA: b\r\n"


def test_transfer_encoding_on_http_1_0_is_refused() -> None:
    data = with_fields(b"Transfer-Encoding: chunked", start=b"POST / HTTP/1.0")
    assert refusal(data) == ("bad_request", "Transfer-Encoding on HTTP/1.0")


@pytest.mark.parametrize(
    ("version", "connection", "kept"),
    [
        (b"1.1", None, True),
        (b"1.1", b"close", False),
        (b"1.1", b"Keep-Alive, Close", False),
        (b"1.0", None, False),
        (b"1.0", b"keep-alive", True),
        (b"1.0", b"Keep-Alive", True),
        (b"1.0", b"keep-alive, close", False),
        (b"1.1", b", ,", True),
    ],
)
def test_the_connection_persists_as_rfc_9112_says(version: bytes, connection: bytes | None, kept: bool) -> None:
    lines = () if connection is None else (b"Connection: " + connection,)
    assert parsed(with_fields(*lines, start=b"GET / HTTP/" + version)).keep_alive is kept


def test_hop_by_hop_fields_and_those_named_by_connection_are_cut() -> None:
    head = parsed(
        with_fields(
            b"A: 1",
            b"X-Hop: before",
            b"Connection: x-HOP, keep-alive, Cookie",
            b"Keep-Alive: timeout=5",
            b"proxy-connection: keep-alive",
            b"Proxy-Authorization: Basic x",
            b"Proxy-Authenticate: x",
            b"TE: trailers, deflate",
            b"Transfer-Encoding: chunked",
            b"Upgrade: websocket",
            b"HTTP2-Settings: x",
            b"X-Hop: after",
            b"Cookie: c",
            b"B: 2",
        )
    )
    assert head.fields == b"Host: h\r\nA: 1\r\nB: 2\r\n"
    assert head.te_trailers
    assert head.upgrade == b""


def test_fields_the_proxy_rewrites_are_picked_and_cut() -> None:
    head = parsed(
        with_fields(
            b"X-Forwarded-For: 1.1.1.1",
            b"X-Forwarded-Host: fh",
            b"x-forwarded-for: 2.2.2.2 , 3.3.3.3",
            b"X-Forwarded-Proto: https",
            b"Forwarded: for=1.1.1.1",
            b"Via: 1.0 a",
            b"Via: 1.1 b",
            b"X-Request-Id: id",
            b"X-Request-Timeout-Ms: 250",
            b"traceparent: tp",
            b"X-Sidecar-Attempt: 9",
            b"Idempotency-Key: k",
            b"Expect: 100-Continue",
        )
    )
    assert head.fields == b"Host: h\r\nForwarded: for=1.1.1.1\r\nIdempotency-Key: k\r\nExpect: 100-Continue\r\n"
    assert head.forwarded_for == b"1.1.1.1, 2.2.2.2 , 3.3.3.3"
    assert (head.forwarded_host, head.forwarded_proto, head.forwarded) == (b"fh", b"https", b"for=1.1.1.1")
    assert (head.via, head.request_id, head.timeout_ms) == (b"1.0 a, 1.1 b", b"id", b"250")
    assert head.traceparent == b"tp"
    assert head.has_idempotency_key
    assert head.expect_continue


def test_what_connection_names_is_not_believed_either() -> None:
    head = parsed(
        with_fields(
            b"X-Request-Id: a",
            b"traceparent: b",
            b"X-Request-Timeout-Ms: 1",
            b"Content-Type: c",
            b"Idempotency-Key: d",
            b"Expect: 100-continue",
            b"Connection: x-request-id, traceparent, x-request-timeout-ms, content-type, idempotency-key, expect",
        )
    )
    assert head.fields == b"Host: h\r\n"
    assert (head.request_id, head.traceparent, head.timeout_ms, head.content_type) == (None, None, None, None)
    assert not head.has_idempotency_key
    assert not head.expect_continue


@pytest.mark.parametrize(
    ("lines", "upgrade"),
    [
        ((b"Connection: Upgrade", b"Upgrade: websocket"), b"websocket"),
        ((b"Connection: keep-alive, upgrade", b"Upgrade: a/1", b"Upgrade: b"), b"a/1, b"),
        ((b"Upgrade: websocket",), b""),
        ((b"Connection: upgrade",), b""),
        ((b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: x"), b""),
        ((b"Connection: upgrade", b"Upgrade: websocket, H2C"), b""),
        ((b"Connection: upgrade", b"Upgrade: HTTP/2.0"), b""),
        ((b"Connection: upgrade", b"Upgrade: TLS/1.0"), b""),
    ],
)
def test_an_upgrade_needs_connection_and_is_never_to_another_http(lines: tuple[bytes, ...], upgrade: bytes) -> None:
    head = parsed(with_fields(*lines))
    assert head.upgrade == upgrade
    assert head.fields == b"Host: h\r\n"


def test_http_1_0_neither_upgrades_nor_expects() -> None:
    lines = (b"Connection: upgrade", b"Upgrade: websocket", b"Expect: 100-continue")
    head = parsed(with_fields(*lines, start=b"GET / HTTP/1.0"))
    assert head.upgrade == b""
    assert not head.expect_continue


def test_order_case_and_duplicates_are_kept_verbatim() -> None:
    block = b"zEbra:  two  spaces \r\nHost: h\r\nCookie: a\r\nEMPTY:\r\nCookie: b\r\nobs: \xff\xfe\r\n"
    assert parsed(b"GET / HTTP/1.1\r\n" + block + b"\r\n").fields == block


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
