"""A breaker forced by an operator, and one that lives on under other rules."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import NO_TIME, REFUSED, Admission, Applicant

FAILURE, SUCCESS = Outcome.FAILURE, Outcome.SUCCESS


class _Anyone(Applicant):
    deadline = math.inf

    def key(self, key: object) -> str:
        return ""

    def granted(self, now: float) -> None:
        raise AssertionError("nobody waits for a breaker")


class _Log(BreakerObserver):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def transition(self, before: str, after: str, why: str) -> None:
        self.told.append((before, after, why))


ANYONE = _Anyone()


def _breaker(log: _Log | None = None, **given: Any) -> CircuitBreaker:
    spec = CircuitBreakerSpec(**{"consecutive_failures": 2, "open_for": 10.0, **given})
    return CircuitBreaker("app/circuit_breaker", "upstream.app", spec, 5.0, random.Random(7), log or _Log())


def _attempt(breaker: CircuitBreaker, now: float, outcome: Outcome) -> None:
    permit = breaker.try_acquire(now, ANYONE)
    assert permit > 0
    breaker.settle(now, permit, outcome, 0.1)


def _trip(breaker: CircuitBreaker, now: float) -> None:
    _attempt(breaker, now, FAILURE)
    _attempt(breaker, now, FAILURE)


def _state(breaker: CircuitBreaker, now: float) -> object:
    return breaker.snapshot(now)["state"]


def test_forced_open_refuses_for_as_long_as_nobody_knows_and_counts_nothing() -> None:
    log = _Log()
    breaker = _breaker(log)
    permit = breaker.try_acquire(1.0, ANYONE)
    breaker.force(1.0, "open")
    breaker.settle(2.0, permit, FAILURE, 0.1)
    breaker.probe(1e9, True)
    assert breaker.try_acquire(1e9, ANYONE) == REFUSED
    assert breaker.retry_after == NO_TIME
    assert not breaker.available(1e9)
    seen = breaker.snapshot(1e9)
    assert (seen["state"], seen["forced"], seen["open_remaining"], seen["requests"]) == ("open", "open", None, 0)
    assert log.told == [("closed", "open", "by hand")]


def test_forced_open_over_an_open_breaker_keeps_it_open_past_its_time() -> None:
    log = _Log()
    breaker = _breaker(log)
    _trip(breaker, 1.0)
    breaker.force(2.0, "open")
    assert _state(breaker, 1000.0) == "open"
    assert len(log.told) == 1
    assert breaker.snapshot(1000.0)["opened"] == 1


def test_forced_closed_admits_and_counts_and_never_opens() -> None:
    log = _Log()
    breaker = _breaker(log)
    breaker.force(1.0, "close")
    for _ in range(50):
        _attempt(breaker, 1.0, FAILURE)
    seen = breaker.snapshot(1.0)
    assert (seen["state"], seen["forced"], seen["failures"]) == ("closed", "close", 50)
    assert log.told == []


def test_forced_closed_over_an_open_breaker_closes_it_at_once() -> None:
    log = _Log()
    breaker = _breaker(log)
    _trip(breaker, 1.0)
    breaker.force(1.5, "close")
    assert log.told[-1] == ("open", "closed", "by hand")
    _trip(breaker, 2.0)
    assert _state(breaker, 2.0) == "closed"


@pytest.mark.parametrize("word", ["open", "close"])
def test_auto_gives_it_back_closed_and_with_an_empty_window(word: str) -> None:
    breaker = _breaker()
    _attempt(breaker, 1.0, FAILURE)
    breaker.force(1.0, word)
    held = breaker.try_acquire(1.0, ANYONE)
    breaker.force(2.0, "auto")
    seen = breaker.snapshot(2.0)
    assert (seen["state"], seen["forced"], seen["requests"], seen["consecutive_failures"]) == ("closed", "auto", 0, 0)
    if held > 0:
        breaker.settle(2.0, held, FAILURE, 0.1)
        assert breaker.snapshot(2.0)["requests"] == 0
    _trip(breaker, 3.0)
    assert _state(breaker, 3.0) == "open"


def test_auto_does_not_reset_a_breaker_that_nobody_forced() -> None:
    breaker = _breaker()
    _trip(breaker, 1.0)
    breaker.force(2.0, "auto")
    assert _state(breaker, 2.0) == "open"


def test_by_hand_from_open_to_closed_and_back_without_auto_in_between() -> None:
    log = _Log()
    breaker = _breaker(log)
    for word in ("open", "close", "close", "open"):
        breaker.force(1.0, word)
    assert [(before, after) for before, after, _ in log.told] == [
        ("closed", "open"),
        ("open", "closed"),
        ("closed", "open"),
    ]


def test_a_word_that_means_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="shut"):
        _breaker().force(1.0, "shut")


def test_an_open_breaker_stays_open_under_new_rules() -> None:
    before, after = _breaker(), _breaker(open_for=1.0, mode="shadow")
    _trip(before, 1.0)
    left = before.snapshot(2.0)["open_remaining"]
    after.inherit(before, 2.0)
    assert after.shadow
    assert after.try_acquire(2.0, ANYONE) == REFUSED
    assert after.retry_after == left
    assert after.snapshot(2.0)["opened"] == 1


def test_permits_of_the_old_rules_land_in_the_breaker_of_the_new() -> None:
    old_log, new_log = _Log(), _Log()
    before, after = _breaker(old_log), _breaker(new_log)
    permits = [before.try_acquire(1.0, ANYONE) for _ in range(2)]
    after.inherit(before, 2.0)
    for permit in permits:
        before.settle(3.0, permit, FAILURE, 0.1)
    assert _state(after, 3.0) == _state(before, 3.0) == "open"
    assert old_log.told == []
    assert new_log.told == [("closed", "open", "2 failures in a row")]


def test_a_probe_of_the_old_rules_keeps_its_place_under_the_new() -> None:
    before, after = _breaker(half_open_requests=1), _breaker(half_open_requests=1)
    _trip(before, 1.0)
    probe = before.try_acquire(13.0, ANYONE)
    after.inherit(before, 13.0)
    assert after.try_acquire(13.0, ANYONE) == REFUSED
    before.settle(13.5, probe, SUCCESS, 0.5)
    assert _state(after, 13.5) == "closed"


def test_what_is_forced_by_hand_survives_new_rules() -> None:
    before, after = _breaker(), _breaker()
    before.force(1.0, "open")
    after.inherit(before, 2.0)
    assert after.snapshot(2.0)["forced"] == "open"
    assert after.try_acquire(1e6, ANYONE) == REFUSED


def test_counts_carry_over_and_the_new_thresholds_judge_the_next_result() -> None:
    before = _breaker(consecutive_failures=None, min_requests=100)
    for _ in range(5):
        _attempt(before, 1.0, FAILURE)
    after = _breaker(consecutive_failures=None, min_requests=6)
    after.inherit(before, 1.0)
    assert after.snapshot(1.0)["requests"] == 5
    _attempt(after, 1.0, SUCCESS)
    assert _state(after, 1.0) == "open"


def test_another_window_length_keeps_the_newest_counts() -> None:
    before, after = _breaker(consecutive_failures=None, min_requests=100), _breaker(window=2.5)
    for second in range(1, 9):
        _attempt(before, float(second), FAILURE)
    after.inherit(before, 8.0)
    assert after.snapshot(8.0)["requests"] == 3
    assert before.snapshot(8.0)["requests"] == 3


def test_a_breaker_that_had_no_forerunner_of_its_kind_starts_on_its_own() -> None:
    breaker = _breaker()
    _attempt(breaker, 1.0, FAILURE)
    breaker.inherit(Admission("login/concurrency", Reason.CONCURRENCY_LIMITED), 1.0)
    assert breaker.snapshot(1.0)["requests"] == 1


def test_in_shadow_mode_an_operators_word_holds_and_the_rule_guesses_on_after_it() -> None:
    breaker, later = _breaker(mode="shadow"), _breaker(mode="shadow")
    seen = [breaker.shadow]
    breaker.force(0.0, "open")
    seen.append(breaker.shadow)
    assert breaker.try_acquire(1.0, ANYONE) == REFUSED
    later.inherit(breaker, 2.0)
    seen.append(later.shadow)
    later.force(3.0, "auto")
    seen.append(later.shadow)
    assert seen == [True, False, False, True]
    assert later.try_acquire(4.0, ANYONE) > 0
