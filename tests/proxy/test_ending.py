"""How an exchange ends: what stands in for an error, what is remembered, what is forgotten."""

from __future__ import annotations

import pytest

from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import REFUSED
from sidecar.policies.fallback import StaleSpec
from sidecar.policies.header_edits import HeaderEditsSpec
from sidecar.policies.retry import BackoffSpec
from sidecar.policies.stale_store import StaleStore
from sidecar.proxy.head_edits import head_edits
from sidecar.rules.schema import RouteRule
from tests.proxy.bridges import Bridge
from tests.proxy.streams import UpstreamDouble, answer, answers, problem
from tests.proxy.witnesses import PERMIT, Gate

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
AT_ONCE = BackoffSpec(base=1e-9, max=1e-9)


def remembering(*streams: UpstreamDouble, **spec: object) -> tuple[Bridge, StaleStore]:
    bridge = Bridge(*streams)
    store = bridge.falls_back(stale=StaleSpec(), **spec).stale
    assert store is not None
    return bridge, store


def kept(store: StaleStore) -> object:
    return store.snapshot(100.0)["answers"]


# Errors of our own.


def test_a_fixed_reply_stands_in_for_an_error_and_the_error_is_counted_all_the_same() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.falls_back(on=("concurrency_limited",), status=200, body="quiet")
    gate = Gate("everything/concurrency", REFUSED)
    gate.announces = True
    bridge.admits(gate)
    downstream, _ = bridge.request()
    assert (downstream.status, downstream.body) == (200, b"quiet")
    assert b'details="fallback=static; concurrency_limited"' in downstream.head
    assert b"\r\nRateLimit: x\r\n" in downstream.head
    assert b"\r\nX-Request-Id: " in downstream.head
    assert b"Connection" not in downstream.head
    assert downstream.told[0][3] is False
    assert downstream.told[-1] == ("end", b"")
    assert bridge.route_log.rejections == [("everything/concurrency", Reason.CONCURRENCY_LIMITED)]
    assert bridge.route_log.fallbacks == [("static", "concurrency_limited")]
    (record,) = bridge.records.records
    assert (record.status, record.fallback, record.bytes_out) == (200, "static", 5)
    assert (record.reason, record.rule) == (Reason.CONCURRENCY_LIMITED, "everything/concurrency")


def test_a_fallback_stands_in_for_what_it_names_only() -> None:
    bridge = Bridge()
    bridge.falls_back(on=("rate_limited",), status=200)
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.status == 502
    assert bridge.route_log.fallbacks == []
    assert bridge.records.records[0].fallback == ""


def test_a_fallback_never_stands_in_for_a_clients_own_mistake() -> None:
    bridge = Bridge(UpstreamDouble())
    bridge.falls_back(on=(400,), status=200)
    downstream, receiver = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n")
    receiver.request_broken(Reason.BAD_REQUEST, "why")
    assert downstream.status == 400


def test_retries_that_have_run_out_are_stood_in_for_and_a_first_failure_is_not() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.falls_back(on=("retries_exhausted",), status=200, body="quiet")
    bridge.retries(max_attempts=2, backoff=AT_ONCE)
    downstream, _ = bridge.request()
    first.receiver.upstream_failed(Cause.RESET, "closed")
    bridge.loop.advance(0.1)
    second.receiver.upstream_failed(Cause.RESET, "closed")
    assert downstream.body == b"quiet"

    bridge = Bridge(UpstreamDouble())
    bridge.falls_back(on=("retries_exhausted",), status=200, body="quiet")
    bridge.retries(max_attempts=1)
    downstream, receiver = bridge.request()
    receiver.upstream_failed(Cause.RESET, "closed")
    assert downstream.status == 502


def test_a_fallback_in_shadow_mode_is_counted_and_the_error_told() -> None:
    bridge = Bridge()
    bridge.falls_back(on=(502,), status=200, mode="shadow")
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.status == 502
    assert bridge.route_log.fallbacks == [("shadow", "connect_failure")]
    assert bridge.records.records[0].fallback == ""


