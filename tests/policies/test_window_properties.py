"""The ring against a plain list of all that ever happened."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.window import Window

Attempts = list[tuple[float, bool, bool]]
STEPS = st.lists(
    st.tuples(st.one_of(st.floats(0, 1.5), st.floats(0, 12), st.just(1.0)), st.booleans(), st.booleans()), max_size=60
)


def _counted(attempts: Attempts, now: float, slices: int) -> tuple[int, int, int]:
    inside = [attempt for attempt in attempts if int(attempt[0]) > int(now) - slices]
    return len(inside), sum(failed for _, failed, _ in inside), sum(slow for _, _, slow in inside)


@given(STEPS, st.integers(1, 8), st.floats(0, 1e6), st.floats(0, 10))
def test_the_totals_are_those_of_the_seconds_in_the_window(
    steps: Attempts, slices: int, start: float, idle: float
) -> None:
    window, now = Window(slices), start
    attempts: Attempts = []
    for gap, failed, slow in steps:
        now += gap
        attempts.append((now, failed, slow))
        window.add(now, failed, slow)
        assert (window.requests, window.failures, window.slow) == _counted(attempts, now, slices)
    now += idle
    window.roll(now)
    assert (window.requests, window.failures, window.slow) == _counted(attempts, now, slices)


@given(STEPS, st.integers(1, 8), st.integers(1, 8), st.floats(0, 1e6), st.floats(0, 10))
def test_a_reshaped_window_holds_what_both_lengths_reach(
    steps: Attempts, slices: int, others: int, start: float, idle: float
) -> None:
    window, now = Window(slices), start
    attempts: Attempts = []
    for gap, failed, slow in steps:
        now += gap
        attempts.append((now, failed, slow))
        window.add(now, failed, slow)
    made = window.reshaped(others, now)
    assert (made.requests, made.failures, made.slow) == _counted(attempts, now, min(slices, others))
    kept = [attempt for attempt in attempts if int(attempt[0]) > int(now) - slices]
    made.roll(now + idle)
    assert (made.requests, made.failures, made.slow) == _counted(kept, now + idle, others)
