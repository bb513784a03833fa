"""Every written form reads, prints back, and refuses with a sentence."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.policies import units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("2s", 2.0), ("5m", 300.0), ("1h", 3600.0), ("1d", 86400.0), ("0", 0.0), ("1.5s", 1.5)],
)
def test_a_duration_is_seconds(text: str, seconds: float) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        (units.DURATION, "5", "write `5s`"),
        (units.DURATION, "-5s", "is not a duration"),
        (units.DURATION, "five", "is not a duration"),
        (units.DURATION, "99999h", "longer than ten years"),
        (units.SIZE, "64KB", "did you mean `64KiB`?"),
        (units.SIZE, "10m", "did you mean `10MiB`?"),
        (units.SIZE, "x", "is not a size"),
        (units.SIZE, "0.3B", "whole number of bytes"),
        (units.SIZE, "1073741825GiB", "the largest size is 1073741824GiB"),
        (units.RATE, "10", "write `10/s`"),
        (units.RATE, "10/w", "is not a rate"),
        (units.RATIO, "50%", "write `0.5`"),
        (units.RATIO, "1.5", "from 0 to 1"),
        (units.NUMBER, "nan", "is not a number"),
        (units.COUNT, "1e3", "is not a whole number"),
        (units.COUNT, "٣", "is not a whole number"),
        (units.FLAG, "yes", "did you mean `true`?"),
        (units.FLAG, "False", "did you mean `false`?"),
        (units.FLAG, "maybe", "neither true nor false"),
        (units.FIELD_NAME, "a b", "is not a header name"),
        (units.FIELD_VALUE, "a\r\nb", "no line break"),
        (units.FIELD_VALUE, "Ω", "Latin-1"),
        (units.METHOD, "G T", "is not a method"),
        (units.NAME, "a.b", "is not a name"),
        (units.STATUS, "99", "from 200 to 599"),
        (units.STATUS_RANGE, "399-200", "range of them"),
        (units.KEY_SOURCE, "cookie:", "is not a key"),
        (units.KEY_SOURCE, "ip", "is not a key"),
    ],
)
def test_a_wrong_form_is_refused_with_a_sentence(kind: units.Kind, text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)):
        kind.parse(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (units.SIZE, "64KiB", 65536),
        (units.SIZE, "1.5KiB", 1536),
        (units.SIZE, "100", 100),
        (units.RATE, "600/m", 10.0),
        (units.RATE, "0.5/s", 0.5),
        (units.STATUS_RANGE, "5xx", (500, 599)),
        (units.STATUS_RANGE, "200", (200, 200)),
        (units.STATUS_RANGE, "200-399", (200, 399)),
        (units.FIELD_NAME, "X-Tenant", "x-tenant"),
        (units.FIELD_VALUE, " a b ", "a b"),
        (units.METHOD, "get", "GET"),
        (units.KEY_SOURCE, "header:X-User", "header:x-user"),
        (units.KEY_SOURCE, "path:Id", "path:Id"),
    ],
)
def test_a_written_form_reads_as_its_value(kind: units.Kind, text: str, value: object) -> None:
    assert kind.parse(text) == value


@given(st.floats(min_value=0, max_value=3e8, allow_nan=False).filter(lambda value: value == 0 or value >= 1e-9))
def test_a_duration_printed_reads_back_as_close_as_fifteen_digits_tell(seconds: float) -> None:
    seconds = float(f"{seconds:.6f}")
    assert units.parse_duration(units.show_duration(seconds)) == seconds


@given(st.integers(0, 10**9), st.sampled_from(["us", "ms", "s", "B", "KiB"]))
def test_what_was_written_is_printed_so_that_it_reads_the_same(count: int, unit: str) -> None:
    kind = units.SIZE if unit.endswith("B") else units.DURATION
    try:
        value = kind.parse(f"{count}{unit}")
    except ValueError:
        return
    assert kind.parse(str(kind.show(value))) == value


@given(st.integers(0, 10**6), st.sampled_from("smhd"))
def test_a_rate_printed_reads_back(count: int, unit: str) -> None:
    rate = units.parse_rate(f"{count}/{unit}")
    assert units.parse_rate(units.show_rate(rate)) == pytest.approx(rate, rel=1e-9, abs=1e-14)


KINDS = [value for value in vars(units).values() if isinstance(value, units.Kind)]


@given(st.sampled_from(KINDS), st.text(max_size=30))
def test_any_text_is_a_value_or_a_value_error(kind: units.Kind, text: str) -> None:
    try:
        value = kind.parse(text)
    except ValueError:
        return
    assert kind.parse(str(kind.show(value)).lower() if isinstance(value, bool) else str(kind.show(value))) == value


def test_demand_names_every_rule_that_does_not_hold() -> None:
    with pytest.raises(units.Invalid) as caught:
        units.demand(("a", False, "is wrong"), ("b", True, "is right"), ("c", False, "is bad"))
    assert caught.value.faults == (("a", "is wrong"), ("c", "is bad"))
    assert str(caught.value) == "`a` is wrong; `c` is bad"