def test_a_fixed_reply_to_head_has_no_body() -> None:
    bridge = Bridge()
    bridge.falls_back(on=(502,), status=200, body="quiet")
    downstream, _ = bridge.request(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert (downstream.status, downstream.body) == (200, b"")
    assert b"content-length: 5\r\n" in downstream.head


@pytest.mark.parametrize(
    ("head", "draining", "line", "closes"),
    [
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", False, b"keep-alive", False),
        (b"GET / HTTP/1.0\r\n\r\n", False, b"close", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False, b"close", True),
        (GET, True, b"close", True),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", False, b"close", True),
    ],
)
@pytest.mark.parametrize("falls_back", [False, True])
def test_an_answer_of_our_own_says_what_becomes_of_its_connection(
    head: bytes, draining: bool, line: bytes, closes: bool, falls_back: bool
) -> None:
    bridge = Bridge()
    bridge.environment.draining = draining
    if falls_back:
        bridge.falls_back(on=(502,), status=200, body="quiet")
    downstream, _ = bridge.request(head)
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.status == (200 if falls_back else 502)
    assert downstream.head.count(b"\r\nConnection: ") == 1
    assert b"\r\nConnection: " + line + b"\r\n" in downstream.head
    assert downstream.told[0][3] is closes


# Instead of an answer of the upstream.


def test_a_status_is_replaced_by_the_fixed_reply_and_its_answer_discarded() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.falls_back(on=(503,), status=200, body="quiet")
    request, attempt = Gate(), Gate("app/gate")
    bridge.admits(request)
    bridge.admits_attempts(attempt)
    downstream, _ = bridge.request()
    answers(stream, b"sorry", 503)
    assert stream.told[-1] == "discard"
    assert [entry[0] for entry in downstream.told] == ["head", "data", "end"]
    assert (downstream.status, downstream.body) == (200, b"quiet")
    assert b'details="fallback=static; 503"' in downstream.head
    assert attempt.settled == [Outcome.FAILURE]
    assert request.out == []
    assert bridge.attempts.outcomes == ["5xx"]
    assert bridge.endpoint.in_flight == 0
    assert bridge.route_log.fallbacks == [("static", "503")]
    assert bridge.route_log.rejections == []
    (record,) = bridge.records.records
    assert (record.status, record.fallback, record.reason, record.attempts) == (200, "static", None, 1)
    assert record.detail == "instead of the upstream's 503"


def test_a_status_that_is_not_named_comes_through() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.falls_back(on=(503,), status=200, body="quiet")
    downstream, _ = bridge.request()
    answers(stream, b"sorry", 502)
    assert (downstream.status, downstream.body) == (502, b"sorry")


def test_a_status_replaced_in_shadow_mode_comes_through_and_is_counted() -> None:
    stream = UpstreamDouble()
    bridge = Bridge(stream)
    bridge.falls_back(on=(503,), status=200, mode="shadow")
    downstream, _ = bridge.request()
    answers(stream, b"sorry", 503)
    assert (downstream.status, downstream.body) == (503, b"sorry")
    assert bridge.route_log.fallbacks == [("shadow", "503")]


def test_with_nothing_remembered_the_answer_comes_as_it_came() -> None:
    stream = UpstreamDouble()
    bridge, _ = remembering(stream, on=(503,))
    downstream, _ = bridge.request()
    answers(stream, b"sorry", 503, b"X-Kind: theirs\r\n")
    assert (downstream.status, downstream.body) == (503, b"sorry")
    assert b"\r\nX-Kind: theirs\r\n" in downstream.head
    assert bridge.route_log.fallbacks == []
    assert bridge.records.records[0].fallback == ""


def test_with_nothing_remembered_our_own_error_is_told() -> None:
    bridge, _ = remembering(on=(502,))
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert problem(downstream)["reason"] == "connect_failure"


# The last good answer.


def test_the_last_good_answer_stands_in_for_a_status_and_for_an_error() -> None:
    good, bad = UpstreamDouble(), UpstreamDouble()
    bridge, store = remembering(good, bad, on=(503, 502))
    bridge.request()
    answers(good, b"data", 200, b"X-Kind: theirs\r\n")
    assert kept(store) == 1
    bridge.loop.advance(5.0)
    downstream, _ = bridge.request()
    answers(bad, b"sorry", 503)
    assert bad.told[-1] == "discard"
    assert (downstream.status, downstream.body) == (200, b"data")
    assert b"\r\nX-Kind: theirs\r\n" in downstream.head
    assert b"\r\nAge: 5\r\nContent-Length: 4\r\n" in downstream.head
    assert b'details="fallback=stale; 503"' in downstream.head
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.body == b"data"
    assert bridge.route_log.fallbacks == [("stale", "503"), ("stale", "connect_failure")]
    assert [record.fallback for record in bridge.records.records] == ["", "stale", "stale"]


def test_what_a_rule_takes_out_of_answers_does_not_come_back_with_the_last_good_one() -> None:
    good = UpstreamDouble()
    bridge, _ = remembering(good, on=(502,))
    policies = {"response_headers": HeaderEditsSpec(remove=("x-secret",))}
    bridge.route.edits = head_edits(RouteRule(name="everything", upstream="app", policies=policies))
    bridge.request()
    answers(good, b"data", 200, b"X-Secret: 1\r\n")
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.body == b"data"
    assert b"X-Secret" not in downstream.head


def test_an_answer_in_pieces_is_remembered_once_it_is_complete() -> None:
    good = UpstreamDouble()
    bridge, store = remembering(good, on=(502,))
    bridge.request()
    good.receiver.response_head(answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), False)
    good.receiver.response_data(b"da")
    good.receiver.response_data(b"ta")
    assert kept(store) == 0
    good.receiver.response_end(b"")
    downstream, _ = bridge.request()
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert downstream.body == b"data"


