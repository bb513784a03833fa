"""The ring of slices in shared memory: the same counts as the one of a single machine."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.shared_window import SharedWindow
from sidecar.policies.window import Window
from tests.doubles.shared_memory import Instance

STEPS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.3, 1.0, 2.5, 11.0]), st.integers(0, 1), st.booleans(), st.booleans())
)


def counts(window: Window) -> tuple[int, int, int]:
    return window.requests, window.failures, window.slow


@given(st.integers(1, 10), STEPS)
def test_two_workers_count_as_one_would(slices: int, steps: list[tuple[float, int, bool, bool]]) -> None:
    instance = Instance(2)
    windows = [SharedWindow(memory, "w", slices) for memory in instance.memories]
    single, now = Window(slices), 1000.0
    for gap, worker, failed, slow in steps:
        now += gap
        windows[worker].load()
        windows[worker].add(now, failed, slow)
        windows[worker].store()
        single.add(now, failed, slow)
        assert counts(windows[worker]) == counts(single)


@given(st.integers(1, 5), st.integers(1, 5), STEPS)
def test_a_window_of_another_length_is_filled_with_the_newest(
    slices: int, other: int, steps: list[tuple[float, int, bool, bool]]
) -> None:
    memory = Instance(1).memories[0]
    window, single, now = SharedWindow(memory, "w", slices), Window(slices), 1000.0
    for gap, _, failed, slow in steps:
        now += gap
        window.add(now, failed, slow)
        single.add(now, failed, slow)
    fresh = SharedWindow(memory, "other", other)
    fresh.fill(window.reshaped(other, now))
    assert counts(fresh) == counts(single.reshaped(other, now))


def test_successes_are_booked_in_the_second_they_were_counted_in() -> None:
    window = SharedWindow(Instance(1).memories[0], "w", 3)
    window.add(100.0, True, False)
    window.book(99, 5)
    window.book(90, 5)  # nobody looks back so far
    assert window.requests == 6
    window.roll(102.0)
    assert window.requests == 1
    window.book(103, 2)
    assert counts(window) == (2, 0, 0)


def test_totals_that_a_death_left_wrong_are_right_after_the_second() -> None:
    window = SharedWindow(Instance(1).memories[0], "w", 3)
    window.add(100.0, False, False)
    window.requests = 9
    window.roll(101.0)
    assert window.requests == 1
