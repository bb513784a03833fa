"""The decision as scripts: what happened and when, and what it says to do next."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, STOP
from sidecar.model.address import Address
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.policies.selection import RoundRobin
from sidecar.runtime.upstream import Endpoint, Route, Upstream


class Attempts(UpstreamObserver):
    """An UpstreamObserver that remembers."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[str, float]] = []

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        self.outcomes.append((outcome, seconds))

    def connected(self, result: str) -> None:
        raise AssertionError("a decision opens no connection")


def route(*ports: int, request: float = 15.0, attempt: float = 5.0) -> tuple[Route, Attempts]:
    attempts = Attempts()
    endpoints = [Endpoint("app", Address.parse(f"127.0.0.1:{port}")) for port in ports]
    upstream = Upstream("app", endpoints, RoundRobin(), random.Random(1), attempts)
    made = Route("r", upstream, matcher=_no_matcher(), observer=RouteObserver())
    made.request_timeout = request
    made.attempt_timeout = attempt
    return made, attempts


def _no_matcher() -> Any:
    return None


def decision(made: Route, started: float = 100.0, limit: float = math.inf) -> Decision:
    return Decision(made, started, limit)


def test_the_deadline_runs_from_the_first_byte_and_the_attempt_from_the_end_of_the_request() -> None:
    made, _ = route(1)
    d = decision(made, started=100.0)
    assert d.begin(101.0, None) == ATTEMPT
    assert (d.deadline, d.attempt_deadline) == (115.0, 115.0)
    d.request_sent(103.0)
    assert d.attempt_deadline == 108.0


def test_an_attempt_never_outlives_the_deadline() -> None:
    made, _ = route(1, request=4.0)
    d = decision(made)
    d.begin(100.0, None)
    d.request_sent(102.0)
    assert d.attempt_deadline == 104.0


def test_the_callers_limit_shortens_the_deadline_and_never_lengthens_it() -> None:
    made, _ = route(1, request=4.0)
    assert decision(made, 100.0, limit=1.0).deadline == 101.0
    assert decision(made, 100.0, limit=60.0).deadline == 104.0


def test_an_upstream_without_endpoints_is_refused_as_no_endpoint() -> None:
    made, attempts = route()
    d = decision(made)
    assert d.begin(100.0, None) == REJECT
    assert d.reason is Reason.NO_ENDPOINT
    d.abandoned(100.0)
    assert attempts.outcomes == []


def test_a_completed_answer_settles_its_attempt_once() -> None:
    made, attempts = route(1)
    d = decision(made)
    d.begin(100.0, None)
    endpoint = made.upstream.endpoints[0]
    assert endpoint.in_flight == 1
    assert d.answered(100.5, 200) == DELIVER
    assert endpoint.in_flight == 1
    d.completed(102.0)
    d.completed(103.0)
    d.abandoned(103.0)
    assert endpoint.in_flight == 0
    assert attempts.outcomes == [("success", 2.0)]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "success"), (404, "success"), (501, "success"), (505, "success"), (500, "5xx"), (503, "5xx")],
)
def test_the_outcome_is_classified_by_the_answers_status(status: int, outcome: str) -> None:
    made, attempts = route(1)
    d = decision(made)
    d.begin(100.0, None)
    d.answered(100.0, status)
    d.completed(101.0)
    assert attempts.outcomes == [(outcome, 1.0)]


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.CONNECT_FAILURE, Reason.CONNECT_FAILURE),
        (Cause.CONNECT_TIMEOUT, Reason.CONNECT_TIMEOUT),
        (Cause.POOL_FULL, Reason.OVERLOADED),
        (Cause.RESET, Reason.RESET),
        (Cause.PROTOCOL_ERROR, Reason.UPSTREAM_PROTOCOL_ERROR),
        (Cause.STALE, Reason.RESET),
    ],
)
def test_a_failed_attempt_is_refused_with_its_reason(cause: Cause, reason: Reason) -> None:
    made, attempts = route(1)
    d = decision(made)
    d.begin(100.0, None)
    assert d.failed(101.0, cause) == REJECT
    assert d.reason is reason
    assert attempts.outcomes == [(cause.value, 1.0)]
    assert made.upstream.endpoints[0].in_flight == 0


