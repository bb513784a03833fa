"""What a look found."""

from __future__ import annotations

from sidecar.health.finding import RESULTS, SHORTAGE, SUCCESS, Finding


def test_only_a_success_is_well() -> None:
    assert [result for result in RESULTS if Finding(result, "").ok] == [SUCCESS]


def test_only_a_shortage_of_our_own_says_nothing_of_the_endpoint() -> None:
    assert [result for result in RESULTS if Finding(result, "").is_ours] == [SHORTAGE]
