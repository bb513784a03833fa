"""What a fallback may say, when it stands in, and what it answers."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.reason import Reason
from sidecar.policies.fallback import CAUSE, CAUSES, Fallback, FallbackSpec, StaleSpec
from tests.policies.specs import refused, taken


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (FallbackSpec, {}, "status", "is missing"),
        (FallbackSpec, {"status": 200, "on": ()}, "on", "never used"),
        (FallbackSpec, {"status": 200, "stale": StaleSpec()}, "stale", "excludes"),
        (FallbackSpec, {"status": 204, "body": "x"}, "body", "cannot be sent"),
        (FallbackSpec, {"status": 200, "headers": {"content-length": "1"}}, "headers", "content-length"),
        (FallbackSpec, {"status": 205, "body": "x"}, "body", "cannot be sent"),
        (FallbackSpec, {"status": 200, "body": "\ud800"}, "body", "surrogate"),
        (FallbackSpec, {"status": 200, "headers": {"proxy-status": "x"}}, "headers", "proxy-status"),
        (StaleSpec, {"max_age": 0.0}, "max_age", "more than 0"),
        (StaleSpec, {"max_bytes": 16383}, "max_bytes", "at least 16KiB"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (FallbackSpec, {"status": 200, "body": "{}"}),
        (FallbackSpec, {"stale": StaleSpec()}),
        (StaleSpec, {"max_age": 1.0}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)


def test_causes_are_outcomes_by_name_or_by_status() -> None:
    assert [CAUSE.parse(text) for text in ("circuit_open", "503")] == ["circuit_open", 503]
    with pytest.raises(ValueError, match="neither one status, such as 503, nor one of"):
        CAUSE.parse("open")


def _fallback(**given: Any) -> Fallback:
    if "stale" not in given:
        given = {"status": 200, **given}
    return Fallback("app/fallback", FallbackSpec(**given))


@pytest.mark.parametrize(
    ("cause", "reasons"),
    [
        ("circuit_open", {Reason.CIRCUIT_OPEN}),
        ("no_endpoint", {Reason.NO_ENDPOINT}),
        ("timeout", {Reason.ATTEMPT_TIMEOUT, Reason.REQUEST_TIMEOUT, Reason.CONNECT_TIMEOUT}),
        ("retries_exhausted", set()),
        ("rate_limited", {Reason.RATE_LIMITED}),
        ("concurrency_limited", {Reason.CONCURRENCY_LIMITED}),
    ],
)
def test_each_cause_stands_for_its_reasons_and_no_others(cause: str, reasons: set[Reason]) -> None:
    fallback = _fallback(on=(cause,))
    assert {reason for reason in Reason if fallback.stands_in_for(reason, False)} == reasons


def test_every_cause_that_may_be_written_means_something() -> None:
    for cause in CAUSES:
        fallback = _fallback(on=(cause,))
        assert any(fallback.stands_in_for(reason, True) for reason in Reason), cause


def test_exhausted_retries_count_for_what_ends_an_attempt_only() -> None:
    fallback = _fallback(on=("retries_exhausted",))
    for reason in (Reason.CONNECT_FAILURE, Reason.RESET, Reason.UPSTREAM_PROTOCOL_ERROR, Reason.ATTEMPT_TIMEOUT):
        assert fallback.stands_in_for(reason, True)
        assert not fallback.stands_in_for(reason, False)
    for reason in (Reason.RATE_LIMITED, Reason.DRAINING, Reason.DOWNSTREAM_GONE, Reason.INTERNAL_ERROR):
        assert not fallback.stands_in_for(reason, True)


def test_exhausted_retries_replace_the_status_that_was_retried() -> None:
    assert _fallback(on=("retries_exhausted",)).replaces_status(503, True)
    assert not _fallback(on=("retries_exhausted",)).replaces_status(503)
    assert not _fallback(on=("timeout",)).replaces_status(503, True)


def test_a_status_means_the_answers_of_the_upstream_and_our_own() -> None:
    fallback = _fallback(on=(502,))
    assert [status for status in range(-5, 1100) if fallback.replaces_status(status)] == [502]
    own = {reason for reason in Reason if fallback.stands_in_for(reason, False)}
    assert own == {
        Reason.CONNECT_FAILURE,
        Reason.TLS_HANDSHAKE_FAILED,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_WRONG_NAME,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.RESET,
        Reason.UPSTREAM_PROTOCOL_ERROR,
    }


def test_an_error_told_with_another_status_than_its_own_is_judged_by_that_one() -> None:
    fallback = _fallback(on=(503,))
    assert fallback.stands_in_for(Reason.FAULT_INJECTED, False)
    assert not fallback.stands_in_for(Reason.FAULT_INJECTED, False, 418)
    assert fallback.stands_in_for(Reason.RATE_LIMITED, False, 503)


@pytest.mark.parametrize("reason", [Reason.BODY_TOO_LARGE, Reason.BAD_REQUEST, Reason.BODY_TIMEOUT, Reason.NO_ROUTE])
def test_a_mistake_of_the_client_stays_one_whatever_the_rule_names(reason: Reason) -> None:
    assert not _fallback(on=(reason.status, "retries_exhausted")).stands_in_for(reason, True)


def test_a_fixed_reply_is_ready_to_be_sent() -> None:
    fallback = _fallback(
        status=203, headers={"content-type": "application/json", "x-name": "caf\xe9"}, body='{"name": "café"}'
    )
    assert fallback.status == 203
    assert fallback.body == b'{"name": "caf\xc3\xa9"}'
    assert fallback.fields == (
        b"content-type: application/json\r\nx-name: caf\xe9\r\ncache-control: no-store\r\ncontent-length: 17\r\n"
    )
    assert fallback.stale is None


def test_a_reply_is_plain_text_and_not_to_be_stored_unless_the_rule_says_otherwise() -> None:
    assert _fallback(body="later").fields == (
        b"content-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\ncontent-length: 5\r\n"
    )
    given = {"cache-control": "max-age=5", "content-type": "text/html"}
    assert _fallback(headers=given, body="x").fields == (
        b"cache-control: max-age=5\r\ncontent-type: text/html\r\ncontent-length: 1\r\n"
    )


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (200, b"cache-control: no-store\r\ncontent-length: 0\r\n"),
        (204, b"cache-control: no-store\r\n"),
        (205, b"cache-control: no-store\r\ncontent-length: 0\r\n"),
        (304, b"cache-control: no-store\r\n"),
    ],
)
def test_a_reply_without_a_body_is_framed_as_its_status_demands(status: int, fields: bytes) -> None:
    assert _fallback(status=status).fields == fields


def test_shadow_mode_decides_as_ever_and_says_so() -> None:
    fallback = _fallback(mode="shadow")
    assert fallback.shadow
    assert fallback.stands_in_for(Reason.CIRCUIT_OPEN, False)
    assert fallback.snapshot(0.0) == {"mode": "shadow", "status": 200}


def test_a_stale_fallback_has_a_store_and_no_fixed_reply() -> None:
    fallback = _fallback(stale=StaleSpec(max_age=60.0, max_bytes=1 << 20))
    assert (fallback.status, fallback.fields, fallback.body) == (0, b"", b"")
    assert fallback.stale is not None
    assert (fallback.stale.max_age, fallback.stale.max_bytes) == (60.0, 1 << 20)
    assert fallback.snapshot(0.0) == {
        "mode": "enforce",
        "stale": {"answers": 0, "bytes": 0, "max_bytes": 1 << 20, "oldest_age": None},
    }


def test_changed_rules_keep_the_store_and_give_it_their_bounds() -> None:
    before = _fallback(stale=StaleSpec(max_age=60.0))
    after = _fallback(stale=StaleSpec(max_age=30.0, max_bytes=1 << 20))
    after.inherit(before)
    assert after.stale is before.stale
    assert after.stale is not None
    assert (after.stale.max_age, after.stale.max_bytes) == (30.0, 1 << 20)


def test_a_fixed_reply_takes_no_store_over_and_gives_none() -> None:
    fixed, stale = _fallback(), _fallback(stale=StaleSpec())
    own = stale.stale
    fixed.inherit(stale)
    stale.inherit(fixed)
    assert fixed.stale is None
    assert stale.stale is own
