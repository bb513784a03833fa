"""The ring of one-second slices."""

from __future__ import annotations

import pytest

from sidecar.policies.window import Window, slices_of


def _totals(window: Window) -> tuple[int, int, int]:
    return window.requests, window.failures, window.slow


def test_an_attempt_counts_once_and_as_all_that_it_was() -> None:
    window = Window(10)
    window.add(5.0, False, False)
    window.add(5.1, True, False)
    window.add(5.2, False, True)
    window.add(5.3, True, True)
    assert _totals(window) == (4, 2, 2)


def test_a_slice_is_let_go_of_when_the_window_has_moved_past_it() -> None:
    window = Window(3)
    window.add(100.9, True, False)
    window.add(101.0, False, True)
    window.roll(102.99)
    assert _totals(window) == (2, 1, 1)
    window.roll(103.0)
    assert _totals(window) == (1, 0, 1)
    window.roll(104.0)
    assert _totals(window) == (0, 0, 0)


@pytest.mark.parametrize("gap", [3.0, 3.5, 1e6])
def test_an_idle_gap_as_long_as_the_window_empties_it(gap: float) -> None:
    window = Window(3)
    window.add(7.0, True, True)
    window.add(7.0 + gap, False, False)
    assert _totals(window) == (1, 0, 0)


def test_an_instant_of_the_past_counts_in_the_newest_slice() -> None:
    window = Window(2)
    window.add(10.0, True, False)
    window.add(8.0, True, False)
    window.roll(1.0)
    assert _totals(window) == (2, 2, 0)
    window.roll(12.0)
    assert _totals(window) == (0, 0, 0)


def test_a_cleared_window_is_as_good_as_new() -> None:
    window = Window(4)
    for second in range(8):
        window.add(float(second), True, True)
    window.clear()
    assert _totals(window) == (0, 0, 0)
    window.add(8.0, True, False)
    window.roll(11.9)
    assert _totals(window) == (1, 1, 0)


def test_a_shorter_window_keeps_the_newest_slices() -> None:
    window = Window(5)
    for second in range(10, 15):
        window.add(float(second), True, second % 2 == 0)
    shorter = window.reshaped(2, 14.5)
    assert shorter.slices == 2
    assert _totals(shorter) == (2, 2, 1)
    shorter.roll(15.0)
    assert _totals(shorter) == (1, 1, 1)


def test_a_longer_window_keeps_all_there_is_and_keeps_it_longer() -> None:
    window = Window(2)
    window.add(20.0, True, False)
    window.add(21.0, False, False)
    longer = window.reshaped(10, 21.0)
    assert _totals(longer) == (2, 1, 0)
    longer.roll(29.9)
    assert _totals(longer) == (2, 1, 0)
    longer.roll(30.0)
    assert _totals(longer) == (1, 0, 0)


def test_a_window_of_a_machine_just_started_is_reshaped_without_inventing_anything() -> None:
    window = Window(10)
    window.add(0.5, True, False)
    assert _totals(window.reshaped(3, 1.5)) == (1, 1, 0)


@pytest.mark.parametrize(
    ("seconds", "slices"), [(1.0, 1), (1.5, 2), (10.0, 10), (9.001, 10), (0.25, 1), (3600.0, 3600)]
)
def test_a_fraction_of_a_second_takes_a_whole_slice(seconds: float, slices: int) -> None:
    assert slices_of(seconds) == slices
