"""However long a slow start is, the share only grows, and stays between a tenth and the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies.slow_start import FULL, SlowStartRamp

INSTANTS = st.floats(0, 1e7)


@given(st.floats(0.001, 1e6), st.integers(1, 10_000), INSTANTS, st.lists(INSTANTS, min_size=1, max_size=10))
def test_the_share_only_grows_and_stays_within_its_bounds(
    duration: float, weight: int, since: float, passed: list[float]
) -> None:
    ramp = SlowStartRamp(duration)
    shares = [ramp.share(weight, since, since + after) for after in sorted(passed)]
    assert shares == sorted(shares)
    assert all(weight * FULL // 10 <= share <= weight * FULL for share in shares)
