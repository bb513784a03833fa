"""What a look found."""

from __future__ import annotations

from sidecar.health.finding import RESULTS, SUCCESS, Finding


def test_only_a_success_is_well() -> None:
    assert [result for result in RESULTS if Finding(result, "").ok] == [SUCCESS]
