"""What a limit is learned from, window by window: calls with instants made up, and no upstream behind them."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.policies.adaptive_concurrency import CELLS, AdaptiveLimit
from sidecar.policies.adaptive_spec import AdaptiveSpec

SECONDS = 0.02
BOUNDS = st.tuples(st.integers(1, 40), st.integers(0, 200)).map(lambda one: (one[0], one[0] + one[1]))
STEPS = st.lists(
    st.tuples(
        st.floats(0.0, 3.0),  # until then
        st.sampled_from([-math.inf, 0.0, 1e-7, 0.004, 0.02, 0.3, 30.0]),  # seconds
        st.sampled_from([0, 0, 101, 200, 200, 200, 404, 429, 500, 503, 504]),
        st.integers(1, 400),  # in flight
        st.integers(1, 40),  # how many of these
    ),
    max_size=60,
)


def learner(**given: Any) -> AdaptiveLimit:
    return AdaptiveLimit(AdaptiveSpec(**given))


class Window:
    """Attempts that end at even intervals, until the limit in force changes or so many have."""

    def __init__(self, limit: AdaptiveLimit, now: float = 100.0) -> None:
        self.limit = limit
        self.now = now

    def of(self, seconds: float, in_flight: float, *, status: int = 200, count: int = 300, every: float = 0.01) -> int:
        """As many attempts, with this share of the limit in flight; how many it took for a change, 0 for none."""
        for number in range(1, count + 1):
            self.now += every
            if self.limit.attempted(self.now, seconds, status, max(1, round(in_flight * self.limit.current))):
                return number
        return 0


def known(**given: Any) -> tuple[AdaptiveLimit, Window]:
    """A limit that knows how fast answers are when nobody waits."""
    limit = learner(**given)
    window = Window(limit)
    assert window.of(SECONDS, 0.2) == 0
    assert limit.base == pytest.approx(SECONDS)
    return limit, window


@pytest.mark.parametrize(("given", "start"), [({}, 20), ({"max": 8}, 8), ({"min": 30}, 30), ({"initial": 3}, 3)])
def test_it_begins_at_twenty_or_as_near_as_its_bounds_let_it(given: dict[str, Any], start: int) -> None:
    assert learner(**given).current == start


def test_a_limit_that_is_not_used_teaches_and_stays() -> None:
    limit, window = known()
    window.of(2 * SECONDS, 0.3, count=3000)
    assert limit.current == 20
    assert limit.base == pytest.approx(2 * SECONDS, rel=0.01)


def test_a_limit_that_is_used_and_as_fast_as_ever_grows() -> None:
    limit, window = known()
    assert window.of(SECONDS, 0.7)
    assert limit.current == 30


def test_as_many_as_wait_are_taken_off_but_for_a_root() -> None:
    limit, window = known()
    assert window.of(1.5 * SECONDS, 0.9)
    assert limit.current == round(20 * 1.25 / 1.5 + math.sqrt(20))


def crowded() -> tuple[AdaptiveLimit, Window]:
    """One that has some 14 in flight, each five times as slow as it knows, and tries what a quarter of them does."""
    limit, window = known()
    assert window.of(5 * SECONDS, 1.0)
    assert (limit.current, limit.snapshot()["trying"]) == (3, True)
    return limit, window


def test_a_jump_is_tried_with_a_quarter_of_what_is_in_flight() -> None:
    limit, _ = crowded()
    assert limit.base == pytest.approx(SECONDS)


def test_a_fall_by_more_than_a_quarter_is_tried_with_half_of_what_is_in_flight() -> None:
    limit, window = known(initial=100)
    while not limit.snapshot()["trying"]:
        assert window.of(1.9 * SECONDS, 1.0)
    assert limit.current < 50
    assert limit.current <= math.ceil(limit.limit / 2)


def test_if_less_in_flight_is_as_slow_the_upstream_has_become_slower_and_the_limit_stays() -> None:
    limit, window = crowded()
    assert window.of(5 * SECONDS, 1.0)
    assert limit.base == pytest.approx(5 * SECONDS)
    assert (limit.current, limit.snapshot()["trying"]) == (24, False)


def test_an_upstream_that_has_become_slower_gets_at_once_what_the_rate_needs() -> None:
    limit, window = known()  # a hundred a second
    assert window.of(30 * SECONDS, 1.0)
    assert window.of(30 * SECONDS, 1.0)
    assert limit.base == pytest.approx(30 * SECONDS)
    assert 60 <= limit.current <= 4 * 25


def test_if_less_in_flight_is_as_much_faster_it_was_a_queue() -> None:
    limit, window = crowded()
    assert window.of(1.5 * SECONDS, 1.0)
    assert limit.current == 1  # the trial goes on
    while limit.snapshot()["trying"]:
        assert window.of(SECONDS, 1.0)
    assert limit.base == pytest.approx(SECONDS)
    assert 5 <= limit.current <= 14


def test_a_queue_of_others_is_neither_learned_nor_left_to_grow() -> None:
    limit, window = crowded()
    while limit.snapshot()["trying"]:
        window.of(5 * SECONDS * (limit.current / 20) ** 0.4, 1.0, count=1)
    assert limit.base <= 3.1 * SECONDS


def test_a_limit_that_is_met_only_now_and_then_grows_with_the_burst_and_is_not_lowered_by_it() -> None:
    limit, window = known()
    for _ in range(30):
        window.of(SECONDS, 0.2, count=8)
        window.of(2 * SECONDS, 1.0, count=2)
    assert limit.limit > 20
    assert limit.base == pytest.approx(SECONDS, rel=0.01)


def test_what_is_used_up_for_long_is_tried_now_and_then() -> None:
    limit, window = known()
    began = window.now
    while not limit.snapshot()["trying"]:
        window.of(1.6 * SECONDS, 1.0)
    assert window.now - began > 9.0
    before = limit.limit
    assert window.of(SECONDS, 1.0)
    assert limit.current >= 0.9 * before


def test_what_is_never_used_up_is_never_tried() -> None:
    limit, window = known()
    for _ in range(100):
        window.of(1.3 * SECONDS, 0.9)
        assert limit.snapshot()["trying"] is False


def test_what_ends_within_one_time_of_a_change_is_of_before_it() -> None:
    limit, window = known()
    assert window.of(SECONDS, 0.7)
    early = window.now
    assert not limit.attempted(early + 0.9 * SECONDS, 100.0, 200, 1)
    window.now += SECONDS
    assert window.of(SECONDS, 0.7)
    assert limit.base == pytest.approx(SECONDS)
    assert limit.current == 45


@pytest.mark.parametrize("status", [0, 503, 504])
def test_where_fewer_in_flight_get_no_more_answers_either_it_was_no_crowd_and_the_limit_stays(status: int) -> None:
    limit, window = known()
    found = [window.of(30.0, 1.0, status=status) and limit.current for _ in range(5)]
    assert found == [10, 5, 2, 1, 20]
    assert window.of(30.0, 1.0, status=status, count=400) == 0


def test_where_fewer_in_flight_get_more_answers_it_was_a_crowd() -> None:
    limit, window = known()
    for _ in range(2):  # 20, and 10
        assert window.of(30.0, 1.0, status=504)
    assert limit.current == 5
    assert window.of(SECONDS, 1.0)
    assert (limit.current, limit.snapshot()["trying"]) == (7, False)


def test_errors_where_nobody_waits_lower_no_limit() -> None:
    limit, window = known()
    for _ in range(200):
        for status in (503, 503, 200):
            assert window.of(SECONDS, 0.3, status=status, count=1) == 0
    # Nor do they once it is used: so many get no answer however few there are.
    for _ in range(200):
        for status in (503, 503, 200):
            window.of(SECONDS, 0.8, status=status, count=1)
            assert limit.current >= 20


@pytest.mark.parametrize(("seconds", "status"), [(30.0, 500), (30.0, 502), (1e-6, 429), (-math.inf, 200)])
def test_errors_quotas_and_answers_before_their_request_say_nothing(seconds: float, status: int) -> None:
    limit, window = known()
    before = list(limit.cells())
    assert window.of(seconds, 1.0, status=status) == 0
    assert list(limit.cells()) == before


def test_where_a_part_was_turned_away_it_comes_near_again_slowly() -> None:
    limit, window = known()
    while limit.current == 20:
        for status in (503, 200):
            window.of(SECONDS, 1.0, status=status, count=1)
    assert limit.current == 15
    ups = []
    for _ in range(12):
        window.of(SECONDS, 0.9, count=60)
        ups.append(limit.current)
    assert ups[:3] == [19, 20, 22]
    assert ups[-1] > 100


def test_few_attempts_in_a_long_time_are_no_window_and_end_a_trial() -> None:
    limit, window = crowded()
    assert window.of(0.0001, 1.0, every=5.0, count=40)
    assert (limit.current, limit.snapshot()["trying"]) == (20, False)
    assert limit.base == pytest.approx(SECONDS)


def test_what_is_known_is_so_many_numbers_and_bounds_hold_it() -> None:
    limit, window = known()
    window.of(SECONDS, 0.7)
    cells = limit.cells()
    assert len(cells) == CELLS
    narrow = learner(max=25)
    narrow.load(cells)
    assert (narrow.current, narrow.base) == (25, limit.base)
    fresh = learner(initial=7)
    fresh.load([0.0] * CELLS)
    assert (fresh.current, fresh.base) == (7, 0.0)


def test_a_snapshot_says_how_fast_answers_are_when_nobody_waits() -> None:
    assert learner().snapshot() == {"unloaded_ms": None, "trying": False}
    limit, _ = known()
    assert limit.snapshot()["unloaded_ms"] == pytest.approx(20.0)


@given(bounds=BOUNDS, steps=STEPS)
def test_whatever_happens_it_stays_within_its_bounds(bounds: tuple[int, int], steps: Any) -> None:
    limit = learner(min=bounds[0], max=bounds[1])
    now = 0.0
    for pause, seconds, status, in_flight, count in steps:
        for _ in range(count):
            now += pause / count
            before = limit.current
            changed = limit.attempted(now, seconds, status, in_flight)
            assert changed == (limit.current != before)
            assert bounds[0] <= limit.current <= bounds[1]
            assert bounds[0] <= limit.limit <= bounds[1]
            assert 0.0 <= limit.base < math.inf


@settings(max_examples=25)
@given(steps=STEPS)
def test_whatever_has_happened_it_is_never_stuck(steps: Any) -> None:
    limit = learner(max=60)
    now = 0.0
    for pause, seconds, status, in_flight, count in steps:
        for _ in range(count):
            now += pause / count
            limit.attempted(now, seconds, status, in_flight)
    # All are as fast as ever, and there is more to do than it lets in.
    for _ in range(10_000):
        now += 0.01
        limit.attempted(now, SECONDS, 200, limit.current)
        if limit.current == 60:
            break
    assert limit.current == 60


@given(steps=STEPS, more=STEPS)
def test_one_that_is_loaded_goes_on_as_the_one_before(steps: Any, more: Any) -> None:
    limit = learner()
    now = 0.0
    for part in (steps, more):
        other = learner()
        other.load(limit.cells())
        for pause, seconds, status, in_flight, count in part:
            for _ in range(count):
                now += pause / count
                told = [one.attempted(now, seconds, status, in_flight) for one in (limit, other)]
                assert told[0] == told[1]
                assert limit.current == other.current
        assert list(limit.cells()) == list(other.cells())
