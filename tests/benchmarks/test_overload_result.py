"""The figures of the tables are what the points say."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.overload_result import Result
from tests.doubles.overload_result import fixed_result, verdict


def test_kept_is_the_lowest_goodput_from_the_capacity_on_to_the_best() -> None:
    result = fixed_result()
    assert result.kept("nginx") == pytest.approx(5 / 95)
    assert result.kept("sidecar told") == pytest.approx(96 / 98)
    assert result.kept("nobody") is None


def test_below_the_capacity_nothing_is_kept() -> None:
    result = fixed_result()
    result.ramp = [point for point in result.ramp if point.load < 1]
    assert result.kept("nginx") is None


def test_recovery_counts_from_the_end_of_the_slowdown_to_the_first_of_three_good_seconds() -> None:
    result = fixed_result()
    assert result.recovery("sidecar adaptive") == 1.0
    assert result.recovery("nginx") is None
    assert result.recovery("nobody") is None


def test_a_phase_is_the_mean_of_its_seconds() -> None:
    result = fixed_result()
    assert result.phase("nginx", 3, 6) == pytest.approx(0.1)
    assert result.phase("nobody", 3, 6) is None
    assert result.phase("nginx", 100, 200) is None


def test_work_is_wasted_that_no_caller_had_in_time() -> None:
    point = fixed_result().ramp[0]
    assert replace(point, worked=200, verdict=verdict(50, offered=100)).wasted_share == pytest.approx(0.75)
    assert replace(point, worked=0).wasted_share == 0
    # An answer under way when the backend was asked is no negative waste.
    assert replace(point, worked=49, verdict=verdict(50, offered=100)).wasted_share == 0


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    result = fixed_result()
    result.ramp = [point for point in result.ramp if point.row == "sidecar adaptive" and point.load == 2]
    result.failed["caddy"] = "not installed"
    path = tmp_path / "out" / "overload.json"
    result.save(path)
    loaded = Result.load(path)
    # As text: nothing to time is nan, which equals nothing.
    assert str(loaded) == str(result)
