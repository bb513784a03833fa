"""Ejection of one endpoint: when, for how long, and what brings it back."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.ejection import Ejection, EndpointHealth
from sidecar.policies.health_gate import EjectionSpec


class Told(UpstreamObserver):
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, float]] = []

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        raise AssertionError("ejection makes no attempts")

    def connected(self, result: str) -> None:
        raise AssertionError("ejection makes no connections")

    def ejected(self, endpoint: str, seconds: float) -> None:
        self.events.append(("ejected", endpoint, seconds))

    def readmitted(self, endpoint: str) -> None:
        self.events.append(("readmitted", endpoint, 0.0))


class Group:
    """An endpoint among `total`, whose others are all well."""

    def __init__(self, total: int = 2, **spec: Any) -> None:
        self.told = Told()
        self.ejection = Ejection(EjectionSpec(**spec), self.told)
        self.health = EndpointHealth("app/1")
        self.total = total

    def fail(self, now: float, times: int = 1, started: float | None = None) -> float:
        """So many failures; the seconds of the ejection that came of the last."""
        seconds = 0.0
        for _ in range(times):
            seconds = 0.0
            if self.ejection.settle(now, now if started is None else started, self.health, Outcome.FAILURE):
                seconds = self.ejection.eject(now, self.health, self.total, 0, self.total - 1)
        return seconds

    def available(self, now: float) -> bool:
        return self.ejection.available(now, self.health)


def test_an_endpoint_is_ejected_by_failures_in_a_row_and_not_before() -> None:
    group = Group(consecutive_failures=3)
    assert group.fail(1.0, times=2) == 0.0
    assert group.available(1.0)
    assert group.fail(1.0) == 30.0
    assert not group.available(1.0)
    assert group.told.events == [("ejected", "app/1", 30.0)]


def test_a_success_begins_the_count_anew() -> None:
    group = Group(consecutive_failures=2)
    group.fail(1.0)
    assert not group.ejection.settle(1.0, 1.0, group.health, Outcome.SUCCESS)
    assert group.fail(1.0) == 0.0
    assert group.available(1.0)


def test_what_is_ignored_counts_for_nothing() -> None:
    group = Group(consecutive_failures=2)
    group.fail(1.0)
    assert not group.ejection.settle(1.0, 1.0, group.health, Outcome.IGNORED)
    assert group.health.consecutive_failures == 1
    assert group.fail(1.0) > 0.0


def test_an_ejection_ends_by_itself_and_is_told_once() -> None:
    group = Group(consecutive_failures=1, base=10.0)
    group.fail(5.0)
    assert not group.available(14.999)
    assert [group.available(now) for now in (15.0, 15.0, 16.0)] == [True, True, True]
    assert group.told.events == [("ejected", "app/1", 10.0), ("readmitted", "app/1", 0.0)]


def test_each_ejection_in_a_row_lasts_longer_up_to_the_longest() -> None:
    group = Group(consecutive_failures=1, base=10.0, max=25.0)
    now, lasted = 0.0, []
    for _ in range(4):
        now += 0.5
        lasted.append(group.fail(now))
        now += lasted[-1]
        assert group.available(now)
    assert lasted == [10.0, 20.0, 25.0, 25.0]


def test_each_clean_period_takes_one_ejection_back() -> None:
    group = Group(consecutive_failures=1, base=10.0, max=100.0)
    now = 1.0
    for _ in range(3):
        now += group.fail(now) + 1.0
        group.available(now)
    ended = now - 1.0
    assert group.ejection.snapshot(ended + 9.9, group.health)["ejections"] == 3
    assert group.ejection.snapshot(ended + 10.0, group.health)["ejections"] == 2
    assert group.fail(ended + 25.0) == 20.0  # two of the three are forgiven, this one counts


def test_ejections_without_effect_on_the_length_are_not_counted_against_it() -> None:
    group = Group(consecutive_failures=1, base=10.0, max=20.0)
    now = 1.0
    for _ in range(50):
        now += group.fail(now) + 1.0
        group.available(now)
    assert group.health.ejections == 2


def test_a_long_clean_life_forgives_everything() -> None:
    group = Group(consecutive_failures=1, base=0.001, max=1.0)
    group.fail(1.0)
    assert group.available(1e12)
    assert group.fail(1e12) == 0.001


@pytest.mark.parametrize(
    ("total", "out", "ratio", "allowed"),
    [
        (1, 0, 1.0, False),
        (2, 0, 0.5, True),
        (2, 1, 0.5, False),
        (2, 0, 0.49, False),
        (3, 1, 0.5, False),
        (4, 1, 0.5, True),
        (4, 3, 1.0, False),
        (100, 28, 0.29, True),
        (100, 29, 0.29, False),
    ],
)
def test_never_more_than_the_ratio_and_never_the_last_is_ejected(
    total: int, out: int, ratio: float, allowed: bool
) -> None:
    group = Group(max_ejected_ratio=ratio)
    seconds = group.ejection.eject(1.0, group.health, total, out, total - out - 1)
    assert (seconds > 0.0) == allowed
    assert (group.told.events != []) == allowed


def test_the_last_one_that_takes_attempts_stays_even_where_the_ratio_would_allow_it() -> None:
    group = Group(max_ejected_ratio=1.0)
    assert group.ejection.eject(1.0, group.health, 5, 0, 0) == 0.0


def test_an_endpoint_that_could_not_be_ejected_is_asked_for_again_at_its_next_failure() -> None:
    group = Group(consecutive_failures=2, total=1)
    assert group.fail(1.0, times=2) == 0.0
    group.total = 2
    assert group.fail(2.0) > 0.0


def test_results_of_attempts_begun_before_the_ejection_mean_nothing_after_it() -> None:
    group = Group(consecutive_failures=1, base=10.0)
    group.fail(5.0)
    assert group.available(15.0)
    assert group.fail(16.0, times=5, started=4.0) == 0.0
    assert group.fail(16.0, started=5.0) == 0.0
    assert not group.ejection.settle(16.0, 4.0, group.health, Outcome.SUCCESS)
    assert group.available(16.0)
    assert group.fail(17.0, started=15.5) == 20.0


def test_an_ejected_endpoint_that_is_used_all_the_same_is_not_ejected_twice() -> None:
    group = Group(consecutive_failures=1, base=10.0)
    group.fail(5.0)
    assert group.fail(8.0, times=3, started=7.0) == 0.0
    assert group.fail(15.0, started=7.0) == 20.0  # over by then, and this is a failure of its own


def test_an_ejection_is_over_when_somebody_knows_better() -> None:
    group = Group(consecutive_failures=1, base=10.0)
    group.fail(5.0)
    assert group.ejection.readmit(8.0, group.health)
    assert group.available(8.0)
    assert not group.ejection.readmit(8.0, group.health)
    assert [event[0] for event in group.told.events] == ["ejected", "readmitted"]
    assert group.ejection.snapshot(18.0, group.health)["ejections"] == 0


def test_in_shadow_mode_nobody_is_out_or_told_and_what_would_have_been_is_counted() -> None:
    group = Group(consecutive_failures=2, base=10.0, mode="shadow")
    assert group.fail(5.0, times=2) == 10.0
    assert group.available(5.0)
    assert group.ejection.is_out(5.0, group.health)
    # It would have had no attempts until then, so those that it has do not eject it again.
    assert group.fail(14.0, times=4) == 0.0
    assert not group.ejection.is_out(15.0, group.health)
    assert group.fail(16.0, times=2) == 20.0
    assert group.told.events == []
    assert group.ejection.snapshot(16.0, group.health) == {
        "state": "available",
        "seconds_left": 0.0,
        "consecutive_failures": 0,
        "ejections": 2,
        "shadow_ejections": 2,
    }


def test_a_reload_into_shadow_mode_lets_an_ejected_endpoint_work() -> None:
    group = Group(consecutive_failures=1)
    group.fail(5.0)
    shadow = Ejection(EjectionSpec(mode="shadow"), group.told)
    assert shadow.available(6.0, group.health)
    assert shadow.snapshot(6.0, group.health)["state"] == "available"
    assert not group.available(6.0)


def test_the_snapshot_says_how_long_and_readmits_nobody() -> None:
    group = Group(consecutive_failures=1, base=10.0)
    group.fail(5.0)
    seen = group.ejection.snapshot(8.0, group.health)
    assert (seen["state"], seen["seconds_left"], seen["ejections"]) == ("ejected", 7.0, 1)
    assert group.ejection.snapshot(20.0, group.health)["state"] == "available"
    assert [event[0] for event in group.told.events] == ["ejected"]


def test_the_shortest_base_and_the_longest_ejection_go_together() -> None:
    group = Group(consecutive_failures=1, base=1e-21, max=3e8)
    assert 0.0 < group.fail(100.0) < 1e-9
