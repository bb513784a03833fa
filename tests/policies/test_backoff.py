"""How long a retry waits."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.backoff import MAX_BEYOND, NO_HINT, Backoff


class _Always(Random):
    """Draws the same number every time."""

    def __init__(self, drawn: float) -> None:
        super().__init__(0)
        self.drawn = drawn

    def random(self) -> float:
        return self.drawn


BASES = st.floats(min_value=1e-6, max_value=60.0)
RETRIES = st.integers(min_value=0, max_value=5000)


@pytest.mark.parametrize(
    ("retry", "longest"), [(0, 0.025), (1, 0.05), (2, 0.1), (5, 0.8), (6, 1.0), (7, 1.0), (9, 1.0)]
)
def test_the_bound_doubles_with_each_retry_up_to_the_cap(retry: int, longest: float) -> None:
    assert Backoff(0.025, 1.0, _Always(1.0)).wait(retry, NO_HINT) == pytest.approx(longest)


def test_the_whole_range_down_to_no_wait_is_drawn_from() -> None:
    assert Backoff(0.025, 1.0, _Always(0.0)).wait(3, NO_HINT) == 0.0
    assert Backoff(0.025, 1.0, _Always(0.5)).wait(3, NO_HINT) == pytest.approx(0.1)


def test_a_hint_within_reach_is_waited_for_exactly() -> None:
    assert Backoff(1.0, 1.0, _Always(0.5)).wait(0, 2.0) == 2.0


def test_a_hint_below_the_computed_wait_does_not_shorten_it() -> None:
    assert Backoff(1.0, 1.0, _Always(0.5)).wait(0, 0.1) == 0.5
    assert Backoff(1.0, 1.0, _Always(0.5)).wait(0, 0.0) == 0.5


def test_a_hint_far_away_adds_five_seconds_and_no_more() -> None:
    assert Backoff(1.0, 1.0, _Always(0.5)).wait(0, 3600.0) == 5.5


@given(base=BASES, factor=st.floats(min_value=1.0, max_value=1000.0), retry=RETRIES, seed=st.integers())
def test_a_wait_is_never_negative_and_never_above_its_bound(base: float, factor: float, retry: int, seed: int) -> None:
    cap = base * factor
    wait = Backoff(base, cap, Random(seed)).wait(retry, NO_HINT)
    assert 0.0 <= wait <= min(cap, base * 2.0 ** min(retry, 60))


@given(retry=RETRIES, seed=st.integers(), hint=st.floats(min_value=0.0, max_value=1e9))
def test_a_hint_clamps_the_wait_that_would_have_been(retry: int, seed: int, hint: float) -> None:
    computed = Backoff(0.025, 1.0, Random(seed)).wait(retry, NO_HINT)
    assert Backoff(0.025, 1.0, Random(seed)).wait(retry, hint) == max(computed, min(hint, computed + MAX_BEYOND))


@given(seed=st.integers(), retries=st.lists(RETRIES, max_size=20))
def test_equal_seeds_wait_equally_long(seed: int, retries: list[int]) -> None:
    one, other = Backoff(0.025, 1.0, Random(seed)), Backoff(0.025, 1.0, Random(seed))
    assert [one.wait(retry, NO_HINT) for retry in retries] == [other.wait(retry, NO_HINT) for retry in retries]


def test_waits_spread_over_the_whole_range_so_that_what_failed_together_comes_back_apart() -> None:
    backoff = Backoff(1.0, 1.0, Random(7))
    tenths = [int(backoff.wait(0, NO_HINT) * 10) for _ in range(1000)]
    assert min(tenths.count(tenth) for tenth in range(10)) > 60