@pytest.mark.parametrize("end", ["reset", "gone", "idle", "crash"])
def test_an_answer_that_breaks_off_is_not_remembered_and_holds_nothing(end: str) -> None:
    stream = UpstreamDouble()
    bridge, store = remembering(stream, on=(502,))
    downstream, receiver = bridge.request()
    stream.receiver.response_head(answer(), True)
    stream.receiver.response_data(b"o")
    assert store.held_bytes > 0
    if end == "reset":
        receiver.upstream_failed(Cause.RESET, "closed")
    elif end == "gone":
        receiver.downstream_gone()
    elif end == "idle":
        bridge.loop.advance(61.0)
    else:
        bridge.attempts.broken = RuntimeError("boom")
        stream.receiver.response_end(b"")
        assert downstream.told[-1] == "reset"
    assert (kept(store), store.held_bytes) == (0, 0)


@pytest.mark.parametrize(
    ("method", "status", "left"),
    [(b"POST", 200, 0), (b"PUT", 204, 0), (b"DELETE", 302, 0), (b"POST", 500, 1), (b"OPTIONS", 200, 1)],
)
def test_a_change_makes_what_is_remembered_of_its_target_untrue(method: bytes, status: int, left: int) -> None:
    good, change = UpstreamDouble(), UpstreamDouble()
    bridge, store = remembering(good, change, on=(502,))
    bridge.request()
    answers(good)
    bridge.request(method + b" / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    answers(change, b"", status)
    assert kept(store) == left


def test_a_change_counts_through_a_route_without_a_fallback_and_from_its_head_on() -> None:
    good, change = UpstreamDouble(), UpstreamDouble()
    bridge, store = remembering(good, change, on=(502,))
    bridge.request()
    answers(good)
    bridge.route.fallback = None
    _, receiver = bridge.request(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    change.receiver.response_head(answer(), False)
    receiver.downstream_gone()
    assert kept(store) == 0


def test_a_change_elsewhere_leaves_it() -> None:
    good, change = UpstreamDouble(), UpstreamDouble()
    bridge, store = remembering(good, change, on=(502,))
    bridge.request()
    answers(good)
    bridge.request(b"POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
    answers(change)
    assert kept(store) == 1


def test_an_answer_that_replaces_one_not_wanted_is_remembered() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge, store = remembering(first, second, on=(502,))
    bridge.retries(backoff=AT_ONCE)
    bridge.request()
    answers(first, b"no", 503)
    bridge.loop.advance(0.1)
    answers(second, b"yes")
    downstream, _ = bridge.request()
    bridge.retries(max_attempts=1)
    bridge.channel.refuse(Cause.CONNECT_FAILURE)
    assert kept(store) == 1
    assert (downstream.status, downstream.body) == (200, b"yes")


def test_a_retried_status_is_stood_in_for_once_no_retry_is_left() -> None:
    first, second = UpstreamDouble(), UpstreamDouble()
    bridge = Bridge(first, second)
    bridge.falls_back(on=("retries_exhausted",), status=200, body="quiet")
    bridge.retries(max_attempts=2, backoff=AT_ONCE)
    downstream, _ = bridge.request()
    answers(first, b"no", 503)
    bridge.loop.advance(0.1)
    answers(second, b"no", 503)
    assert downstream.body == b"quiet"
    assert bridge.attempts.outcomes == ["5xx", "5xx"]


def test_a_breaker_that_opens_in_a_backoff_is_told_with_its_own_time() -> None:
    first = UpstreamDouble()
    bridge = Bridge(first, UpstreamDouble())
    bridge.retries(backoff=AT_ONCE)
    gate = Gate("upstream.app", PERMIT, REFUSED)
    gate.retry_after = 4.2
    bridge.admits_attempts(gate)
    downstream, _ = bridge.request()
    answers(first, b"no", 503)
    bridge.loop.advance(0.1)
    assert problem(downstream)["rule"] == "upstream.app"
    assert b"\r\nRetry-After: 5\r\n" in downstream.head
    assert gate.out == []
