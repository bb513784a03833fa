"""The fallback's answers as bytes, and what its store is shown of heads."""

from __future__ import annotations

import pytest

from sidecar.policies.fallback import Fallback, FallbackSpec, StaleSpec
from sidecar.policies.header_edits import HeaderEditsSpec
from sidecar.policies.stale_store import StaleStore
from sidecar.proxy.fallback_reply import capture, fallback_reply, question
from sidecar.proxy.head_edits import head_edits
from sidecar.rules.schema import RouteRule
from sidecar.wire.head import parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from tests.proxy.streams import LIMITS, answer

HTTP = Origin("192.0.2.7")
HTTPS = Origin("192.0.2.7", b"https")
OURS = b"X-Request-Id: r\r\nConnection: close\r\n"
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Kind: old\r\nAge: 7\r\nX-Request-Id: theirs\r\n\r\n"
WALL = 1_700_000_000.0


def request(method: bytes = b"GET", fields: bytes = b"", target: bytes = b"/a") -> RequestHead:
    head = parse_request(method + b" " + target + b" HTTP/1.1\r\nHost: b\r\n" + fields + b"\r\n", LIMITS)
    assert head is not None
    return head


def stale() -> tuple[Fallback, StaleStore]:
    fallback = Fallback("one/fallback", FallbackSpec(stale=StaleSpec()))
    assert fallback.stale is not None
    return fallback, fallback.stale


def remember(store: StaleStore, head: bytes = GOOD, body: bytes = b"data", asked: bytes = b"") -> bool:
    kept = capture(store, request(fields=asked), answer(head), HTTP, 99.0, 100.0, WALL)
    if kept is None:
        return False
    kept.add(body)
    return kept.commit(100.0)


def test_a_fixed_reply_says_of_itself_that_it_is_one_and_why() -> None:
    fallback = Fallback("one/fallback", FallbackSpec(status=200, body="quiet", headers={"x-a": "b"}))
    found = fallback_reply(fallback, request(), HTTP, 0.0, "circuit_open", OURS)
    assert found is not None
    assert (found.kind, found.reply.status, found.reply.body) == ("static", 200, b"quiet")
    assert found.reply.head == (
        b"HTTP/1.1 200 OK\r\nx-a: b\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\n"
        b'content-length: 5\r\nProxy-Status: sidecar; details="fallback=static; circuit_open"\r\n' + OURS + b"\r\n"
    )


def test_a_fixed_reply_to_head_announces_its_body_and_sends_none() -> None:
    fallback = Fallback("one/fallback", FallbackSpec(status=200, body="quiet"))
    found = fallback_reply(fallback, request(b"HEAD"), HTTP, 0.0, "503", OURS)
    assert found is not None
    assert found.reply.body == b""
    assert b"content-length: 5\r\n" in found.reply.head


@pytest.mark.parametrize("status", [204, 304])
def test_a_fixed_reply_without_a_body_announces_none(status: int) -> None:
    fallback = Fallback("one/fallback", FallbackSpec(status=status))
    found = fallback_reply(fallback, request(), HTTP, 0.0, "503", OURS)
    assert found is not None
    assert found.reply.body == b""
    assert b"content-length" not in found.reply.head


def test_the_last_good_answer_comes_back_with_its_age_and_without_what_was_one_exchanges_own() -> None:
    fallback, store = stale()
    assert remember(store)
    found = fallback_reply(fallback, request(), HTTP, 130.5, "503", OURS)
    assert found is not None
    assert (found.kind, found.reply.status, found.reply.body) == ("stale", 200, b"data")
    head = found.reply.head
    assert head.startswith(b"HTTP/1.1 200 OK\r\nX-Kind: old\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n")
    # Seven on arrival, one while it was fetched, thirty and a half since.
    assert b"\r\nAge: 38\r\nContent-Length: 4\r\n" in head
    assert b"theirs" not in head
    assert head.endswith(b'Proxy-Status: sidecar; details="fallback=stale; 503"\r\n' + OURS + b"\r\n")


