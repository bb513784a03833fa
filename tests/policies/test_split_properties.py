"""Whatever the weights and the keys: a side that has a weight, the same each time, moved only by its own borders."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.split import Split

WEIGHTS = st.lists(st.integers(0, 10**15), min_size=1, max_size=5).filter(any)


def split(weights: list[int]) -> Split:
    return Split([(str(index), weight) for index, weight in enumerate(weights)], Random(3))


@given(WEIGHTS, st.text(max_size=20))
def test_a_key_stays_where_it_is_and_only_where_there_is_a_share(weights: list[int], key: str) -> None:
    index = split(weights).pick(key)
    assert weights[index] > 0
    if key:
        assert split(weights).pick(key) == index


@given(WEIGHTS, st.integers(1, 1000), st.text(min_size=1, max_size=20))
def test_weights_in_the_same_proportion_are_the_same_split(weights: list[int], factor: int, key: str) -> None:
    assert split(weights).pick(key) == split([weight * factor for weight in weights]).pick(key)


@given(st.integers(0, 100), st.integers(0, 100), st.text(min_size=1, max_size=20))
def test_a_canary_that_grows_gives_no_key_back(part: int, later: int, key: str) -> None:
    small, large = sorted((part, later))
    if split([100 - small, small]).pick(key) == 1:
        assert split([100 - large, large]).pick(key) == 1
