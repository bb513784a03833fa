"""How long callers say that they will wait."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.deadline_fields import allowed_seconds

NONSENSE = [b"", b" ", b"-1", b"+1", b"1.5", b"1e3", b"1_0", b" 5", b"5, 6", b"\xb2", b"0x10", b"inf", b"nan"]


def test_without_either_field_there_is_no_bound() -> None:
    assert allowed_seconds(None, None) == inf


@pytest.mark.parametrize(
    ("text", "seconds"), [(b"250", 0.25), (b"0", 0.0), (b"0007", 0.007), (b"999999999", 999999.999), (b"1000", 1.0)]
)
def test_milliseconds_are_whole_numbers(text: bytes, seconds: float) -> None:
    assert allowed_seconds(text, None) == seconds


@pytest.mark.parametrize("text", [*NONSENSE, b"1" * 10, b"9" * 5000, b"250m"])
def test_nonsense_in_milliseconds_bounds_nothing(text: bytes) -> None:
    assert allowed_seconds(text, None) == inf


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"2H", 7200.0),
        (b"3M", 180.0),
        (b"15S", 15.0),
        (b"250m", 0.25),
        (b"250u", 0.00025),
        (b"250n", 0.00000025),
        (b"0S", 0.0),
        (b"99999999n", 0.099999999),
        (b"99999999H", 359999996400.0),
    ],
)
def test_grpc_has_six_units(text: bytes, seconds: float) -> None:
    assert allowed_seconds(None, text) == seconds


@pytest.mark.parametrize(
    "text",
    [*NONSENSE, b"S", b"15", b"15s", b"15h", b"100000000S", b"9" * 5000 + b"m", b"15 S", b"15SS", b"-1S", b"1.5S"],
)
def test_nonsense_in_grpc_bounds_nothing(text: bytes) -> None:
    assert allowed_seconds(None, text) == inf


@pytest.mark.parametrize(
    ("timeout_ms", "grpc_timeout", "seconds"),
    [(b"250", b"1S", 0.25), (b"2000", b"1S", 1.0), (b"nonsense", b"1S", 1.0), (b"250", b"nonsense", 0.25)],
)
def test_of_both_the_smaller_holds(timeout_ms: bytes, grpc_timeout: bytes, seconds: float) -> None:
    assert allowed_seconds(timeout_ms, grpc_timeout) == seconds


@given(timeout_ms=st.none() | st.binary(max_size=12), grpc_timeout=st.none() | st.binary(max_size=12))
def test_any_bytes_make_a_number_that_is_not_negative(timeout_ms: bytes | None, grpc_timeout: bytes | None) -> None:
    assert allowed_seconds(timeout_ms, grpc_timeout) >= 0


@given(count=st.integers(0, 99_999_999))
def test_the_units_agree_with_each_other(count: int) -> None:
    assert allowed_seconds(None, b"%dm" % count) == allowed_seconds(b"%d" % count, None) == count / 1000
