"""Which facts of an exchange go into the heads that it sends."""

from __future__ import annotations

import time

import pytest

from sidecar.proxy.heads import answer_framing, answer_head, attempt_head, informational_head
from sidecar.wire.dates import NO_DATE, parse_http_date
from sidecar.wire.head import parse_request
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE, HeadLimits, RequestHead
from tests.proxy.streams import answer


def request(version: bytes = b"1.1") -> RequestHead:
    head = parse_request(b"GET /a HTTP/" + version + b"\r\nHost: b\r\n\r\n", HeadLimits())
    assert head is not None
    return head


def test_an_attempt_carries_its_number_from_the_second_on_and_what_is_left_of_the_deadline() -> None:
    first = attempt_head(request(), b"X-Stable: 1\r\n", 1, b"X-Request-Timeout-Ms: 1234\r\n")
    assert first == b"GET /a HTTP/1.1\r\nHost: b\r\nX-Stable: 1\r\nX-Request-Timeout-Ms: 1234\r\n\r\n"
    second = attempt_head(request(), b"", 2, b"")
    assert second == b"GET /a HTTP/1.1\r\nHost: b\r\nX-Sidecar-Attempt: 2\r\n\r\n"


@pytest.mark.parametrize(
    ("fields", "version", "framing"),
    [
        (b"Content-Length: 2\r\n", b"1.1", LENGTH),
        (b"Transfer-Encoding: chunked\r\n", b"1.1", CHUNKED),
        (b"Transfer-Encoding: chunked\r\n", b"1.0", UNTIL_CLOSE),
        (b"", b"1.1", CHUNKED),
        (b"", b"1.0", UNTIL_CLOSE),
        (b"Content-Length: 0\r\n", b"1.1", NO_BODY),
    ],
)
def test_a_body_goes_on_in_a_framing_that_the_client_can_read(fields: bytes, version: bytes, framing: int) -> None:
    assert answer_framing(answer(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"), request(version)) == framing


def test_an_answer_says_that_its_connection_closes() -> None:
    head = answer()
    assert b"\r\nConnection: close\r\n" in answer_head(head, request(), LENGTH, True)
    assert b"Connection" not in answer_head(head, request(), LENGTH, False)
    assert b"\r\nConnection: keep-alive\r\n" in answer_head(head, request(b"1.0"), LENGTH, False)


def test_an_interim_head_keeps_its_fields() -> None:
    head = informational_head(answer(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"))
    assert head.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert b"Connection" not in head


def test_an_answer_without_a_date_gets_one() -> None:
    made = answer_head(answer(), request(), LENGTH, False)
    (line,) = [line for line in made.split(b"\r\n") if line.startswith(b"Date: ")]
    assert parse_http_date(line[6:], time.time()) != NO_DATE
    said = answer(b"HTTP/1.1 200 OK\r\nDate: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 2\r\n\r\n")
    assert answer_head(said, request(), LENGTH, False).count(b"Date: ") == 1
