"""A half-open breaker and answers that last: a good head counts once the probe's time is over."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import REFUSED, Applicant

FAILURE, SUCCESS, IGNORED = Outcome.FAILURE, Outcome.SUCCESS, Outcome.IGNORED
LEASE = 5.0


class _Anyone(Applicant):
    deadline = math.inf


class _Log(BreakerObserver):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def transition(self, before: str, after: str, why: str) -> None:
        self.told.append((before, after, why))


ANYONE = _Anyone()


def _take(breaker: CircuitBreaker, now: float) -> int:
    return breaker.try_acquire(now, ANYONE)


def _half_open(log: _Log | None = None, **given: Any) -> tuple[CircuitBreaker, float]:
    """A breaker that is about to be probed, and the instant."""
    spec = CircuitBreakerSpec(**{"consecutive_failures": 1, "open_for": 10.0, **given})
    breaker = CircuitBreaker("app/circuit_breaker", "upstream.app", spec, LEASE, random.Random(7), log or _Log())
    breaker.settle(100.0, _take(breaker, 100.0), FAILURE, 0.1)
    assert _state(breaker, 100.0) == "open"
    return breaker, 112.0


def _state(breaker: CircuitBreaker, now: float) -> object:
    return breaker.snapshot(now)["state"]


def _answering(breaker: CircuitBreaker, now: float) -> int:
    """A probe whose answer has just begun well."""
    permit = _take(breaker, now)
    assert permit > 0
    breaker.answering(now, permit)
    return permit


def test_answers_that_last_close_it_when_their_time_is_over() -> None:
    log = _Log()
    breaker, now = _half_open(log, half_open_requests=2)
    _answering(breaker, now)
    _answering(breaker, now + 1.0)
    assert _take(breaker, now + 4.9) == REFUSED
    assert _answering(breaker, now + 5.0) > 0  # the first has succeeded, and its place is free
    assert _take(breaker, now + 5.9) == REFUSED
    assert [_take(breaker, now + 6.0) for _ in range(9)] == [breaker.snapshot(now + 6.0)["generation"]] * 9
    assert log.told[-1] == ("half_open", "closed", "2 probes succeeded")


@pytest.mark.parametrize("look", ["available", "snapshot", "probe", "force"])
def test_whoever_looks_first_finds_it_closed(look: str) -> None:
    breaker, now = _half_open(half_open_requests=1)
    _answering(breaker, now)
    assert not breaker.available(now + 4.9)
    if look == "available":
        assert breaker.available(now + 5.0)
    elif look == "probe":
        breaker.probe(now + 5.0, False)
    elif look == "force":
        breaker.force(now + 5.0, "auto")
    assert _state(breaker, now + 5.0) == "closed"


def test_without_a_good_head_the_end_of_its_time_says_nothing() -> None:
    breaker, now = _half_open(half_open_requests=1)
    assert _take(breaker, now) > 0
    assert _state(breaker, now + 5.0) == "half_open"


def test_a_probe_succeeds_once_whether_or_not_its_answer_ends() -> None:
    breaker, now = _half_open(half_open_requests=2)
    lasting = _answering(breaker, now)
    breaker.answering(now + 6.0, lasting)
    breaker.settle(now + 7.0, lasting, SUCCESS, 0.1)
    breaker.settle(now + 7.0, lasting, SUCCESS, 0.1)
    assert _state(breaker, now + 7.0) == "half_open"
    short = _answering(breaker, now + 7.0)
    breaker.settle(now + 7.1, short, SUCCESS, 0.1)
    assert _state(breaker, now + 7.1) == "closed"


def test_a_good_head_before_a_short_answers_end_changes_nothing() -> None:
    breaker, now = _half_open(half_open_requests=1)
    first = _answering(breaker, now)
    breaker.settle(now + 1.0, first, FAILURE, 0.1)
    assert _state(breaker, now + 1.0) == "open"


def test_a_client_that_leaves_before_the_time_is_over_takes_the_good_head_with_it() -> None:
    breaker, now = _half_open(half_open_requests=1)
    breaker.settle(now + 4.9, _answering(breaker, now), IGNORED, 0.1)
    assert _state(breaker, now + 60.0) == "half_open"
    assert breaker.available(now + 4.9)


@pytest.mark.parametrize("outcome", [IGNORED, SUCCESS])
def test_its_success_stays_when_it_ends_well_or_its_client_leaves(outcome: Outcome) -> None:
    breaker, now = _half_open(half_open_requests=2)
    first = _answering(breaker, now)
    breaker.settle(now + 6.0, first, outcome, 0.1)
    _answering(breaker, now + 6.0)
    assert _state(breaker, now + 11.0) == "closed"


def test_an_answer_that_breaks_off_after_its_time_opens_a_breaker_that_is_still_in_doubt() -> None:
    log = _Log()
    breaker, now = _half_open(log, half_open_requests=2)
    first = _answering(breaker, now)
    breaker.settle(now + 6.0, first, FAILURE, 0.1)
    assert log.told[-1] == ("half_open", "open", "a probe failed")


def test_an_answer_that_breaks_off_after_its_success_has_closed_it_counts_for_nothing() -> None:
    # Nobody has looked in between: the result is the same.
    breaker, now = _half_open(half_open_requests=1)
    first = _answering(breaker, now)
    breaker.settle(now + 6.0, first, FAILURE, 0.1)
    seen = breaker.snapshot(now + 6.0)
    assert (seen["state"], seen["requests"], seen["leases"]) == ("closed", 0, 0)


def test_a_good_head_after_an_upload_that_outlasted_its_time_counts_at_once() -> None:
    breaker, now = _half_open(half_open_requests=1)
    slow = _take(breaker, now)
    assert _state(breaker, now + 6.0) == "half_open"
    breaker.answering(now + 6.0, slow)
    assert _state(breaker, now + 6.0) == "closed"


def test_several_whose_time_ends_together_close_it_once() -> None:
    log = _Log()
    breaker, now = _half_open(log, half_open_requests=2)
    breaker.settle(now, _answering(breaker, now), SUCCESS, 0.1)
    lasting = [_answering(breaker, now) for _ in range(2)]
    assert _take(breaker, now + 5.0) == breaker.snapshot(now + 5.0)["generation"]
    assert [after for _, after, _ in log.told] == ["open", "half_open", "closed"]
    assert not breaker._circuit.well_begun  # or each outage would leave some behind, for ever
    for permit in lasting:
        breaker.settle(now + 6.0, permit, FAILURE, 0.1)
    assert breaker.snapshot(now + 6.0)["requests"] == 0


def test_a_good_head_means_nothing_while_closed_open_or_of_an_earlier_state() -> None:
    breaker, now = _half_open(half_open_requests=1)
    breaker.answering(now - 5.0, 1)
    assert _state(breaker, now - 5.0) == "open"
    old = _answering(breaker, now)
    breaker.settle(now, old, FAILURE, 0.1)
    again = now + 30.0
    assert _state(breaker, again) == "half_open"
    breaker.answering(again, old)
    breaker.answering(again, 1)
    assert _state(breaker, again + 60.0) == "half_open"
    breaker.settle(again, _take(breaker, again), SUCCESS, 0.1)
    before = dict(breaker.snapshot(again))
    breaker.answering(again, _take(breaker, again))
    assert breaker.snapshot(again) == before
    assert before["state"] == "closed"
