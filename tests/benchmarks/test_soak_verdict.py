"""A soak is judged by lines through its samples that bursts and steps do not bend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import pytest

from benchmarks import soak_verdict
from benchmarks.soak_acts import ACTS
from benchmarks.soak_verdict import Sample, growth, line, share, warm_up

MIB = 1 << 20
NOTHING: Mapping[str, Sequence[float]] = MappingProxyType({})
SAMPLE = Sample(
    seconds=0.0,
    resident=80.0 * MIB,
    anonymous=60.0 * MIB,
    descriptors=80,
    tasks=4,
    deadlines=50,
    lag=0.001,
    downstream=30,
    upstream=20,
    in_flight=5,
    cpu_seconds=1.0,
    p50_ms=1.0,
    p99_ms=5.0,
)


def soaked(changes: Mapping[str, Sequence[float]] = NOTHING, count: int = 60) -> list[Sample]:
    return [
        replace(SAMPLE, seconds=5.0 * number, **{name: values[number] for name, values in changes.items()})
        for number in range(count)
    ]


@pytest.mark.parametrize(("seconds", "warm"), [(1800, 360), (600, 120), (300, 120), (60, 24)])
def test_the_first_fifth_warms_up_but_two_minutes_where_there_is_time(seconds: float, warm: float) -> None:
    assert warm_up(seconds) == pytest.approx(warm)


def test_a_line_is_not_bent_by_a_burst() -> None:
    points = [(float(x), 10.0 + 0.5 * x) for x in range(30)]
    points[10] = (10.0, 900.0)
    slope, height = line(points)
    assert slope == pytest.approx(0.5)
    assert height == pytest.approx(10.0)
    assert growth(points) == pytest.approx(14.5)
    assert share(points) == pytest.approx(1.45)


def test_too_few_points_grow_by_nothing() -> None:
    assert (growth([]), share([(1.0, 5.0)]), line([])) == (0.0, 0.0, (0.0, 0.0))


def test_memory_that_grows_steadily_fails_and_a_single_step_does_not() -> None:
    assert soak_verdict.memory(soaked()).passed
    creeping = [(80 + number * 0.05) * MIB for number in range(60)]
    assert not soak_verdict.memory(soaked({"resident": creeping})).passed
    peak = [80.0 * MIB] * 60
    peak[20] = 200.0 * MIB
    assert soak_verdict.memory(soaked({"resident": peak})).passed


@pytest.mark.parametrize("what", ["descriptors", "tasks"])
def test_what_is_held_may_drift_by_a_little(what: str) -> None:
    few = [40 + number % 4 for number in range(60)]
    many = [40.0 + number for number in range(60)]
    assert soak_verdict.level(soaked({what: few}), what).passed
    assert not soak_verdict.level(soaked({what: many}), what).passed


def test_latency_is_compared_from_its_first_third_to_its_last() -> None:
    assert soak_verdict.latency(soaked()).passed
    assert not soak_verdict.latency(soaked({"p99_ms": [5.0] * 40 + [6.5] * 20})).passed
    assert soak_verdict.latency(soaked({"p99_ms": [0.2] * 40 + [0.5] * 20})).passed, "the machine's doing"
    assert not soak_verdict.latency(soaked(count=2)).passed, "nothing to compare"


def test_nothing_may_be_left_behind() -> None:
    before = replace(SAMPLE, downstream=0, upstream=0, in_flight=0)
    assert soak_verdict.settled(before, before).passed
    for left in ("downstream", "upstream", "in_flight"):
        assert not soak_verdict.settled(before, replace(before, **{left: 1})).passed
    assert not soak_verdict.settled(before, replace(before, tasks=5)).passed
    assert not soak_verdict.settled(before, replace(before, descriptors=81)).passed


def test_clients_may_only_meet_what_their_act_expects() -> None:
    good = {act.name: {next(iter(act.expected)): 3} for act in ACTS}
    assert soak_verdict.clients(good).passed
    bad = {**good, "small": {"200": 5, "wrong": 1}}
    assert soak_verdict.unexpected(bad) == {"small: wrong": 1}
    assert not soak_verdict.clients(bad).passed
    silent = soak_verdict.clients({**good, "small": {}})
    assert (silent.passed, "small never acted" in silent.told) == (False, True)


def test_a_traceback_in_the_log_fails() -> None:
    assert soak_verdict.log("all is well\n").passed
    assert not soak_verdict.log("Traceback (most recent call last):\n  File …\n").passed
