"""What goes out, byte for byte."""

import pytest

from sidecar.wire.framing import downstream_framing
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, RequestHead, ResponseHead
from sidecar.wire.writer import (
    LAST_CHUNK,
    chunk_start,
    last_chunk,
    request_head,
    response_head,
    status_line,
)


def request(fields: bytes, start: bytes = b"POST /a?b HTTP/1.1") -> RequestHead:
    head = parse_request(start + b"\r\n" + fields + b"\r\n", HeadLimits())
    assert head is not None
    return head


def response(fields: bytes, start: bytes = b"HTTP/1.1 200 OK", method: bytes = b"GET") -> ResponseHead:
    head = parse_response(start + b"\r\n" + fields + b"\r\n", HeadLimits(), method)
    assert head is not None
    return head


def test_a_request_is_its_block_and_the_extra_fields() -> None:
    head = request(b"Host: h\r\ncookie: c\r\nConnection: close\r\nContent-Length: 3\r\n")
    assert request_head(head, b"X: y\r\n") == (
        b"POST /a?b HTTP/1.1\r\nHost: h\r\ncookie: c\r\nContent-Length: 3\r\nX: y\r\n\r\n"
    )


def test_a_chunked_request_stays_chunked() -> None:
    head = request(b"Host: h\r\nTransfer-Encoding: chunked\r\n")
    assert request_head(head, b"") == b"POST /a?b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_request_of_http_1_0_is_sent_as_http_1_1_with_a_host() -> None:
    start = b"GET / HTTP/1.0"
    assert request_head(request(b"", start), b"") == b"GET / HTTP/1.1\r\nHost: \r\n\r\n"
    assert request_head(request(b"HOST:\r\n", start), b"") == b"GET / HTTP/1.1\r\nHost: \r\n\r\n"
    assert request_head(request(b"Host: a\r\n", start), b"") == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def test_a_request_of_http_1_0_that_names_no_host_names_the_endpoint() -> None:
    start = b"GET / HTTP/1.0"
    sent = b"GET / HTTP/1.1\r\nHost: app:3000\r\n\r\n"
    assert request_head(request(b"", start), b"", authority=b"app:3000") == sent
    assert request_head(request(b"HOST:\r\n", start), b"", authority=b"app:3000") == sent
    named = request(b"Host: a\r\n", start)
    assert request_head(named, b"", authority=b"app:3000") == b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    empty = request(b"Host:\r\n", b"GET / HTTP/1.1")
    assert b"app" not in request_head(empty, b"", authority=b"app:3000"), "HTTP/1.1 says so on purpose"


@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        (b"Connection: upgrade\r\nUpgrade: websocket\r\n", b"Connection: Upgrade\r\nUpgrade: websocket\r\n"),
        (b"TE: trailers\r\n", b"Connection: TE\r\nTE: trailers\r\n"),
        (
            b"TE: trailers\r\nConnection: upgrade, te\r\nUpgrade: x\r\n",
            b"Connection: Upgrade, TE\r\nTE: trailers\r\nUpgrade: x\r\n",
        ),
        (b"TE: deflate\r\n", b""),
    ],
)
def test_fields_of_this_hop_are_named_in_connection(fields: bytes, sent: bytes) -> None:
    assert request_head(request(b"Host: h\r\n" + fields), b"") == b"POST /a?b HTTP/1.1\r\nHost: h\r\n" + sent + b"\r\n"


def test_a_response_is_its_block_with_our_via_last() -> None:
    head = response(b"Set-Cookie: a\r\nVia: 1.0 up\r\nSet-Cookie: b\r\nContent-Length: 2\r\n")
    assert response_head(head, LENGTH, True, 1, b"X: y\r\n") == (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nVia: 1.0 up\r\nSet-Cookie: b\r\nContent-Length: 2\r\n"
        b"Via: 1.1 sidecar\r\nX: y\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("start", "sent"),
    [
        (b"HTTP/1.1 404 Nope", b"HTTP/1.1 404 Nope"),
        (b"HTTP/1.1 404 Not Found", b"HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 200 ", b"HTTP/1.1 200 "),
        (b"HTTP/1.1 200", b"HTTP/1.1 200 "),
        (b"HTTP/1.0 299 What", b"HTTP/1.1 299 What"),
    ],
)
def test_the_status_line_keeps_the_reason(start: bytes, sent: bytes) -> None:
    assert response_head(response(b"Content-Length: 0\r\n", start), NO_BODY, True, 1).startswith(sent + b"\r\n")


