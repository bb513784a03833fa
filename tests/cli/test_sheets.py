"""Lines and tables: columns, widths, and nothing that steers a terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.sheets import Cell, Sheet, Tone, clean, columns, cut, laid, line, plain, row


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(("A", "B"), [("long", 1), ("x", 22)]) == ["A     B", "long  1", "x     22"]
    assert columns(("A", "B"), []) == ["A  B"]


def test_a_column_of_numbers_stands_to_the_right() -> None:
    assert columns(("NAME", ">COUNT"), [("a", 1), ("b", 12345678)]) == [
        "NAME     COUNT",
        "a            1",
        "b     12345678",
    ]


def test_a_column_with_nothing_in_it_is_left_out() -> None:
    assert columns(("A", "B", "C"), [("x", "", 1), ("y", "", "")]) == ["A  C", "x  1", "y"]


def test_the_widest_text_is_cut_where_the_screen_is_too_narrow() -> None:
    sheet = Sheet(("NAME", ">COUNT", "TEXT"), [row("a", 7, "words " * 10)])
    assert plain(laid(sheet, 24)) == ["NAME  COUNT  TEXT", "a         7  words word…"]
    assert all(len(text) <= 40 for text in plain(laid(sheet, 40)))


def test_numbers_are_never_cut() -> None:
    sheet = Sheet(("NAME", ">COUNT"), [row("a" * 30, 123456789)])
    assert plain(laid(sheet, 5))[1] == "aaaaaaa…  123456789"


@pytest.mark.parametrize(
    "hostile", ["\x1b[2J", "\x1b]0;title\x07", "\r", "\n", "\x9b1m", "\x7f", "\u202etxt", "\x00", "\u2028"]
)
def test_what_a_terminal_acts_on_is_not_printed(hostile: str) -> None:
    (shown,) = plain([line("name ", Cell(hostile, Tone.BAD), " end")])
    assert shown.isprintable()
    assert len(shown) == len(f"name {hostile} end")


@given(st.text())
def test_whatever_is_cleaned_is_printable_and_as_long(text: str) -> None:
    assert clean(text).isprintable()
    assert len(clean(text)) == len(text)
    if text.isprintable():
        assert clean(text) == text


@given(st.text(), st.integers(1, 50))
def test_what_is_cut_fits(text: str, width: int) -> None:
    assert len(cut(text, width)) <= width