def test_a_stale_connection_is_replaced_once_by_a_fresh_one_to_the_same_endpoint() -> None:
    made, attempts = route(1, 2)
    d = decision(made)
    d.replayable = True
    d.begin(100.0, None)
    first = d.endpoint
    assert d.failed(100.5, Cause.STALE) == ATTEMPT
    assert (d.endpoint, d.fresh, d.attempt) == (first, True, 2)
    assert d.failed(100.7, Cause.STALE) == REJECT
    assert d.reason is Reason.RESET
    assert [outcome for outcome, _ in attempts.outcomes] == ["stale", "stale"]


def test_a_stale_connection_is_not_replaced_when_the_request_cannot_be_repeated() -> None:
    made, _ = route(1)
    d = decision(made)
    d.begin(100.0, None)
    assert d.failed(100.5, Cause.STALE) == REJECT


def test_a_stale_connection_is_not_replaced_past_the_deadline() -> None:
    made, _ = route(1, request=1.0)
    d = decision(made)
    d.replayable = True
    d.begin(100.0, None)
    assert d.failed(101.0, Cause.STALE) == REJECT


def test_expiry_says_which_of_the_two_timeouts_it_was() -> None:
    made, attempts = route(1, request=10.0, attempt=2.0)
    d = decision(made)
    d.begin(100.0, None)
    d.request_sent(100.0)
    assert d.expired(102.0) == REJECT
    assert d.reason is Reason.ATTEMPT_TIMEOUT
    e = decision(made)
    e.begin(100.0, None)
    assert e.expired(110.0) == REJECT
    assert e.reason is Reason.REQUEST_TIMEOUT
    assert [outcome for outcome, _ in attempts.outcomes] == ["attempt_timeout", "attempt_timeout"]


def test_an_answer_that_breaks_off_is_stopped_and_counted_under_its_cause() -> None:
    made, attempts = route(1)
    d = decision(made)
    d.begin(100.0, None)
    d.answered(100.0, 200)
    assert d.broken_off(101.0, Cause.RESET) == STOP
    assert d.reason is Reason.RESET
    assert attempts.outcomes == [("reset", 1.0)]


def test_a_client_that_leaves_is_no_verdict_on_the_endpoint() -> None:
    made, attempts = route(1)
    d = decision(made)
    d.begin(100.0, None)
    d.abandoned(100.2)
    assert [outcome for outcome, _ in attempts.outcomes] == ["downstream_gone"]
    assert made.upstream.endpoints[0].in_flight == 0


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["sent", "failed", "stale", "expired", "answered", "completed", "broken", "abandoned"]),
        st.floats(min_value=0, max_value=5),
    ),
    max_size=12,
)


@given(EVENTS, st.booleans())
def test_whatever_happens_every_attempt_is_settled_exactly_once(
    events: list[tuple[str, float]], replayable: bool
) -> None:
    made, attempts = route(1, 2)
    d = decision(made)
    d.replayable = replayable
    now = 100.0
    d.begin(now, None)
    for event, passed in events:
        now += passed
        match event:
            case "sent":
                d.request_sent(now)
            case "failed":
                if d.pending:
                    d.failed(now, Cause.RESET)
            case "stale":
                if d.pending:
                    d.failed(now, Cause.STALE)
            case "expired":
                if d.pending:
                    d.expired(now)
            case "answered":
                d.answered(now, 200)
            case "completed":
                d.completed(now)
            case "broken":
                if d.pending:
                    d.broken_off(now, Cause.RESET)
            case _:
                d.abandoned(now)
    d.abandoned(now)
    assert sum(endpoint.in_flight for endpoint in made.upstream.endpoints) == 0
    assert len(attempts.outcomes) == d.attempt
    assert d.attempt <= 2