@pytest.mark.parametrize(
    ("fields", "keep_alive", "minor", "tail"),
    [
        (b"Content-Length: 1\r\n", True, 1, b""),
        (b"Content-Length: 1\r\n", False, 1, b"Connection: close\r\n"),
        (b"Content-Length: 1\r\n", True, 0, b"Connection: keep-alive\r\n"),
        (b"Content-Length: 1\r\n", False, 0, b"Connection: close\r\n"),
        (b"Transfer-Encoding: chunked\r\n", True, 1, b"Transfer-Encoding: chunked\r\n"),
        (b"Transfer-Encoding: chunked\r\n", False, 1, b"Transfer-Encoding: chunked\r\nConnection: close\r\n"),
        (b"Transfer-Encoding: chunked\r\n", True, 0, b"Connection: close\r\n"),
        (b"", True, 1, b"Transfer-Encoding: chunked\r\n"),
        (b"", True, 0, b"Connection: close\r\n"),
    ],
)
def test_framing_and_connection_suit_the_client(fields: bytes, keep_alive: bool, minor: int, tail: bytes) -> None:
    head = response(fields)
    sent = response_head(head, downstream_framing(head.framing, minor), keep_alive, minor)
    assert sent == b"HTTP/1.1 200 OK\r\n" + head.fields + b"Via: 1.1 sidecar\r\n" + tail + b"\r\n"


def test_interim_heads_say_nothing_about_the_connection() -> None:
    head = response(b"Link: x\r\n", b"HTTP/1.1 103 Early Hints")
    assert response_head(head, NO_BODY, False, 1) == (
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\nVia: 1.1 sidecar\r\n\r\n"
    )


def test_a_switch_of_protocols_is_passed_on_and_so_is_a_demand_for_one() -> None:
    fields = b"Connection: upgrade\r\nUpgrade: websocket\r\nA: b\r\n"
    switched = response(fields, b"HTTP/1.1 101 Switching Protocols")
    assert response_head(switched, NO_BODY, False, 1) == (
        b"HTTP/1.1 101 Switching Protocols\r\nA: b\r\nVia: 1.1 sidecar\r\n"
        b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    demanded = response(fields + b"Content-Length: 0\r\n", b"HTTP/1.1 426 Upgrade Required")
    assert response_head(demanded, NO_BODY, True, 1).endswith(b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    assert response_head(demanded, NO_BODY, False, 1).endswith(
        b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    )
    ordinary = response(fields + b"Content-Length: 0\r\n")
    assert b"Upgrade" not in response_head(ordinary, NO_BODY, True, 1)


def test_via_names_the_version_the_answer_was_received_in() -> None:
    head = response(b"Content-Length: 0\r\n", b"HTTP/1.0 200 OK")
    assert b"\r\nVia: 1.0 sidecar\r\n" in response_head(head, NO_BODY, True, 1)


def test_close_delimited_answers_are_chunked_where_the_client_can_read_chunks() -> None:
    assert downstream_framing(UNTIL_CLOSE, 1) == CHUNKED
    assert downstream_framing(UNTIL_CLOSE, 0) == UNTIL_CLOSE


def test_status_lines_have_the_registered_reason_unless_told_otherwise() -> None:
    assert status_line(429) == b"HTTP/1.1 429 Too Many Requests\r\n"
    assert status_line(429, b"Slow") == b"HTTP/1.1 429 Slow\r\n"
    assert status_line(299) == b"HTTP/1.1 299 \r\n"


def test_chunks_carry_their_size() -> None:
    assert chunk_start(26) == b"1a\r\n"
    assert chunk_start(255) == b"ff\r\n"
    assert last_chunk() == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk(b"A: b\r\n") == b"0\r\nA: b\r\n\r\n"
