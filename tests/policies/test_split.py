"""Requests are divided by share; a key keeps its side, and a changed weight moves only what it must."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from sidecar.policies.split import Split

KEYS = [f"user-{index}" for index in range(2000)]


def split(*weights: int, seed: int = 7) -> Split:
    return Split([(f"app-{index}", weight) for index, weight in enumerate(weights)], Random(seed))


def test_requests_without_a_key_are_divided_by_weight() -> None:
    shares = split(95, 5)
    counts = Counter(shares.pick(None) for _ in range(10_000))
    assert counts[1] / 10_000 == pytest.approx(0.05, abs=0.01)
    assert set(counts) == {0, 1}


def test_an_empty_key_is_drawn_like_none() -> None:
    shares = split(1, 1)
    assert {shares.pick("") for _ in range(50)} == {0, 1}


def test_keys_are_divided_by_weight() -> None:
    shares = split(80, 20)
    counts = Counter(shares.pick(key) for key in KEYS)
    assert counts[1] / len(KEYS) == pytest.approx(0.2, abs=0.03)


def test_a_key_takes_the_same_side_in_every_process_and_costs_no_draw() -> None:
    rng = Random(1)
    before = rng.getstate()
    shares = Split([("app", 1), ("app-v2", 1)], rng)
    assert [shares.pick(f"user-{index}") for index in range(8)] == [1, 1, 1, 1, 1, 0, 1, 0]
    assert rng.getstate() == before


def test_a_changed_weight_moves_only_the_keys_between_the_borders() -> None:
    before, after = split(95, 5), split(90, 10)
    moves = Counter((before.pick(key), after.pick(key)) for key in KEYS)
    assert set(moves) == {(0, 0), (1, 1), (0, 1)}
    assert moves[0, 1] / len(KEYS) == pytest.approx(0.05, abs=0.02)


def test_the_same_proportions_in_other_numbers_move_nobody() -> None:
    before, after = split(95, 5), split(19, 1)
    assert [before.pick(key) for key in KEYS] == [after.pick(key) for key in KEYS]


def test_a_share_of_nothing_gets_nothing() -> None:
    shares = split(0, 1, 0)
    assert {shares.pick(None) for _ in range(200)} | {shares.pick(key) for key in KEYS} == {1}


def test_equal_seeds_give_equal_histories() -> None:
    one, other = split(3, 1, 1, seed=5), split(3, 1, 1, seed=5)
    assert [one.pick(None) for _ in range(100)] == [other.pick(None) for _ in range(100)]


@pytest.mark.parametrize("weights", [(), (0, 0), (2, -1)])
def test_weights_that_choose_nothing_are_refused(weights: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="weights"):
        split(*weights)


def test_a_key_that_is_no_valid_unicode_still_has_a_side() -> None:
    assert split(1, 1).pick("\udcff") in (0, 1)
