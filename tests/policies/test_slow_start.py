"""A newcomer's share grows with time, from a tenth to the whole, and a tenth of little is still something."""

from __future__ import annotations

import pytest

from sidecar.policies.health_gate import SlowStart
from sidecar.policies.slow_start import FULL, SlowStartRamp, ramp_for


@pytest.mark.parametrize(
    ("passed", "share"), [(0.0, 20), (2.0, 20), (10.0, 20), (25.0, 50), (50.0, 100), (99.0, 198), (100.0, 200)]
)
def test_the_share_is_a_tenth_until_time_has_earned_more(passed: float, share: int) -> None:
    assert SlowStartRamp(100.0).share(2, 1000.0, 1000.0 + passed) == share


def test_the_share_never_passes_the_weight() -> None:
    assert SlowStartRamp(10.0).share(3, 0.0, 1e9) == 3 * FULL


def test_an_endpoint_of_weight_one_grows_in_steps_of_a_hundredth() -> None:
    ramp = SlowStartRamp(100.0)
    assert [ramp.share(1, 0.0, float(now)) for now in (30, 31, 32, 33)] == [30, 31, 32, 33]


def test_a_share_is_never_nothing() -> None:
    assert SlowStartRamp(1e6).share(1, 0.0, 0.0) >= 1


@pytest.mark.parametrize("spec", [None, SlowStart(), SlowStart(duration=10.0, mode="shadow")])
def test_there_is_no_ramp_where_slow_start_is_off_or_in_shadow(spec: SlowStart | None) -> None:
    assert ramp_for(spec) is None


def test_a_rule_gives_its_duration_to_the_ramp() -> None:
    ramp = ramp_for(SlowStart(duration=10.0))
    assert ramp is not None
    assert ramp.duration == 10.0
