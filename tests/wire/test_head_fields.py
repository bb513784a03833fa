"""What the fields of a request mean: framing, persistence, what is cut and what is picked."""

import pytest

from sidecar.wire.head import parse_request, parse_response
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY
from tests.wire.heads import LIMITS, parsed, refusal, with_fields


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


@pytest.mark.parametrize("line", [b"\t5", b" 5 ", b"5\t", b"  5", b" \t5", b"\t 5\t "])
def test_the_spaces_around_a_length_are_made_those_that_all_readers_know(line: bytes) -> None:
    assert parsed(with_fields(b"content-length:" + line)).fields == b"Host: h\r\nContent-Length: 5\r\n"
    answer = parse_response(b"HTTP/1.1 200 OK\r\nContent-Length:" + line + b"\r\n\r\n", LIMITS, b"GET")
    assert answer is not None
    assert answer.fields == b"Content-Length: 5\r\n"


@pytest.mark.parametrize("line", [b"\th", b" h ", b"h\t", b"  h", b" \th"])
def test_the_spaces_around_a_host_are_made_those_that_all_readers_know(line: bytes) -> None:
    head = parsed(with_fields(b"host:" + line, b"A: b", host=False))
    assert (head.authority, head.fields) == (b"h", b"Host: h\r\nA: b\r\n")


@pytest.mark.parametrize("line", [b"host:h", b"hOst: h", b"content-length:5", b"Content-LENGTH: 5", b"A:\tb "])
def test_what_every_reader_knows_is_left_as_it_came(line: bytes) -> None:
    others = () if line[:1] in b"hH" else (b"Host: h",)
    head = parsed(with_fields(*others, line, host=False))
    assert line + b"\r\n" in head.fields


@pytest.mark.parametrize("zeros", [b"05", b"0000000000000000005"])
def test_a_length_is_forwarded_in_the_only_form_that_all_read_alike(zeros: bytes) -> None:
    head = parsed(with_fields(b"A: b", b"content-length: " + zeros, b"Content-Length: 5", b"C: d"))
    assert head.content_length == 5
    assert head.fields == b"Host: h\r\nA: b\r\nContent-Length: 5\r\nC: d\r\n"


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
            b"TraceState: a=1",
            b"B3: 1",
            b"tracestate: b=2",
            b"X-Sidecar-Attempt: 9",
            b"x-Forwarded-client-CERT: Hash=00",
            b"Idempotency-Key: k",
            b"Expect: 100-Continue",
        )
    )
    assert head.fields == b"Host: h\r\nIdempotency-Key: k\r\nExpect: 100-Continue\r\n"
    assert head.forwarded_for == b"1.1.1.1, 2.2.2.2 , 3.3.3.3"
    assert (head.forwarded_host, head.forwarded_proto, head.forwarded) == (b"fh", b"https", b"for=1.1.1.1")
    assert (head.via, head.request_id, head.timeout_ms) == (b"1.0 a, 1.1 b", b"id", b"250")
    assert head.traceparent == b"tp"
    assert head.trace_fields == b"TraceState: a=1\r\nB3: 1\r\ntracestate: b=2\r\n"
    assert head.has_idempotency_key
    assert head.expect_continue


def test_what_connection_names_is_not_believed_either() -> None:
    head = parsed(
        with_fields(
            b"X-Request-Id: a",
            b"traceparent: b",
            b"tracestate: c=1",
            b"X-B3-Sampled: 1",
            b"b3: 1",
            b"X-Request-Timeout-Ms: 1",
            b"Content-Type: c",
            b"Idempotency-Key: d",
            b"Expect: 100-continue",
            b"Connection: B3, tracestate",
            b"Connection: x-request-id, traceparent, x-request-timeout-ms, content-type, idempotency-key, expect",
        )
    )
    assert head.fields == b"Host: h\r\n"
    assert (head.request_id, head.traceparent, head.timeout_ms, head.content_type) == (None, None, None, None)
    assert head.trace_fields == b"X-B3-Sampled: 1\r\n"
    assert not head.has_idempotency_key
    assert not head.expect_continue


def test_the_fields_of_a_trace_are_found_wherever_the_head_is_split() -> None:
    names = [
        b"tracestate",
        b"b3",
        b"X-B3-TraceId",
        b"x-b3-spanid",
        b"X-B3-ParentSpanId",
        b"x-b3-sampled",
        b"X-B3-Flags",
    ]
    lines = [name + b": v%d" % at for at, name in enumerate(names)]
    data = with_fields(b"X-Request-Id: r", *lines, b"Content-Length: 0", b"x-b3-traceix: no", b"c3: no")
    for end in range(len(data)):
        assert parse_request(data[:end], LIMITS) is None
    head = parsed(data)
    assert head.trace_fields == b"\r\n".join([*lines, b""])
    assert [head.header(name.lower()) for name in names] == [b"v%d" % at for at in range(len(names))]
    assert (head.request_id, head.content_length, head.header(b"x-b3-traceix")) == (b"r", 0, b"no")
    assert head.fields == b"Host: h\r\nContent-Length: 0\r\nx-b3-traceix: no\r\nc3: no\r\n"


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
