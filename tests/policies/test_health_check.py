"""Active checks of one endpoint: what makes it down, what makes it up again, and how soon it is looked at."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.health_check import HealthCheck
from sidecar.policies.health_gate import HealthCheckSpec


def spec(interval: float = 5.0, healthy_after: int = 2, unhealthy_after: int = 3) -> HealthCheckSpec:
    return HealthCheckSpec(
        path="/healthz", interval=interval, healthy_after=healthy_after, unhealthy_after=unhealthy_after
    )


def fallen() -> HealthCheck:
    """One that was up and is down."""
    check = HealthCheck(spec(), up=True)
    assert [check.failed() for _ in range(3)] == [False, False, True]
    return check


def test_failures_in_a_row_make_an_endpoint_down_and_a_success_begins_the_count_anew() -> None:
    check = HealthCheck(spec(), up=True)
    assert [check.failed(), check.failed(), check.succeeded(), check.failed(), check.failed()] == [False] * 5
    assert check.up
    assert check.failed()
    assert not check.up


def test_successes_in_a_row_make_it_up_again_and_a_failure_begins_the_count_anew() -> None:
    check = fallen()
    assert [check.succeeded(), check.failed(), check.succeeded()] == [False] * 3
    assert check.succeeded()
    assert check.up


def test_a_change_is_said_once() -> None:
    check = fallen()
    assert not check.failed()
    assert [check.succeeded() for _ in range(4)] == [False, True, False, False]


def test_at_the_start_one_success_is_enough_however_many_failures_came_before() -> None:
    check = HealthCheck(spec(healthy_after=5), up=False)
    assert [check.failed(), check.failed()] == [False] * 2
    assert check.succeeded()


def test_one_that_nobody_listened_on_is_down_at_once_and_up_with_one_success() -> None:
    check = HealthCheck(spec(healthy_after=5), up=True)
    assert check.lost()
    assert not check.up
    assert [check.lost(), check.failed()] == [False] * 2
    assert check.succeeded()


def test_one_that_failed_its_checks_has_to_prove_itself_although_nobody_listens_any_more() -> None:
    check = fallen()
    assert not check.lost()
    assert not check.succeeded()
    assert check.succeeded()


def test_trust_is_given_once() -> None:
    check = HealthCheck(spec(), up=False)
    assert check.succeeded()
    for _ in range(3):
        check.failed()
    assert not check.succeeded()
    assert check.succeeded()


def test_other_rules_leave_it_up_or_down_and_forget_what_was_counted() -> None:
    check = HealthCheck(spec(unhealthy_after=3), up=True)
    check.failed()
    check.failed()
    check.adopt(spec(unhealthy_after=2))
    assert check.up
    assert not check.failed()
    assert check.failed()
    check.adopt(spec())
    assert not check.up


@pytest.mark.parametrize(("interval", "fast"), [(5.0, 1.0), (0.5, 0.1), (0.3, 0.1), (0.1, 0.1)])
def test_it_is_looked_at_five_times_as_often_while_it_is_down_or_in_doubt(interval: float, fast: float) -> None:
    check = HealthCheck(spec(interval), up=True)
    assert check.interval == interval
    check.failed()
    assert check.interval == pytest.approx(fast)
    check.succeeded()
    assert check.interval == interval
    check.lost()
    assert check.interval == pytest.approx(fast)


@given(interval=st.floats(0.1, 3600.0), up=st.booleans(), seed=st.integers(0, 1 << 30))
def test_jitter_keeps_within_a_tenth_and_a_start_within_a_second(interval: float, up: bool, seed: int) -> None:
    check, rng = HealthCheck(spec(interval), up=up), random.Random(seed)
    assert 0.9 * check.interval - 1e-9 <= check.delay(rng) <= 1.1 * check.interval + 1e-9
    assert 0.0 <= check.first_delay(rng) <= min(interval, 1.0)


@given(
    up=st.booleans(),
    rises=st.integers(1, 4),
    falls=st.integers(1, 4),
    results=st.lists(st.sampled_from(["ok", "bad", "lost"]), max_size=40),
)
def test_the_state_is_what_the_last_results_in_a_row_say(up: bool, rises: int, falls: int, results: list[str]) -> None:
    check = HealthCheck(spec(healthy_after=rises, unhealthy_after=falls), up=up)
    state, trusted, streak = up, not up, 0
    for result in results:
        if result == "lost":
            changed = check.lost()
            assert changed == state
            if changed:
                state, trusted, streak = False, True, 0
            continue
        against = (result == "ok") != state
        streak = streak + 1 if against else 0
        needed = falls if state else (1 if trusted else rises)
        flips = streak >= needed
        assert (check.succeeded() if result == "ok" else check.failed()) == flips
        if flips:
            state, trusted, streak = not state, False, 0
        assert check.up == state
