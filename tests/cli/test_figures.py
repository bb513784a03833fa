"""Figures have few digits and a unit that fits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli import figures


@pytest.mark.parametrize(("seconds", "text"), [(-1, "0s"), (5.9, "5s"), (60, "1m"), (7200, "2h"), (200_000, "2d")])
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert figures.age(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.2, "1s"), (11.2, "12s"), (59.1, "1m"), (125, "2m5s"), (600, "10m")]
)
def test_what_is_left_is_never_over_before_it_is(seconds: float | None, text: str) -> None:
    assert figures.left(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0.0ms"),
        (0.0008, "0.8ms"),
        (0.00999, "10ms"),
        (0.0123, "12ms"),
        (0.9996, "1.0s"),
        (60, "60.0s"),
    ],
)
def test_a_latency_has_two_digits(seconds: float | None, text: str) -> None:
    assert figures.span(seconds) == text


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (None, "-"),
        (0, "0"),
        (0.04, "<0.1"),
        (0.4, "0.4"),
        (9.96, "10"),
        (120.4, "120"),
        (9999.6, "10.0k"),
        (12345, "12.3k"),
    ],
)
def test_a_rate_fits_a_column(per_second: float | None, text: str) -> None:
    assert figures.rate(per_second) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0%"), (0, 5, "0%"), (1, 0, "0%"), (1, 5000, "<0.1%"), (1, 3, "33.3%"), (5, 5, "100%")],
)
def test_a_share_is_told_in_percent(part: float, whole: float, text: str) -> None:
    assert figures.ratio(part, whole) == text


def test_memory_and_times_of_day() -> None:
    assert figures.mebibytes(61.4 * (1 << 20)) == "61MiB"
    assert figures.instant(1_700_000_000.9) == "22:13:20Z"


def test_a_bar_is_as_high_as_its_value_is_to_the_largest() -> None:
    assert figures.bars([None, 0.0, 4.0, 8.0]) == " ▁▅█"
    assert figures.bars([0.0, None]) == "▁ "
    assert figures.bars([]) == ""


@given(st.lists(st.none() | st.floats(0, 1e9)))
def test_each_value_has_its_bar(values: list[float | None]) -> None:
    assert len(figures.bars(values)) == len(values)
