"""What a route answers by itself: its bytes, and what is counted and logged of it."""

from __future__ import annotations

import re

import pytest

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.header_edits import ResponseEditsSpec
from sidecar.policies.own_answer import RedirectSpec, RespondSpec
from sidecar.proxy.head_edits import head_edits
from sidecar.proxy.own_answer import own_answer
from sidecar.rules.schema import RouteRule
from sidecar.wire.origin import Origin
from tests.proxy.bridges import Bridge
from tests.proxy.witnesses import PERMIT, Gate

DATE = re.compile(rb"\r\ndate: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r\n")


def bridge(
    *, redirect: RedirectSpec | None = None, respond: RespondSpec | None = None, edits: ResponseEditsSpec | None = None
) -> Bridge:
    policies: dict[str, object] = {} if edits is None else {"response_headers": edits}
    rule = RouteRule(name="everything", redirect=redirect, respond=respond, policies=policies)
    made = Bridge()
    made.route.branches = ()
    made.route.answer = own_answer(rule)
    made.route.edits = head_edits(rule)
    return made


HTTPS = RedirectSpec(scheme="https")
FIXED = RespondSpec(status=200, headers={"x-a": "b"}, body="hé")


def test_a_redirect_leads_to_the_same_target_and_is_no_error() -> None:
    given = bridge(redirect=HTTPS)
    downstream, _ = given.request(b"GET /a?b HTTP/1.1\r\nHost: shop.example:8080\r\n\r\n")
    assert downstream.status == 308
    assert b"\r\nlocation: https://shop.example/a?b\r\ncontent-length: 0\r\n" in downstream.head
    assert b"\r\nX-Request-Id: " in downstream.head
    assert DATE.search(downstream.head)
    assert b"Proxy-Status" not in downstream.head
    assert downstream.told[0][3] is False, "the connection can go on"
    assert given.route_log.rejections == []
    assert given.route_log.finishes[0][:2] == (b"GET", 308)
    (record,) = given.records.records
    assert (record.status, record.reason, record.rule, record.route) == (308, None, "", "everything")
    assert (record.attempts, record.upstream, record.endpoint) == (0, "", "")


def test_without_a_host_a_redirect_is_a_bad_request() -> None:
    given = bridge(redirect=HTTPS)
    downstream, _ = given.request(b"GET / HTTP/1.0\r\n\r\n")
    assert downstream.status == 400
    assert given.route_log.rejections == [("everything/redirect", Reason.BAD_REQUEST)]
    (record,) = given.records.records
    assert (record.reason, record.rule) == (Reason.BAD_REQUEST, "everything/redirect")


def test_a_redirect_keeps_the_scheme_that_a_trusted_proxy_tells_of() -> None:
    given = bridge(redirect=RedirectSpec(path="/new"))
    given.origin = Origin("10.0.0.1", trusted=True)
    asked = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\n\r\n"
    assert b"\r\nlocation: https://a/new\r\n" in given.request(asked)[0].head
    given.origin = Origin("192.0.2.7")
    assert b"\r\nlocation: http://a/new\r\n" in given.request(asked)[0].head


def test_a_fixed_answer_is_sent_as_it_is_written() -> None:
    downstream, _ = bridge(respond=FIXED).request()
    assert (downstream.status, downstream.body) == (200, "hé".encode())
    assert b"\r\nx-a: b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 3\r\n" in downstream.head
    assert b"cache-control" not in downstream.head


def test_head_gets_the_head_of_it_only() -> None:
    downstream, _ = bridge(respond=FIXED).request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert downstream.body == b""
    assert b"\r\ncontent-length: 3\r\n" in downstream.head


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_announces_none(status: int) -> None:
    downstream, _ = bridge(respond=RespondSpec(status=status)).request()
    assert (downstream.status, downstream.body) == (status, b"")
    assert b"content-length" not in downstream.head


def test_a_request_with_a_body_is_answered_at_once_and_its_connection_ends() -> None:
    given = bridge(respond=FIXED)
    downstream, _ = given.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n")
    assert downstream.status == 200
    assert b"\r\nConnection: close\r\n" in downstream.head
    assert downstream.told[0][3] is True


def test_an_http_1_0_client_is_told_that_the_connection_stays() -> None:
    downstream, _ = bridge(respond=FIXED).request(b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in downstream.head


def test_its_fields_are_edited_and_its_place_is_given_back() -> None:
    given = bridge(respond=FIXED, edits=ResponseEditsSpec(remove=("x-a",), set={"x-b": "c"}, preset="secure"))
    gate = Gate("everything/concurrency", PERMIT)
    gate.announces = True
    given.admits(gate)
    downstream, _ = given.request()
    assert b"\r\nx-a:" not in downstream.head
    assert b"\r\nRateLimit: x\r\n" in downstream.head
    assert b"\r\nx-b: c\r\nx-content-type-options: nosniff\r\n" in downstream.head
    assert gate.settled == [Outcome.SUCCESS]


def test_a_route_to_an_upstream_answers_nothing_by_itself() -> None:
    assert own_answer(RouteRule(name="a", upstream="app", policies={})) is None
