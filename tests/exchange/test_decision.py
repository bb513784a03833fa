"""The decision as scripts: its deadlines, and what an attempt's end means to whom."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, STOP
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import NO_TIME
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec
from tests.exchange.scripts import START, Scene, Scripted, sent

PERMIT = 7


def watched(
    request: float = 15.0, attempt: float = 5.0, total: float = math.inf
) -> tuple[Scene, list[tuple[Any, ...]]]:
    """A scene with a machine before each attempt, which notes how the attempt went."""
    log: list[tuple[Any, ...]] = []
    return Scene(1, each=[Scripted("breaker", log, PERMIT)], request=request, attempt=attempt, total=total), log


def settled(log: list[tuple[Any, ...]]) -> list[tuple[Outcome, float]]:
    """Outcomes and seconds, in order."""
    return [(entry[3], entry[4]) for entry in log if entry[0] == "settled"]


def test_the_deadline_runs_from_the_first_byte_and_the_attempt_from_the_end_of_the_request() -> None:
    d = Scene().decision()
    assert d.begin(START + 1.0) == ATTEMPT
    assert (d.deadline, d.attempt_deadline) == (START + 15.0, START + 15.0)
    d.request_sent(START + 3.0)
    assert d.attempt_deadline == START + 8.0


def test_an_attempt_never_outlives_the_deadline() -> None:
    d = Scene(request=4.0).decision()
    d.begin(START)
    d.request_sent(START + 2.0)
    assert d.attempt_deadline == START + 4.0


@pytest.mark.parametrize(("limit", "deadline"), [(1.0, 1.0), (60.0, 4.0), (math.inf, 4.0)])
def test_the_callers_limit_shortens_the_deadline_and_never_lengthens_it(limit: float, deadline: float) -> None:
    assert Scene(request=4.0).decision(limit).deadline == START + deadline


def test_the_bound_of_the_whole_exchange_bounds_its_head_too() -> None:
    d = Scene(request=4.0, total=3.0).decision()
    assert (d.deadline, d.total_deadline) == (START + 3.0, START + 3.0)


def test_an_exchange_whose_time_was_up_before_it_began_asks_no_endpoint() -> None:
    scene, log = watched(request=1.0)
    d = scene.decision()
    assert d.begin(START + 1.0) == REJECT
    assert (d.reason, d.rule, d.status, d.retry_after) == (Reason.REQUEST_TIMEOUT, "", 0, NO_TIME)
    d.ended(START + 1.0)
    assert (log, scene.attempts.outcomes, d.attempt) == ([], [], 0)


def test_an_upstream_without_an_endpoint_is_refused_and_the_permit_given_back() -> None:
    scene, log = watched()
    scene.endpoints[0].down = True
    d = scene.decision()
    assert d.begin(START) == REJECT
    assert d.reason is Reason.NO_ENDPOINT
    assert settled(log) == [(Outcome.IGNORED, 0.0)]
    d.abandoned(START)
    d.ended(START)
    assert len(settled(log)) == 1
    assert scene.attempts.outcomes == []


@pytest.mark.parametrize(
    ("status", "word", "outcome"),
    [
        (200, "success", Outcome.SUCCESS),
        (404, "success", Outcome.SUCCESS),
        (429, "success", Outcome.SUCCESS),
        (500, "5xx", Outcome.FAILURE),
        (501, "success", Outcome.SUCCESS),
        (503, "5xx", Outcome.FAILURE),
        (505, "success", Outcome.SUCCESS),
        (599, "5xx", Outcome.FAILURE),
    ],
)
def test_an_answer_settles_its_attempt_once_by_its_status_and_the_time_to_its_head(
    status: int, word: str, outcome: Outcome
) -> None:
    scene, log = watched()
    d = scene.begun()
    assert d.answered(START + 0.5, status, NO_HINT) == DELIVER
    assert (scene.in_flight, settled(log)) == (1, [])
    d.completed(START + 60.0)
    d.completed(START + 61.0)
    d.abandoned(START + 61.0)
    d.ended(START + 61.0)
    assert scene.in_flight == 0
    assert settled(log) == [(outcome, 0.5)]
    assert scene.attempts.outcomes == [(word, 60.0)]


@pytest.mark.parametrize(
    ("cause", "reason", "outcome"),
    [
        (Cause.CONNECT_FAILURE, Reason.CONNECT_FAILURE, Outcome.FAILURE),
        (Cause.CONNECT_TIMEOUT, Reason.CONNECT_TIMEOUT, Outcome.FAILURE),
        (Cause.POOL_FULL, Reason.OVERLOADED, Outcome.IGNORED),
        (Cause.RESET, Reason.RESET, Outcome.FAILURE),
        (Cause.PROTOCOL_ERROR, Reason.UPSTREAM_PROTOCOL_ERROR, Outcome.FAILURE),
        (Cause.ATTEMPT_TIMEOUT, Reason.ATTEMPT_TIMEOUT, Outcome.FAILURE),
    ],
)
def test_an_attempt_without_an_answer_is_refused_with_its_reason_and_blamed_where_it_is_to_blame(
    cause: Cause, reason: Reason, outcome: Outcome
) -> None:
    scene, log = watched()
    d = scene.begun()
    assert d.failed(START + 1.0, cause) == REJECT
    assert (d.reason, d.rule, d.status) == (reason, "", 0)
    assert settled(log) == [(outcome, 1.0)]
    assert scene.attempts.outcomes == [(cause.value, 1.0)]
    assert scene.in_flight == 0


def test_failures_in_a_row_eject_an_endpoint_and_what_is_not_its_own_does_not() -> None:
    scene = Scene(1, 2)
    scene.upstream.ejection = Ejection(EjectionSpec(consecutive_failures=1), scene.attempts)
    for cause, out in ((Cause.POOL_FULL, 0), (Cause.STALE, 0), (Cause.RESET, 1)):
        d = scene.decision(method=b"POST")
        d.begin(START)
        d.failed(START + 1.0, cause)
        assert len(scene.attempts.out) == out
    assert d.endpoint is not None
    assert scene.attempts.out == [d.endpoint.name]


def test_an_attempt_that_has_had_its_own_time_is_a_failure_before_the_deadline() -> None:
    scene, log = watched(request=10.0, attempt=2.0)
    d = scene.begun()
    assert d.expired(START + 2.0) == REJECT
    assert d.reason is Reason.ATTEMPT_TIMEOUT
    assert settled(log) == [(Outcome.FAILURE, 2.0)]


def test_an_endpoint_that_has_had_the_time_of_the_request_has_failed_at_the_deadline() -> None:
    scene, log = watched(request=10.0, attempt=10.0)
    d = scene.begun()
    assert d.expired(START + 10.0) == REJECT
    assert d.reason is Reason.REQUEST_TIMEOUT
    assert settled(log) == [(Outcome.FAILURE, 10.0)]
    assert scene.attempts.words == ["attempt_timeout"]


@pytest.mark.parametrize(
    ("limit", "outcome"), [(0.01, Outcome.IGNORED), (4.9, Outcome.IGNORED), (5.5, Outcome.FAILURE)]
)
def test_a_hurry_of_the_caller_says_nothing_about_the_endpoint(limit: float, outcome: Outcome) -> None:
    scene, log = watched(request=15.0, attempt=5.0)
    d = scene.begun(limit)
    assert d.expired(START + limit) == REJECT
    assert d.reason is Reason.REQUEST_TIMEOUT
    assert [outcome for outcome, _ in settled(log)] == [outcome]


@pytest.mark.parametrize(
    ("limit", "outcome"), [(0.001, Outcome.IGNORED), (4.9, Outcome.IGNORED), (5.0, Outcome.FAILURE)]
)
def test_a_hurry_of_the_caller_makes_no_connection_late(limit: float, outcome: Outcome) -> None:
    scene, log = watched(request=15.0, attempt=5.0)
    d = scene.begun(limit)
    assert d.failed(START + limit, Cause.CONNECT_TIMEOUT) == REJECT
    assert [outcome for outcome, _ in settled(log)] == [outcome]


def test_an_endpoint_that_lets_nobody_in_has_failed_at_the_deadline_even_while_an_upload_runs() -> None:
    scene, log = watched(request=0.5, attempt=0.5)
    d = scene.decision(method=b"POST")
    d.begin(START)
    assert d.failed(START + 0.5, Cause.CONNECT_TIMEOUT) == REJECT
    assert [outcome for outcome, _ in settled(log)] == [Outcome.FAILURE]


def test_the_endpoints_time_begins_when_the_request_is_whole_even_under_the_callers_limit() -> None:
    scene, log = watched(request=15.0, attempt=5.0)
    d = scene.decision(limit=6.0)
    d.begin(START)
    sent(d, START + 5.5)  # the upload was slow; the endpoint has half a second
    assert d.expired(START + 6.0) == REJECT
    assert [outcome for outcome, _ in settled(log)] == [Outcome.IGNORED]


def test_the_wait_in_our_own_line_is_not_the_endpoints_slowness() -> None:
    scene, log = watched()
    d = scene.begun()
    d.lent(START + 3.0)
    assert d.answered(START + 3.5, 200, NO_HINT) == DELIVER
    d.completed(START + 4.0)
    assert settled(log) == [(Outcome.SUCCESS, 0.5)]


@pytest.mark.parametrize(("lent", "outcome"), [(0.1, Outcome.FAILURE), (2.4, Outcome.FAILURE), (2.6, Outcome.IGNORED)])
def test_an_attempt_that_had_most_of_its_time_in_line_says_nothing_about_the_endpoint(
    lent: float, outcome: Outcome
) -> None:
    scene, log = watched(request=15.0, attempt=5.0)
    d = scene.begun()
    d.lent(START + lent)
    assert d.expired(START + 5.0) == REJECT
    assert d.reason is Reason.ATTEMPT_TIMEOUT
    assert [outcome for outcome, _ in settled(log)] == [outcome]


def test_an_upload_that_never_ends_is_not_the_endpoints_failure() -> None:
    scene, log = watched(request=10.0, attempt=5.0)
    d = scene.decision(method=b"POST")
    d.begin(START)
    d.sent = True
    assert d.expired(START + 10.0) == REJECT
    assert d.reason is Reason.REQUEST_TIMEOUT
    assert [outcome for outcome, _ in settled(log)] == [Outcome.IGNORED]


@pytest.mark.parametrize(("begun", "outcome"), [(9.9, Outcome.IGNORED), (7.6, Outcome.IGNORED), (7.4, Outcome.FAILURE)])
def test_an_endpoint_is_not_blamed_for_time_that_went_before_it_was_asked(begun: float, outcome: Outcome) -> None:
    scene, log = watched(request=10.0, attempt=5.0)
    d = scene.decision()
    d.begin(START + begun)  # a head in drops, or a long queue
    sent(d, START + begun)
    assert d.expired(START + 10.0) == REJECT
    assert [outcome for outcome, _ in settled(log)] == [outcome]


def test_a_callers_limit_that_is_not_the_bound_shields_no_endpoint() -> None:
    scene, log = watched(request=15.0, attempt=5.0, total=3.0)
    d = scene.decision(limit=10.0)
    d.begin(START + 1.0)
    sent(d, START + 1.0)
    d.expired(START + 3.0)
    assert [outcome for outcome, _ in settled(log)] == [Outcome.FAILURE]


@pytest.mark.parametrize("cause", [Cause.RESET, Cause.PROTOCOL_ERROR, Cause.IDLE_TIMEOUT])
def test_an_answer_that_breaks_off_is_a_failure_under_its_cause(cause: Cause) -> None:
    scene, log = watched()
    d = scene.begun()
    d.answered(START + 0.25, 200, NO_HINT)
    assert d.broken_off(START + 1.0, cause) == STOP
    assert d.reason is not None
    assert settled(log) == [(Outcome.FAILURE, 0.25)]
    assert scene.attempts.outcomes == [(cause.value, 1.0)]


@pytest.mark.parametrize(("cause", "outcome"), [(Cause.IDLE_TIMEOUT, Outcome.IGNORED), (Cause.RESET, Outcome.FAILURE)])
def test_silence_in_a_tunnel_is_nobodys_failure(cause: Cause, outcome: Outcome) -> None:
    scene, log = watched()
    d = scene.begun()
    d.switched(START + 0.5)
    assert d.broken_off(START + 60.0, cause) == STOP
    assert settled(log) == [(outcome, 0.5)]


def test_the_bound_of_the_whole_exchange_is_no_verdict_on_the_endpoint() -> None:
    scene, log = watched(total=20.0)
    d = scene.begun()
    d.answered(START + 0.5, 200, NO_HINT)
    assert d.overdue(START + 20.0) == STOP
    assert (d.reason, d.rule) == (Reason.REQUEST_TIMEOUT, "r/timeout.total")
    assert settled(log) == [(Outcome.IGNORED, 0.5)]


@pytest.mark.parametrize("answered", [False, True])
def test_a_client_that_leaves_is_no_verdict_on_the_endpoint(answered: bool) -> None:
    scene, log = watched()
    d = scene.begun()
    if answered:
        d.answered(START + 0.25, 500, NO_HINT)
    d.abandoned(START + 0.25)
    d.abandoned(START + 0.5)
    d.ended(START + 0.5)
    assert settled(log) == [(Outcome.IGNORED, 0.25)]
    assert scene.attempts.outcomes == [("downstream_gone", 0.25)]
    assert scene.in_flight == 0


def test_what_happens_to_a_connection_of_bytes_after_it_stood_is_no_verdict() -> None:
    scene, log = watched()
    d = scene.begun()
    d.switched(START + 0.5)
    d.parted(START + 60.0, Cause.RESET)
    assert settled(log) == [(Outcome.IGNORED, 0.5)]
    assert scene.attempts.outcomes == [("reset", 60.0)]
    assert d.reason is None
