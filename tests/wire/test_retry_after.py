"""How long a backend asks us to wait."""

from __future__ import annotations

import calendar
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.retry_after import ABSENT, MAX_SECONDS, retry_after_seconds

# RFC 9110 section 5.6.7 writes this instant in all three forms.
EXAMPLE = 784111777.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"0", 0.0),
        (b"120", 120.0),
        (b"007", 7.0),
        (b" 3\t", 3.0),
        (b"2147483648", MAX_SECONDS),
        (b"9999999999", MAX_SECONDS),
        (b"9" * 5000, MAX_SECONDS),
    ],
)
def test_seconds_are_read_and_overlong_ones_capped(value: bytes, seconds: float) -> None:
    assert retry_after_seconds(value, EXAMPLE) == seconds


@pytest.mark.parametrize(
    "value", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_all_three_forms_of_a_date_name_the_same_instant(value: bytes) -> None:
    assert retry_after_seconds(value, EXAMPLE - 30.0) == 30.0
    assert retry_after_seconds(value, EXAMPLE - 0.25) == 0.25


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert retry_after_seconds(b"Sun, 06 Nov 1994 08:49:37 GMT", EXAMPLE + 1.0) == 0.0


def test_a_date_in_the_far_future_is_capped() -> None:
    assert retry_after_seconds(b"Fri, 31 Dec 9999 23:59:59 GMT", EXAMPLE) == MAX_SECONDS


def test_two_digits_of_a_year_mean_the_year_that_is_nearest() -> None:
    wall = float(calendar.timegm((2026, 6, 1, 0, 0, 0)))
    assert retry_after_seconds(b"Monday, 01-Jun-26 00:00:09 GMT", wall) == 9.0
    assert retry_after_seconds(b"Sunday, 01-Jun-75 00:00:00 GMT", wall) > 0.0
    assert retry_after_seconds(b"Thursday, 01-Jun-78 00:00:00 GMT", wall) == 0.0  # 1978: 2078 is over 50 years ahead


def test_a_leap_second_and_a_leap_day_are_times() -> None:
    wall = float(calendar.timegm((2016, 12, 31, 23, 59, 50)))
    assert retry_after_seconds(b"Sat, 31 Dec 2016 23:59:60 GMT", wall) == 10.0
    assert retry_after_seconds(b"Thu, 29 Feb 2024 00:00:00 GMT", wall) > 0.0


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"-1",
        b"+1",
        b"1.5",
        b"1e3",
        b"12 s",
        b"120, 120",
        b"\xb2",
        b"soon",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 06 Nov 1994 08:49:37 +0000",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 Nov 1994 08:60:00 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"Thu, 29 Feb 2023 00:00:00 GMT",
        b"Sun, 00 Nov 1994 00:00:00 GMT",
        b"Sun, 06 Nov 0000 00:00:00 GMT",
        b"Sun Nov 6 08:49:37 1994",
    ],
)
def test_what_is_neither_counts_as_absent(value: bytes) -> None:
    assert retry_after_seconds(value, EXAMPLE) == ABSENT


@given(ahead=st.integers(0, 10**9), wall=st.integers(0, 4 * 10**9))
def test_a_date_as_other_software_writes_it_reads_back(ahead: int, wall: int) -> None:
    assert retry_after_seconds(formatdate(wall + ahead, usegmt=True).encode(), float(wall)) == float(ahead)


PARTS = [b"Sun, ", b"Sunday, ", b"Sun ", b"06", b" 6", b"-", b" ", b"Nov", b"Feb", b"94", b"0000", b"9999", b"31"]
DATES = st.lists(st.sampled_from([*PARTS, b"08:49:37", b"99:99:99", b" GMT"]), max_size=9).map(b"".join)


@given(value=st.one_of(st.binary(max_size=40), DATES), wall=st.floats(0.0, 1e11))
def test_no_value_does_worse_than_being_absent(value: bytes, wall: float) -> None:
    seconds = retry_after_seconds(value, wall)
    assert seconds == ABSENT or 0.0 <= seconds <= MAX_SECONDS
