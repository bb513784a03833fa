"""Dates as HTTP writes them."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.dates import NO_DATE, DateLine, http_date, parse_http_date

NOW = 1_790_000_000.0  # September 2026


@pytest.mark.parametrize(
    "value", [b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994"]
)
def test_all_three_forms_of_a_date_are_the_same_instant(value: bytes) -> None:
    assert parse_http_date(value, NOW) == 784111777.0


def test_a_year_of_two_digits_is_never_more_than_fifty_years_ahead() -> None:
    assert parse_http_date(b"Monday, 01-Jan-76 00:00:00 GMT", NOW) == datetime(2076, 1, 1, tzinfo=UTC).timestamp()
    assert parse_http_date(b"Monday, 01-Jan-77 00:00:00 GMT", NOW) == datetime(1977, 1, 1, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"0",
        b"Sun, 31 Feb 2026 00:00:00 GMT",
        b"Sun, 00 Jan 2026 00:00:00 GMT",
        b"Sun, 29 Feb 2027 00:00:00 GMT",
        b"Sun, 06 Nov 1994 24:00:00 GMT",
        b"Sun, 06 nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 CET",
        b"Sun, 06 Nov 1994 08:49:37 GMT, Mon, 07 Nov 1994 08:49:37 GMT",
        b"Wed, 31 Dec 1969 23:59:59 GMT",
    ],
)
def test_what_is_no_date_is_none(value: bytes | None) -> None:
    assert parse_http_date(value, NOW) == NO_DATE


@given(st.integers(0, 253402300799))
def test_dates_are_written_as_the_standard_library_writes_them_and_read_back(seconds: int) -> None:
    written = http_date(seconds + 0.9)
    assert written.decode() == format_datetime(datetime.fromtimestamp(seconds, UTC), usegmt=True)
    assert parse_http_date(written, NOW) == seconds


@given(st.binary(max_size=40))
def test_no_bytes_make_the_reader_fail(value: bytes) -> None:
    assert parse_http_date(value, NOW) >= NO_DATE


def test_the_line_of_a_second_is_made_once() -> None:
    line = DateLine()
    first = line.of(784111777.2)
    assert first == b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
    assert line.of(784111777.9) is first
    assert line.of(784111778.0) == b"Date: Sun, 06 Nov 1994 08:49:38 GMT\r\n"
