"""Text from outside cannot end a line nor steer a terminal, and says the same as before."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.printable import printable, printable_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 漢", "plain é 漢"),
        ("two\nlines\r", "two\\nlines\\r"),
        ("\x1b[31mred\x9b0m\x7f", "\\x1b[31mred\\x9b0m\\x7f"),
        ("right \u202e to left", "right \\u202e to left"),
        ("line \u2028 end", "line \\u2028 end"),
        ("half \udcff", "half \\udcff"),
    ],
)
def test_what_is_not_printable_is_told_by_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(alphabet=st.characters()))
def test_whatever_comes_in_what_comes_out_is_printable(text: str) -> None:
    assert printable(text).isprintable()


@given(st.dictionaries(st.text(), st.text(alphabet=st.characters())))
def test_json_keeps_its_value(told: dict[str, str]) -> None:
    line = printable_json(json.dumps(told, ensure_ascii=False))
    assert line.isprintable()
    assert json.loads(line) == told
