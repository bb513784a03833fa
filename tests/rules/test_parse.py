"""YAML to a tree with places; mistakes to sentences; bombs to refusals."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.parse import MAX_BYTES, MAX_DEPTH, MAX_NODES, Parsed, parse_yaml
from sidecar.rules.tree import Items, Origin, Scalar, Table


def parsed(text: str) -> Parsed:
    return parse_yaml(text, lambda line, column: Origin("f", line, column))


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in parsed(text).problems]


def value(text: str) -> Scalar:
    root = parsed(text).node
    assert isinstance(root, Table)
    found = root.entries["a"].value
    assert isinstance(found, Scalar)
    return found


def test_a_scalar_stays_text_whatever_yaml_would_guess() -> None:
    assert [value(f"a: {word}").text for word in ("on", "1:30", "0x10", "1e3", "null")] == [
        "on", "1:30", "0x10", "1e3", "null",
    ]  # fmt: skip


def test_only_a_plain_nothing_is_null() -> None:
    assert [value(f"a: {word}").is_null for word in ("", "~", "null", "''", '"null"')] == [
        True, True, True, False, False,
    ]  # fmt: skip


def test_places_count_characters_from_one_even_after_wide_ones() -> None:
    root = parsed("a: {ключ😀: [x,\n  y]}\n").node
    assert isinstance(root, Table)
    inner = root.entries["a"].value
    assert isinstance(inner, Table)
    entry = inner.entries["ключ😀"]
    assert isinstance(entry.value, Items)
    assert (entry.origin.line, entry.origin.column) == (1, 5)
    assert [(item.origin.line, item.origin.column) for item in entry.value.items] == [(1, 13), (2, 3)]


def test_anchors_aliases_and_merge_keys_work() -> None:
    root = parsed("x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\n").node
    assert isinstance(root, Table)
    y, z = root.entries["y"].value, root.entries["z"].value
    assert isinstance(y, Table)
    assert isinstance(z, Table)
    assert {key: entry.value.text for key, entry in y.entries.items() if isinstance(entry.value, Scalar)} == {
        "a": "1",
        "b": "3",
    }
    assert set(z.entries) == {"a", "b", "c"}
    assert y.entries["a"].value.origin.line == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\na: 2\n", "f:2:1: error: `a` is written twice; the first is on line 1"),
        ("a:\n\tb: 1\n", "f:2:1: error: a tab cannot indent; use spaces"),
        ("a:\n  \tb: 1\n", "f:2:3: error: a tab cannot indent; use spaces"),
        ("a: @x\n", "f:1:4: error: `@` cannot begin a value; put the value in quotes"),
        ("a: b: c\n", "f:1:5: error: a `:` where none can be"),
        ("a: 1\n  b: 2\n", "f:2:4: error: a `:` where none can be"),
        ("a:\n  b: 1\n c: 2\n", "f:3:2: error: this does not line up"),
        ("a: [1, 2\n", "f:2:1: error: a list that began with `[`"),
        ("a: {b: 1\nc: 2\n", "f:2:2: error: a mapping that began with `{`"),
        ('a: "x\n', "f:2:1: error: a quote is opened and never closed"),
        ('a: "\\q"\n', "f:1:5: error: an unknown escape"),
        ("a: [,]\n", "f:1:5: error: a value was expected here"),
        ("a: *.b\n", "f:1:5: error: `*` and `&` begin aliases"),
        ("a: |x\n", "f:1:5: error: a text goes on where it should have ended"),
        ("%x\n", "f:1:3: error: "),
        ("a: *b\n", "f:1:4: error: `*b` names an anchor that is not defined"),
        ("a: &a [*a]\n", "f:1:8: error: `*a` is inside of what it names"),
        ("a: !!python/object:os.system x\n", "f:1:4: error: the tag `tag:yaml.org,2002:python/object:os.system`"),
        ("? [a]\n: b\n", "f:1:3: error: a key is one word"),
        ("a: {<<: 1}\n", "f:1:9: error: `<<` merges mappings only"),
        ("a: 1\n---\nb: 2\n", "f:2:1: error: a second document begins here"),
        ("a: 1\nb: \x00\n", "f:2:4: error: the character U+0000"),
        ("a: \ud800\n", "f:1:4: error: the character U+D800"),
        ("a\nb: 1\n", "f:2:2: error: "),
    ],
)
def test_a_mistake_is_told_at_its_place(text: str, complaint: str) -> None:
    assert [said[: len(complaint)] for said in complaints(text)] == [complaint]


def test_a_deep_file_is_refused_before_it_can_exhaust_the_stack() -> None:
    assert complaints("[" * 100_000) == [f"f:1:{MAX_DEPTH + 1}: error: nested deeper than {MAX_DEPTH} levels"]


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    said = complaints("\n".join(lines))
    assert len(said) == 1
    assert f"more than {MAX_NODES} values" in said[0]


def test_a_huge_file_is_refused() -> None:
    assert complaints("#" * (MAX_BYTES + 1)) == ["f:1:1: error: larger than 1MiB; this is not a rules file"]


def test_a_byte_order_mark_is_ignored_and_an_empty_file_is_an_empty_table() -> None:
    assert value("\ufeffa: 1").text == "1"
    assert parsed("# nothing\n").node == Table({}, Origin("f", 1, 1))


def test_a_character_that_cannot_be_stands_where_it_stands() -> None:
    said = "error: the character U+0004 cannot be in a YAML file"
    assert complaints("\ufeffa: \x04") == [f"f:1:4: {said}"]
    assert complaints("a: 1\rb: 2\r\nc:\x85 \x04") == [f"f:4:2: {said}"]


def test_a_text_over_several_lines_is_told_by_its_beginning() -> None:
    scalar = value("a: one\n two")
    assert (scalar.text, scalar.style) == ("one two", ">")


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*!|>'\"%@`#,? \n\t<é😀"), max_size=60))
def test_any_text_is_a_tree_or_a_complaint(text: str) -> None:
    result = parsed(text)
    assert result.whole or result.problems
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in result.problems)
