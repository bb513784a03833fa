"""Every reason has one complete, parseable answer."""

from __future__ import annotations

import json

import h11
import pytest

from sidecar.model.reason import Reason
from sidecar.proxy.local_reply import local_reply, rule_name


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_is_told_in_proxy_status_and_problem_json(reason: Reason) -> None:
    reply = local_reply(reason, "why", "r/key", close=True, without_body=False, request_id=b"abc")
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.receive_data(reply.head + reply.body)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == reason.status == reply.status
    fields = dict(event.headers)
    assert fields[b"proxy-status"] == (
        f'sidecar; error={reason.proxy_error}; details="{reason.code}; rule=r/key"'.encode()
    )
    assert fields[b"content-type"] == b"application/problem+json"
    assert fields[b"connection"] == b"close"
    assert fields[b"x-request-id"] == b"abc"
    problem = json.loads(reply.body)
    assert problem["type"] == f"urn:sidecar:problem:{reason.code}"
    assert (problem["status"], problem["reason"], problem["rule"], problem["detail"]) == (
        reason.status,
        reason.code,
        "r/key",
        "why",
    )
    assert problem["title"]


def test_a_head_request_gets_the_length_and_no_body() -> None:
    reply = local_reply(Reason.NO_ROUTE, "", "", close=False, without_body=True)
    assert reply.body == b""
    assert b"Content-Length: 0" not in reply.head
    assert b"Connection" not in reply.head


def test_an_http_1_0_client_is_told_that_its_connection_stays() -> None:
    reply = local_reply(Reason.NO_ROUTE, "", "", close=False, without_body=False, keep_alive_token=True)
    assert b"\r\nConnection: keep-alive\r\n" in reply.head


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (30.0, b"30")])
def test_retry_after_is_whole_seconds_rounded_up(seconds: float, shown: bytes) -> None:
    reply = local_reply(Reason.RATE_LIMITED, "", "", close=False, without_body=False, retry_after=seconds)
    assert b"\r\nRetry-After: " + shown + b"\r\n" in reply.head


def test_a_rules_name_cannot_break_out_of_the_field() -> None:
    reply = local_reply(Reason.NO_ROUTE, "", 'a"\\\r\nX: y', close=False, without_body=False)
    assert b"\r\nX: y" not in reply.head
    assert b'rule=a\\"\\\\??X: y"' in reply.head


def test_only_reasons_that_a_key_bounds_name_a_rule() -> None:
    assert rule_name("login", Reason.ATTEMPT_TIMEOUT) == "login/timeout.attempt"
    assert rule_name("login", Reason.RESET) == ""
    assert rule_name("", Reason.ATTEMPT_TIMEOUT) == ""


@pytest.mark.parametrize(("status", "length"), [(204, None), (205, b"0"), (304, None)])
def test_a_status_that_has_no_body_is_sent_without_one(status: int, length: bytes | None) -> None:
    reply = local_reply(Reason.FAULT_INJECTED, "", "r/fault", close=False, without_body=False, status=status)
    assert reply.body == b""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(reply.head)
    event = client.next_event()
    assert isinstance(event, h11.Response)
    fields = dict(event.headers)
    assert fields.get(b"content-length") == length
    assert b"content-type" not in fields
    assert isinstance(client.next_event(), h11.EndOfMessage), "the next byte is the next answer's"


def test_a_wait_is_told_in_whole_seconds_and_never_as_none() -> None:
    for wait, told in ((0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2")):
        reply = local_reply(Reason.RATE_LIMITED, "", "r/k", close=False, without_body=False, retry_after=wait)
        assert b"\r\nRetry-After: " + told + b"\r\n" in reply.head
    reply = local_reply(Reason.RATE_LIMITED, "", "r/k", close=False, without_body=False)
    assert b"Retry-After" not in reply.head


def test_the_lines_that_every_answer_of_a_route_carries_are_on_our_own_too() -> None:
    reply = local_reply(Reason.RATE_LIMITED, "", "r/k", close=False, without_body=False, extra=b"RateLimit: x\r\n")
    assert reply.head.startswith(b"HTTP/1.1 429 Too Many Requests\r\nRateLimit: x\r\n")
    assert reply.head.endswith(b"\r\n\r\n")
