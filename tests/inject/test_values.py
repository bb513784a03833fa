"""Values, read and written as kubectl reads them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inject.documents import documents
from sidecar.inject.values import Verbatim, block, copied, flow, item_of, scalar, understood

# What some YAML reader takes for something else than a text.
TRAPS = re.findall(
    r"\S+",
    """
on off yes no y n Y N true False null ~ 0755 0o7 0x1f 0b1 1e3 1E3 .5 5. +1 -1 1_000 12:30 190:20:30 2001-01-01 = << .inf
-.inf .nan NaN 1.0 08 -0 - -- --- ... : # 'a "a @a `a %a &a *a !a |a >a ?a {a} [a] a: a:b:c :a a#b 1m 1d 1Mi 0s 1M 1e3m
""",
)


@pytest.mark.parametrize("text", [*TRAPS, "", " ", "a ", " a", "a: b", "a #b", "a\tb", "a\x85b", "\ufeff", "é", "a\\b"])
def test_a_text_is_read_back_as_that_text(text: str) -> None:
    for written in (f"k: {scalar(text)}\n", f"k: [{scalar(text)}, x]\n", block({"k": text}), block({text or "k": 1})):
        found = yaml.safe_load(written)
        assert found in ({"k": text}, {"k": [text, "x"]}, {text or "k": 1})
    assert understood(text) == text or scalar(text)[0] in "'\""


@pytest.mark.parametrize(
    ("text", "value"),
    [("3000", 3000), ("-1", -1), ("true", True), ("Off", False), ("y", True), ("", None), ("~", None), ("x", "x")]
    + [("1.2.3", "1.2.3"), ("12:30", "12:30"), ("2001-01-01", "2001-01-01"), ("64Mi", "64Mi")]
    + [(text, Verbatim(text)) for text in ("0755", "1e3", "1.50", "0x1f", "1_000", ".5", "-.inf", ".nan", "+1", "0o7")],
)
def test_a_plain_scalar_is_what_kubectl_takes_it_for(text: str, value: Any) -> None:
    assert understood(text) == value
    assert type(understood(text)) is type(value)


def test_a_number_keeps_its_spelling() -> None:
    assert block({"mode": Verbatim("0644"), "m": 5, "f": 1.5}) == "mode: 0644\nm: 5\nf: 1.5\n"


def test_several_lines_are_a_block_and_read_back() -> None:
    assert block({"a": "one\n  two\n\nthree\n", "b": ["x\ny"]}) == (
        "a: |\n  one\n    two\n\n  three\nb:\n  - |-\n    x\n    y\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        *("\na\nb", " a\nb\n", "a\nb\n\n", "a\r\nb", "a\x07\nb", "# a\nb\n", "a\nb \n", "a\n b"),
        *("a\n\x1f", "a\n\x1f\n", "\x07\nb", "\ufeff\nb", "a\n\t", "a\nb\x85"),
    ],
)
def test_what_a_block_cannot_say_is_still_read_back(text: str) -> None:
    assert yaml.safe_load(block({"k": [text, {"x": text}]})) == {"k": [text, {"x": text}]}
    assert [document.value for document in documents(block({"k": text}), "x")] == [{"k": text}]


def test_short_collections_stand_on_one_line() -> None:
    assert block({"p": {"exec": {"command": ["a", "--b"]}}, "q": {"a": {"b": {"c": 1}}}, "e": {}, "l": []}) == (
        "p:\n  exec: {command: [a, --b]}\nq:\n  a:\n    b: {c: 1}\ne: {}\nl: []\n"
    )
    assert item_of({"name": "http", "containerPort": 80}, 2) == "  - {name: http, containerPort: 80}\n"
    assert item_of({"a": 1, "b": 2, "c": 3}, 2) == "  - a: 1\n    b: 2\n    c: 3\n"
    assert flow({"a": [1, {"b": "c d"}]}) == "{a: [1, {b: c d}]}"


def test_a_copy_shares_nothing() -> None:
    value: Any = {"a": [{"b": 1}]}
    other = copied(value)
    other["a"][0]["b"] = 2
    assert value == {"a": [{"b": 1}]}


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=12))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
)


@given(st.dictionaries(st.text(max_size=6), VALUES, min_size=1, max_size=4))
def test_whatever_is_written_is_read_back(value: Any) -> None:
    text = block(value)
    assert [document.value for document in documents(text, "x")] == [value]
    assert json.dumps(yaml.safe_load(text)) == json.dumps(value)
    assert yaml.safe_load(flow(value)) == value
