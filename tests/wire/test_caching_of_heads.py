"""Heads as they come off the wire, read for the store of last good answers: both towers' sides of it fit."""

from __future__ import annotations

import pytest

from sidecar.policies.cacheability import NO_DATE, NO_LENGTH, Answer, Question
from sidecar.policies.stale_store import StaleStore
from sidecar.wire.caching import (
    age_seconds,
    cache_directives,
    ends_itself,
    replayable,
    vary_names,
)
from sidecar.wire.dates import http_date, parse_http_date
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import NO_BODY

LIMITS = HeadLimits()
WALL = 1_790_000_000.0
BODY = b"hello"


def _question(*lines: bytes, start: bytes = b"GET /a?b HTTP/1.1") -> Question:
    head = parse_request(b"\r\n".join([start, b"Host: shop", *lines, b"", b""]), LIMITS)
    assert head is not None
    directives = cache_directives(head.header(b"cache-control"), head.header(b"pragma"))
    return Question(head, b"http", head.origin_target, directives, head.framing == NO_BODY)


def _answer(*lines: bytes, start: bytes = b"HTTP/1.1 200 OK") -> Answer:
    head = parse_response(b"\r\n".join([start, *lines, b"", b""]), LIMITS, b"GET")
    assert head is not None
    directives = cache_directives(head.header(b"cache-control"), head.header(b"pragma"))
    answer = Answer(head.status, replayable(head.fields, WALL), directives)
    answer.vary = vary_names(head.header(b"vary"))
    answer.sets_cookie = head.header(b"set-cookie") is not None
    answer.ends_itself = ends_itself(head.framing, head.header(b"content-type"))
    answer.length = head.content_length
    answer.age = age_seconds(head.header(b"age"))
    answer.date = parse_http_date(head.header(b"date"), WALL)
    answer.expires = parse_http_date(head.header(b"expires"), WALL)
    return answer


def _found_after(kept: Question, answer: Answer, asked: Question) -> bytes | None:
    store = StaleStore(1 << 20, 600.0)
    capture = store.begin(kept, answer, 0.0, 0.0, WALL)
    if capture is not None:
        capture.add(BODY)
        capture.commit(0.0)
    found = store.find(asked, 1.0)
    return None if found is None else found.fields + b"Age: %d\r\n" % int(found.age(1.0)) + found.body


def test_no_value_means_the_same_on_both_sides() -> None:
    answer = _answer(b"Transfer-Encoding: chunked")
    assert (answer.length, answer.date, answer.expires) == (NO_LENGTH, NO_DATE, NO_DATE)


def test_an_answer_comes_back_with_its_fields_and_an_honest_age() -> None:
    date = http_date(WALL - 5)
    answer = _answer(b"Date: " + date, b"Age: 30", b"Content-Length: 5", b"ETag: x", b"Connection: x-hop", b"X-Hop: 1")
    assert _found_after(_question(), answer, _question()) == b"Date: " + date + b"\r\nETag: x\r\nAge: 31\r\nhello"


def test_a_target_in_absolute_form_is_the_same_target() -> None:
    answer = _answer(b"Content-Length: 5")
    assert _found_after(_question(), answer, _question(start=b"GET http://SHOP/a?b HTTP/1.1")) is not None


@pytest.mark.parametrize(
    "lines",
    [
        [b"Cache-Control: max-age=60", b"cache-control: No-Store"],
        [b'Cache-Control: private="x-a"'],
        [b"Cache-Control: max-age=60, s-maxage=60"],
        [b"Cache-Control: max-age=60, MUST-REVALIDATE"],
        [b'Cache-Control: x="'],
        [b"Pragma: no-cache"],
        [b"Set-Cookie: a=1"],
        [b"Content-Type: text/event-stream"],
        [b"Vary: accept", b"Vary: *"],
        [b"Age: 601"],
        [b"Date: Sun, 06 Nov 1994 08:49:37 GMT"],
        [b"Cache-Control: max-age=0, stale-if-error=0"],
    ],
)
def test_an_answer_that_says_so_does_not_come_back(lines: list[bytes]) -> None:
    assert _found_after(_question(), _answer(b"Content-Length: 5", *lines), _question()) is None


def test_an_answer_that_ends_with_its_connection_does_not_come_back() -> None:
    assert _found_after(_question(), _answer(), _question()) is None


@pytest.mark.parametrize(
    "line",
    [
        b"Authorization: Basic eA==",
        b"Range: bytes=0-1",
        b"Cache-Control: no-store",
        b"Cache-Control: max-age=5,no-cache",
        b"Pragma: no-cache",
        b"Content-Length: 1",
        b"Accept: text/html",
        b"If-Match: x",
    ],
)
def test_a_request_that_may_not_have_it_does_not_get_it(line: bytes) -> None:
    answer = _answer(b"Content-Length: 5", b"Vary: Accept")
    assert _found_after(_question(), answer, _question(line)) is None


def test_a_browsers_reload_gets_what_there_is() -> None:
    answer = _answer(b"Content-Length: 5", b"Vary: Accept")
    assert _found_after(_question(), answer, _question(b"Cache-Control: max-age=0", b'If-None-Match: "a"')) is not None
