"""What a retry budget pays for."""

from __future__ import annotations

import pytest

from sidecar.policies.retry_budget import RetryBudget


def withdrawn(budget: RetryBudget, now: float, tries: int = 1000) -> int:
    """How many retries are paid for at one instant."""
    return sum(budget.try_withdraw(now) for _ in range(tries))


def fed(ratio: float, floor: float, requests: int, now: float = 0.0) -> RetryBudget:
    budget = RetryBudget(ratio, floor)
    for _ in range(requests):
        budget.deposit(now)
    return budget


@pytest.mark.parametrize(
    ("ratio", "requests", "retries"),
    [(0.2, 5, 1), (0.2, 4, 0), (0.2, 100, 20), (0.3, 10, 3), (0.1, 1000, 100), (1.0, 7, 7), (0.07, 100, 7)],
)
def test_requests_pay_for_their_ratio_of_retries(ratio: float, requests: int, retries: int) -> None:
    assert withdrawn(fed(ratio, 0.0, requests), 0.5) == retries


def test_the_floor_is_affordable_without_any_request() -> None:
    assert withdrawn(RetryBudget(0.2, 10.0), 0.0) == 10


def test_an_outage_does_not_begin_with_ten_seconds_of_the_floor() -> None:
    budget = RetryBudget(0.0, 10.0)
    assert withdrawn(budget, 1000.0) == 10
    assert withdrawn(budget, 1000.5) == 5
    assert withdrawn(budget, 1001.0) == 5
    assert withdrawn(budget, 2000.0) == 10


def test_a_floor_of_less_than_one_a_second_still_adds_up_to_a_retry() -> None:
    budget = RetryBudget(0.0, 0.25)
    assert withdrawn(budget, 0.0) == 1
    assert withdrawn(budget, 3.0) == 0
    assert withdrawn(budget, 4.0) == 1


def test_a_ratio_of_zero_leaves_the_floor_alone() -> None:
    assert withdrawn(fed(0.0, 2.0, 1000), 0.0) == 2


def test_a_floor_of_zero_leaves_the_ratio_alone() -> None:
    budget = RetryBudget(0.2, 0.0)
    assert not budget.try_withdraw(0.0)
    assert not budget.try_withdraw(1e6)


def test_credits_and_floor_make_up_a_retry_together() -> None:
    budget = fed(0.25, 1.0, 2)
    assert withdrawn(budget, 0.0) == 1  # half from the two requests, half from the floor
    assert budget.available(0.0) == 0.5
    assert withdrawn(budget, 0.25) == 0
    assert withdrawn(budget, 0.5) == 1


def test_a_refusal_spends_nothing() -> None:
    budget = fed(0.2, 0.0, 4)
    assert withdrawn(budget, 0.0, tries=50) == 0
    budget.deposit(0.0)
    assert withdrawn(budget, 0.0) == 1


def test_credits_expire_when_they_are_ten_seconds_old() -> None:
    assert withdrawn(fed(1.0, 0.0, 3, now=5.0), 14.999) == 3
    assert withdrawn(fed(1.0, 0.0, 3, now=5.0), 15.0) == 0
    assert withdrawn(fed(1.0, 0.0, 3, now=5.0), 1e9) == 0


def test_only_the_second_that_is_over_age_expires() -> None:
    budget = RetryBudget(1.0, 0.0)
    for second in range(20):
        budget.deposit(second + 0.5)
    assert budget.available(19.9) == 10.0
    assert budget.available(20.0) == 9.0
    assert budget.available(24.0) == 5.0


def test_the_oldest_credits_are_spent_first() -> None:
    budget = RetryBudget(1.0, 0.0)
    for second in (0.0, 3.0, 6.0):
        budget.deposit(second)
    assert budget.try_withdraw(7.0)
    assert budget.available(10.5) == 2.0  # what expires at 10 is what was spent
    assert withdrawn(budget, 13.5) == 1


def test_what_was_spent_leaves_no_debt_when_it_would_have_expired() -> None:
    budget = fed(1.0, 0.0, 10)
    assert withdrawn(budget, 9.0) == 10
    budget.deposit(10.0)
    assert budget.available(10.0) == 1.0


def test_a_retry_larger_than_one_second_of_credits_takes_from_several() -> None:
    budget = RetryBudget(0.2, 0.0)
    for second in range(8):
        budget.deposit(float(second))
    assert withdrawn(budget, 7.0) == 1
    assert budget.available(7.0) == pytest.approx(0.6)
    assert budget.available(14.5) == pytest.approx(0.6)
    assert budget.available(15.0) == pytest.approx(0.4)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    budget = fed(0.5, 1.0, 4, now=3.0)
    assert withdrawn(budget, 3.0) == 3
    assert withdrawn(budget, 3.0) == 0


def test_rounding_does_not_add_up_over_a_long_life() -> None:
    budget = RetryBudget(0.3, 0.0)
    paid = 0
    for second in range(2000):
        for _ in range(7):
            budget.deposit(float(second))
        paid += withdrawn(budget, second + 0.5, tries=4)
    assert paid == pytest.approx(0.3 * 7 * 2000, abs=1.0)


def test_a_successor_takes_over_what_is_left_and_leaves_nothing_behind() -> None:
    before = fed(0.2, 10.0, 100, now=50.0)
    assert withdrawn(before, 50.0, tries=25) == 25  # 20 by the requests, 5 by the floor
    for _ in range(10):
        before.deposit(51.0)
    after = RetryBudget(0.5, 20.0)
    after.inherit(before, 51.0)
    assert after.available(51.0) == 25.0  # ten requests at the new ratio, and the full new floor
    assert before.available(51.0) == 0.0
    assert after.available(61.0) == 20.0


def test_a_successor_keeps_the_fill_of_the_floor() -> None:
    before = RetryBudget(0.0, 10.0)
    assert withdrawn(before, 10.0, tries=5) == 5
    after = RetryBudget(0.0, 4.0)
    after.inherit(before, 10.0)
    assert after.available(10.0) == 2.0


def test_a_successor_of_a_budget_without_a_floor_starts_with_its_own() -> None:
    after = RetryBudget(0.2, 4.0)
    after.inherit(RetryBudget(0.2, 0.0), 10.0)
    assert after.available(10.0) == 4.0


def test_inheriting_from_itself_changes_nothing() -> None:
    budget = fed(0.2, 1.0, 10)
    budget.inherit(budget, 0.0)
    assert budget.available(0.0) == 3.0


def test_a_budget_apart_has_the_same_terms_and_none_of_the_traffic() -> None:
    budget = fed(0.2, 3.0, 100)
    assert withdrawn(budget.apart(), 0.0) == 3
    assert budget.available(0.0) == 23.0


def test_operators_see_the_terms_and_what_is_affordable() -> None:
    assert fed(0.2, 1.0, 1).snapshot(0.0) == {"ratio": 0.2, "min_per_second": 1.0, "available": 1.2}