def test_an_edit_of_answers_holds_for_the_last_good_one_too() -> None:
    fallback, store = stale()
    assert remember(store)
    edits = head_edits(
        RouteRule(
            name="one",
            upstream="app",
            policies={"response_headers": HeaderEditsSpec(remove=("x-kind",), set={"x-new": "1"})},
        )
    )
    found = fallback_reply(fallback, request(), HTTP, 101.0, "503", OURS, edits)
    assert found is not None
    assert b"X-Kind" not in found.reply.head
    assert b"\r\nx-new: 1\r\n" in found.reply.head


@pytest.mark.parametrize(
    "head",
    [
        request(target=b"/b"),
        request(b"HEAD"),
        request(b"POST"),
        request(fields=b"Authorization: x\r\n"),
        request(fields=b"Cache-Control: no-cache\r\n"),
        request(fields=b"Pragma: no-cache\r\n"),
        request(fields=b"Range: bytes=0-1\r\n"),
        request(fields=b"Content-Length: 1\r\n"),
        request(fields=b"Accept-Language: de\r\n"),
    ],
)
def test_another_question_is_not_answered_with_it(head: RequestHead) -> None:
    fallback, store = stale()
    assert remember(store, GOOD.replace(b"X-Kind: old", b"Vary: Accept-Language"))
    assert fallback_reply(fallback, head, HTTP, 101.0, "503", OURS) is None


def test_what_a_client_with_a_certificate_is_told_is_nobody_elses() -> None:
    certified = Origin("192.0.2.7", certificate=b"Hash=0a")
    fallback, store = stale()
    public = GOOD.replace(b"X-Kind: old", b"Cache-Control: public")
    assert capture(store, request(), answer(public), certified, 99.0, 100.0, WALL) is None
    assert remember(store, public)
    assert fallback_reply(fallback, request(), certified, 101.0, "503", OURS) is None
    assert fallback_reply(fallback, request(), HTTP, 101.0, "503", OURS) is not None


def test_what_came_by_another_scheme_is_another_answer() -> None:
    fallback, store = stale()
    assert remember(store)
    assert fallback_reply(fallback, request(), HTTPS, 101.0, "503", OURS) is None


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (b"200", b"Content-Length: 4\r\nCache-Control: private\r\n"),
        (b"200", b"Content-Length: 4\r\nSet-Cookie: a=b\r\n"),
        (b"200", b"Content-Length: 4\r\nVary: *\r\n"),
        (b"200", b"Content-Length: 4\r\nExpires: 0\r\nCache-Control: s-maxage=1\r\n"),
        (b"500", b"Content-Length: 4\r\n"),
        (b"200", b""),
        (b"200", b"Transfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n"),
    ],
)
def test_what_a_head_forbids_is_not_remembered(status: bytes, fields: bytes) -> None:
    _, store = stale()
    assert not remember(store, b"HTTP/1.1 " + status + b" X\r\n" + fields + b"\r\n")
    assert store.held_bytes == 0


def test_an_answer_that_is_shorter_than_its_head_said_is_not_remembered() -> None:
    _, store = stale()
    assert not remember(store, body=b"dat")
    assert store.held_bytes == 0


def test_how_long_an_answer_may_be_served_is_read_from_its_dates() -> None:
    fallback, store = stale()
    assert remember(
        store,
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n"
        b"Expires: Tue, 14 Nov 2023 22:13:30 GMT\r\nCache-Control: stale-if-error=5\r\n\r\n",
    )
    assert fallback_reply(fallback, request(), HTTP, 113.0, "503", OURS) is not None
    assert fallback_reply(fallback, request(), HTTP, 116.0, "503", OURS) is None


def test_a_question_knows_whether_its_request_has_a_body() -> None:
    assert question(request(), HTTP).bodiless
    assert not question(request(fields=b"Content-Length: 1\r\n"), HTTP).bodiless
