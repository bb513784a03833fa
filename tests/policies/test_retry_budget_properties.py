"""A retry budget against a ledger that keeps every credit by itself, and against the bound that it promises.

All numbers are sums of powers of two, so both sides compute exactly and may be compared for equality.
"""

from __future__ import annotations

import math
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.policies.retry_budget import RetryBudget

RATIOS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])
FLOORS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 8.0])
STEPS = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0, 2.5, 9.0, 30.0])


class Ledger:
    """The same rules with nothing clever: a list of credits, each with the second it was deposited in."""

    def __init__(self, ratio: float, floor: float) -> None:
        self.ratio = ratio
        self.rate = floor
        self.capacity = max(1.0, floor) if floor else 0.0
        self.floor = self.capacity
        self.at = 0.0
        self.credits: list[tuple[int, float]] = []

    def available(self, now: float) -> float:
        self.floor = min(self.capacity, self.floor + (now - self.at) * self.rate)
        self.at = now
        self.credits = [(second, left) for second, left in self.credits if math.floor(now) - second < 10]
        return sum(left for _, left in self.credits) * self.ratio + self.floor

    def deposit(self, now: float) -> None:
        self.credits.append((math.floor(now), 1.0))

    def try_withdraw(self, now: float) -> bool:
        if self.available(now) < 1.0:
            return False
        owed = 1.0
        kept = []
        for second, left in self.credits:
            paid = min(left * self.ratio, owed)
            owed -= paid
            kept.append((second, left - paid / self.ratio if self.ratio else left))
        self.credits = [(second, left) for second, left in kept if left]
        self.floor -= owed
        return True


def longest_excess(ratio: float, floor: float, deposits: list[float], retries: list[float]) -> float:
    """By how much the worst window goes beyond the promise; it begins and ends at a retry."""
    burst = max(1.0, floor) if floor else 0.0
    worst = -math.inf
    for first, begin in enumerate(retries):
        for last in range(first, len(retries)):
            end = retries[last]
            paying = sum(begin - 10.0 < at <= end for at in deposits)
            worst = max(worst, last - first + 1 - ratio * paying - floor * (end - begin) - burst)
    return worst


class BudgetAgainstLedger(RuleBasedStateMachine):
    """Requests and retries in any order, at any pace, with rules that change."""

    @initialize(ratio=RATIOS, floor=FLOORS, start=st.sampled_from([0.0, 0.5, 1e6]))
    def begin(self, ratio: float, floor: float, start: float) -> None:
        self.now = start
        self.budget = RetryBudget(ratio, floor)
        self.ledger = Ledger(ratio, floor)
        self.deposits: list[float] = []
        self.retries: list[float] = []

    @rule(seconds=STEPS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(requests=st.integers(1, 12))
    def requests_begin(self, requests: int) -> None:
        for _ in range(requests):
            self.budget.deposit(self.now)
            self.ledger.deposit(self.now)
            self.deposits.append(self.now)

    @rule(tries=st.integers(1, 12))
    def retries_are_asked_for(self, tries: int) -> None:
        for _ in range(tries):
            paid = self.budget.try_withdraw(self.now)
            assert paid == self.ledger.try_withdraw(self.now)
            if paid:
                self.retries.append(self.now)

    @rule()
    def the_rules_are_loaded_again(self) -> None:
        after = self.budget.apart()
        after.inherit(self.budget, self.now)
        self.budget = after

    @invariant()
    def both_afford_the_same(self) -> None:
        assert self.budget.available(self.now) == self.ledger.available(self.now)

    def teardown(self) -> None:
        if hasattr(self, "budget"):
            budget = self.budget
            assert longest_excess(budget.ratio, budget.min_per_second, self.deposits, self.retries) <= 0.0


TestBudgetAgainstLedger = BudgetAgainstLedger.TestCase


HISTORY = st.lists(st.tuples(STEPS, st.integers(0, 20), st.integers(0, 6)), max_size=25)


@given(
    ratio=st.floats(0.0, 1.0),
    floor=st.one_of(st.just(0.0), st.floats(0.01, 50.0)),
    history=HISTORY,
)
def test_no_window_of_any_history_repeats_more_than_was_promised(
    ratio: float, floor: float, history: list[tuple[float, int, int]]
) -> None:
    budget = RetryBudget(ratio, floor)
    now, deposits, retries = 100.0, [], []
    for seconds, requests, waiting in history:
        now += seconds
        for _ in range(requests):
            budget.deposit(now)
            deposits.append(now)
        # All of them decide at once and only then wait: each has paid before.
        retries += [now for _ in range(waiting) if budget.try_withdraw(now)]
    assert longest_excess(ratio, floor, deposits, retries) <= 1e-6


@given(ratio=RATIOS, floor=FLOORS, requests=st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_in_the_long_run_the_load_is_at_most_the_ratio_above_the_offered(
    ratio: float, floor: float, requests: list[int]
) -> None:
    budget = RetryBudget(ratio, floor)
    attempts = 0
    for second, arriving in enumerate(requests):
        for _ in range(arriving):
            budget.deposit(float(second))
        # An outage: every request fails as often as it may be made.
        attempts += arriving + sum(budget.try_withdraw(float(second)) for _ in range(arriving * 9))
    most = (1.0 + ratio) * sum(requests) + floor * (len(requests) - 1) + (max(1.0, floor) if floor else 0.0)
    assert attempts <= most


@given(ratio=RATIOS, floor=FLOORS, steps=st.lists(STEPS, max_size=20), requests=st.integers(0, 30))
def test_what_is_said_to_be_affordable_is(ratio: float, floor: float, steps: list[float], requests: int) -> None:
    budget = RetryBudget(ratio, floor)
    for now in accumulate(steps):
        for _ in range(requests):
            budget.deposit(now)
        affordable = int(budget.available(now))
        assert [budget.try_withdraw(now) for _ in range(affordable + 1)] == [True] * affordable + [False]
