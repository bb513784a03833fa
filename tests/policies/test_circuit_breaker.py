"""How a breaker opens, refuses, probes and closes; what a rule may say about it."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import REFUSED, Applicant
from sidecar.policies.units import Invalid

FAILURE, SUCCESS, IGNORED = Outcome.FAILURE, Outcome.SUCCESS, Outcome.IGNORED


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

    @property
    def whys(self) -> list[str]:
        return [why for _, _, why in self.told]


ANYONE = _Anyone()
PLAIN: dict[str, Any] = {"min_requests": 4, "window": 10.0, "open_for": 10.0, "max_open_for": 60.0}


def _breaker(log: _Log | None = None, lease: float = 5.0, **given: Any) -> CircuitBreaker:
    spec = CircuitBreakerSpec(**{**PLAIN, **given})
    return CircuitBreaker("app/circuit_breaker", "upstream.app", spec, lease, random.Random(7), log or _Log())


def _take(breaker: CircuitBreaker, now: float) -> int:
    return breaker.try_acquire(now, ANYONE)


def _attempt(breaker: CircuitBreaker, now: float, outcome: Outcome, seconds: float = 0.1) -> None:
    permit = _take(breaker, now)
    assert permit > 0
    breaker.settle(now, permit, outcome, seconds)


def _tripped(log: _Log | None = None, **given: Any) -> tuple[CircuitBreaker, float]:
    """A breaker that has just opened at 100, and the instant at which it may be probed."""
    breaker = _breaker(log, **{"consecutive_failures": 1, **given})
    _attempt(breaker, 100.0, FAILURE)
    assert breaker.snapshot(100.0)["state"] == "open"
    remaining = breaker.snapshot(100.0)["open_remaining"]
    assert isinstance(remaining, float)
    return breaker, 100.0 + remaining


def _state(breaker: CircuitBreaker, now: float) -> object:
    return breaker.snapshot(now)["state"]


def test_a_closed_breaker_passes_and_says_who_it_is() -> None:
    breaker = _breaker()
    assert breaker.name == breaker.rule == "app/circuit_breaker"
    assert breaker.label == "upstream.app"
    assert breaker.reason is Reason.CIRCUIT_OPEN
    assert not breaker.shadow
    assert breaker.available(1.0)
    assert _take(breaker, 1.0) == breaker.resume(1.0, ANYONE) > 0


def test_it_opens_at_the_ratio_once_there_are_enough_attempts() -> None:
    log = _Log()
    breaker = _breaker(log)
    for outcome in (SUCCESS, SUCCESS, FAILURE):
        _attempt(breaker, 1.0, outcome)
    assert _state(breaker, 1.0) == "closed"
    _attempt(breaker, 1.0, FAILURE)
    assert log.told == [("closed", "open", "2 of 4 attempts failed within 10s")]
    assert not breaker.available(1.0)


def test_too_few_attempts_never_open_it_by_a_ratio() -> None:
    breaker = _breaker()
    for _ in range(3):
        _attempt(breaker, 1.0, FAILURE)
    _attempt(breaker, 11.0, FAILURE)  # the first three are out of the window
    assert _state(breaker, 11.0) == "closed"


def test_slow_attempts_open_it_and_slow_means_longer_than_the_rule_says() -> None:
    log = _Log()
    breaker = _breaker(log, slow_ratio=0.5, slow_after=2.0)
    for seconds in (2.0, 2.0, 2.1, 2.1):
        _attempt(breaker, 1.0, SUCCESS, seconds)
    assert log.told == [("closed", "open", "2 of 4 attempts took longer than 2s within 10s")]


def test_a_slow_failure_counts_as_both() -> None:
    breaker = _breaker(min_requests=10)
    _attempt(breaker, 1.0, FAILURE, 9.0)
    seen = breaker.snapshot(1.0)
    assert (seen["requests"], seen["failures"], seen["slow"]) == (1, 1, 1)


def test_slowness_can_be_switched_off() -> None:
    breaker = _breaker(slow_after=None, slow_ratio=0.01)
    for _ in range(20):
        _attempt(breaker, 1.0, SUCCESS, 1e6)
    assert _state(breaker, 1.0) == "closed"


def test_failures_in_a_row_open_it_before_any_ratio_is_looked_at() -> None:
    log = _Log()
    breaker = _breaker(log, consecutive_failures=4)
    for _ in range(4):
        _attempt(breaker, 1.0, FAILURE)
    assert log.whys == ["4 failures in a row"]


def test_a_success_ends_the_row_and_an_ignored_outcome_does_not() -> None:
    breaker = _breaker(consecutive_failures=3, min_requests=1000)
    for outcome in (FAILURE, FAILURE, SUCCESS, FAILURE, IGNORED, FAILURE):
        _attempt(breaker, 1.0, outcome)
    assert breaker.snapshot(1.0)["consecutive_failures"] == 2
    assert breaker.snapshot(1.0)["requests"] == 5
    _attempt(breaker, 500.0, FAILURE)
    assert _state(breaker, 500.0) == "open"


def test_an_open_breaker_refuses_and_says_what_is_left() -> None:
    breaker, end = _tripped()
    assert 109.0 <= end <= 111.0
    assert _take(breaker, 103.0) == REFUSED
    assert breaker.retry_after == pytest.approx(end - 103.0)
    assert breaker.status == 0
    assert breaker.rule == "app/circuit_breaker"


def test_results_that_come_after_it_has_opened_change_nothing() -> None:
    breaker = _breaker(consecutive_failures=1)
    permits = [_take(breaker, 1.0) for _ in range(3)]
    breaker.settle(1.0, permits[0], FAILURE, 0.1)
    before = dict(breaker.snapshot(1.0))
    breaker.settle(1.0, permits[1], FAILURE, 0.1)
    breaker.settle(1.0, permits[2], SUCCESS, 0.1)
    assert breaker.snapshot(1.0) == before


def test_its_time_over_it_admits_a_few_and_refuses_the_rest_for_a_moment() -> None:
    log = _Log()
    breaker, end = _tripped(log)
    permits = {_take(breaker, end) for _ in range(3)}
    assert len(permits) == 3
    assert min(permits) > 0
    assert not breaker.available(end)
    assert _take(breaker, end) == REFUSED
    assert breaker.retry_after == 1.0
    assert log.told[-1][:2] == ("open", "half_open")
    assert log.whys[-1] == f"it was open for {end - 100.0:.1f}s"


def test_asking_whether_it_is_available_takes_no_place() -> None:
    breaker, end = _tripped(half_open_requests=1)
    assert [breaker.available(end) for _ in range(5)] == [True] * 5
    assert _take(breaker, end) > 0
    assert not breaker.available(end)


def test_enough_successful_probes_close_it_with_an_empty_window() -> None:
    log = _Log()
    breaker, end = _tripped(log)
    for _ in range(3):
        _attempt(breaker, end, SUCCESS)
    assert log.told[-1] == ("half_open", "closed", "3 probes succeeded")
    seen = breaker.snapshot(end)
    assert (seen["requests"], seen["failures"], seen["consecutive_failures"], seen["leases"]) == (0, 0, 0, 0)


def test_one_failed_probe_opens_it_for_twice_as_long_and_its_siblings_results_are_dropped() -> None:
    log = _Log()
    breaker, end = _tripped(log)
    first, second, _ = (_take(breaker, end) for _ in range(3))
    breaker.settle(end, first, FAILURE, 0.1)
    assert log.told[-1] == ("half_open", "open", "a probe failed")
    breaker.settle(end, second, SUCCESS, 0.1)
    assert _take(breaker, end) == REFUSED
    assert 18.0 <= breaker.retry_after <= 22.0
    assert breaker.snapshot(end)["opened"] == 2


def test_the_open_time_doubles_up_to_its_most_and_starts_over_once_it_was_closed() -> None:
    breaker, now = _tripped(half_open_requests=1)
    for expected in (20.0, 40.0, 60.0, 60.0):
        _attempt(breaker, now, FAILURE)
        remaining = breaker.snapshot(now)["open_remaining"]
        assert isinstance(remaining, float)
        assert 0.9 * expected <= remaining <= 1.1 * expected
        now += remaining + 1e-6
    _attempt(breaker, now, SUCCESS)
    _attempt(breaker, now, FAILURE)
    remaining = breaker.snapshot(now)["open_remaining"]
    assert isinstance(remaining, float)
    assert 9.0 <= remaining <= 11.0


def test_a_backend_that_stays_down_for_weeks_does_not_overflow_the_open_time() -> None:
    breaker, now = _tripped(half_open_requests=1)
    for _ in range(1200):
        _attempt(breaker, now, FAILURE)
        now += 70.0
    assert breaker.snapshot(now)["opened"] == 1201


def test_an_ignored_probe_gives_its_place_back_and_says_nothing() -> None:
    breaker, end = _tripped(half_open_requests=1)
    for _ in range(5):
        _attempt(breaker, end, IGNORED)
    assert _state(breaker, end) == "half_open"
    assert breaker.available(end)


def test_a_probe_that_hangs_gives_its_place_back_when_its_lease_ends() -> None:
    breaker, end = _tripped(half_open_requests=1)
    assert _take(breaker, end) > 0
    assert _take(breaker, end + 4.9) == REFUSED
    assert not breaker.available(end + 4.9)
    assert breaker.available(end + 5.0)
    assert breaker.snapshot(end + 5.0)["leases"] == 0
    assert _take(breaker, end + 5.0) > 0


def test_the_result_of_a_probe_counts_even_after_its_lease_has_ended() -> None:
    # An attempt that times out settles just after the lease that is as long: dropped, a dead backend would be probed
    # for ever without the breaker opening again.
    breaker, end = _tripped(half_open_requests=1)
    hanging = _take(breaker, end)
    assert _take(breaker, end + 5.0) > 0
    breaker.settle(end + 5.0, hanging, FAILURE, 5.0)
    assert _state(breaker, end + 5.0) == "open"


def test_an_overdue_probe_that_is_ignored_or_settled_twice_says_nothing() -> None:
    breaker, end = _tripped(half_open_requests=2)
    hanging = _take(breaker, end)
    assert breaker.snapshot(end + 5.0)["leases"] == 0
    breaker.settle(end + 6.0, hanging, IGNORED, 6.0)
    breaker.settle(end + 6.0, hanging, FAILURE, 6.0)
    assert _state(breaker, end + 6.0) == "half_open"


def test_without_an_attempt_timeout_a_lease_ends_all_the_same() -> None:
    breaker, end = _tripped(half_open_requests=1, lease=math.inf)
    assert _take(breaker, end) > 0
    assert not breaker.available(end + 59.0)
    assert breaker.available(end + 60.0)


def test_a_result_of_before_it_opened_does_not_count_after_it_has_closed() -> None:
    breaker = _breaker(consecutive_failures=1, half_open_requests=1)
    early, late = _take(breaker, 1.0), _take(breaker, 1.0)
    breaker.settle(1.0, early, FAILURE, 0.1)
    _attempt(breaker, 13.0, SUCCESS)
    assert _state(breaker, 13.0) == "closed"
    breaker.settle(13.0, late, FAILURE, 12.0)
    assert _state(breaker, 13.0) == "closed"
    assert breaker.snapshot(13.0)["requests"] == 0


def test_health_checks_are_probes_where_there_is_no_traffic() -> None:
    log = _Log()
    breaker, end = _tripped(log)
    breaker.probe(end - 0.01, True)
    assert _state(breaker, end - 0.01) == "open"
    for _ in range(3):
        breaker.probe(end, True)
    assert log.whys[1:] == [f"it was open for {end - 100.0:.1f}s", "3 probes succeeded"]


def test_a_failed_health_check_opens_a_half_open_breaker_and_no_closed_one() -> None:
    log = _Log()
    breaker, end = _tripped(log)
    breaker.probe(end, False)
    assert log.told[-1] == ("half_open", "open", "a health check failed")
    closed = _breaker(consecutive_failures=1)
    closed.probe(1.0, False)
    assert _state(closed, 1.0) == "closed"


def test_one_probe_is_told_of_as_one() -> None:
    log = _Log()
    breaker, end = _tripped(log, half_open_requests=1)
    breaker.probe(end, True)
    assert log.whys[0] == "1 failure in a row"
    assert log.whys[-1] == "1 probe succeeded"


def test_shadow_is_said_and_the_machine_decides_as_ever() -> None:
    breaker, _ = _tripped(mode="shadow")
    assert breaker.shadow
    assert _take(breaker, 100.0) == REFUSED


def test_a_snapshot_is_plain_and_complete() -> None:
    breaker, end = _tripped()
    assert json.loads(json.dumps(dict(breaker.snapshot(100.0)))) == {
        "breaker": "upstream.app",
        "state": "open",
        "forced": "auto",
        "requests": 1,
        "failures": 1,
        "slow": 0,
        "consecutive_failures": 1,
        "open_remaining": end - 100.0,
        "leases": 0,
        "generation": 2,
        "opened": 1,
        "shadow": False,
    }
    assert breaker.snapshot(end)["open_remaining"] == 0.0


def test_an_observer_that_looks_sees_the_new_state() -> None:
    seen: list[object] = []

    class _Looking(BreakerObserver):
        def transition(self, before: str, after: str, why: str) -> None:
            seen.append((after, breaker.snapshot(1.0)["state"]))

    spec = CircuitBreakerSpec(consecutive_failures=1)
    breaker = CircuitBreaker("app/circuit_breaker", "upstream.app", spec, 5.0, random.Random(7), _Looking())
    _attempt(breaker, 1.0, FAILURE)
    assert seen == [("open", "open")]


@pytest.mark.parametrize(
    ("given", "key", "sentence"),
    [
        ({"failure_ratio": 0.0}, "failure_ratio", "one success"),
        ({"slow_ratio": 0.0}, "slow_ratio", "slow_after"),
        ({"min_requests": 0}, "min_requests", "at least 1"),
        ({"window": 0.5}, "window", "from 1s to 1h"),
        ({"open_for": 0.0}, "open_for", "more than 0"),
        ({"open_for": 10.0, "max_open_for": 5.0}, "max_open_for", "at least open_for"),
        ({"half_open_requests": 0}, "half_open_requests", "never close"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(given: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        CircuitBreakerSpec(**given)
    assert caught.value.faults[0][0] == key
    assert sentence in caught.value.faults[0][1]


@pytest.mark.parametrize("given", [{}, {"window": 1.0, "consecutive_failures": 5, "slow_after": None}])
def test_what_makes_sense_is_taken_and_enforced(given: dict[str, Any]) -> None:
    made = CircuitBreakerSpec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert made.mode == "enforce"
