"""Fields removed, set and added, in a block of lines whose other bytes stay as they came."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.wire.edits import FieldEdits
from sidecar.wire.fieldnames import TOKEN_BYTES

BLOCK = b"Host: a\r\nX-Env: dev\r\nCookie: a=1\r\nx-ENV:  test \r\nAccept:\r\n"


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (FieldEdits(remove=["x-env"]), b"Host: a\r\nCookie: a=1\r\nAccept:\r\n"),
        (FieldEdits(remove=["HOST", "accept"]), b"X-Env: dev\r\nCookie: a=1\r\nx-ENV:  test \r\n"),
        (FieldEdits(set_to={"x-env": "prod"}), b"Host: a\r\nx-env: prod\r\nCookie: a=1\r\nAccept:\r\n"),
        (FieldEdits(set_to={"x-new": "1"}), BLOCK + b"x-new: 1\r\n"),
        (FieldEdits(add={"x-env": "prod"}), BLOCK + b"x-env: prod\r\n"),
        (FieldEdits(absent={"x-env": "prod", "X-New": "1"}), BLOCK + b"x-new: 1\r\n"),
        (FieldEdits(remove=["x-env"], absent={"x-new": "1"}), b"Host: a\r\nCookie: a=1\r\nAccept:\r\nx-new: 1\r\n"),
        (FieldEdits(absent={"x-new": "1"}, add={"x-old": "2"}), BLOCK + b"x-new: 1\r\nx-old: 2\r\n"),
        (FieldEdits(set_to={"accept": ""}), BLOCK.replace(b"Accept:", b"accept: ")),
    ],
)
def test_an_edit_finds_its_name_in_any_case_and_leaves_the_rest(edits: FieldEdits, expected: bytes) -> None:
    assert edits.apply(BLOCK) == expected


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        (FieldEdits(remove=["x-user-id"], twins=True), b"a_b: 1\r\nc: d_e\r\n"),
        (FieldEdits(set_to={"x-user-id": "7"}, twins=True), b"a_b: 1\r\nc: d_e\r\nx-user-id: 7\r\n"),
        (FieldEdits(set_to={"a_b": "2"}, twins=True), b"X_User-Id: 6\r\na_b: 2\r\nc: d_e\r\n"),
        (FieldEdits(remove=["a-b"], set_to={"a_b": "2"}, twins=True), b"X_User-Id: 6\r\na_b: 2\r\nc: d_e\r\n"),
        (FieldEdits(remove=["x-user-id"]), b"X_User-Id: 6\r\na_b: 1\r\nc: d_e\r\n"),
        (FieldEdits(add={"a-b": "2"}, twins=True), b"X_User-Id: 6\r\na_b: 1\r\nc: d_e\r\na-b: 2\r\n"),
    ],
)
def test_of_a_request_what_some_backends_take_for_the_same_name_goes_too(edits: FieldEdits, expected: bytes) -> None:
    assert edits.apply(b"X_User-Id: 6\r\na_b: 1\r\nc: d_e\r\n") == expected


def test_removed_comes_before_set_and_set_before_added() -> None:
    edits = FieldEdits(remove=["b"], set_to={"a": "set", "b": "set"}, add={"a": "added", "b": "added"})
    assert edits.apply(b"b: 1\r\na: 1\r\nc: 1\r\n") == b"a: set\r\nc: 1\r\nb: set\r\na: added\r\nb: added\r\n"


def test_what_is_set_or_added_to_nothing_stands_alone() -> None:
    assert FieldEdits(set_to={"a": "1"}, add={"b": "2"}).apply(b"") == b"a: 1\r\nb: 2\r\n"
    assert FieldEdits(remove=["a"]).apply(b"a: 1\r\n") == b""


@pytest.mark.parametrize("edits", [FieldEdits(), FieldEdits(remove=["x", "nv", "x-en", "env", "dev"])])
def test_a_block_that_no_edit_concerns_is_the_very_same_object(edits: FieldEdits) -> None:
    assert edits.apply(BLOCK) is BLOCK


def test_a_name_inside_a_value_is_no_field() -> None:
    block = b"X-Note: a\tx-env: 1\r\n"
    assert FieldEdits(remove=["x-env", "a"]).apply(block) is block


def test_values_are_latin_1_and_trimmed() -> None:
    assert FieldEdits(set_to={"x": " caf\u00e9\t"}).apply(b"") == b"x: caf\xe9\r\n"


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0", "a\x7f", "\u20ac"])
def test_a_value_that_would_end_its_line_or_cannot_be_carried_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="the value of `x` holds"):
        FieldEdits(set_to={"x": value})
    with pytest.raises(ValueError, match="the value of `x` holds"):
        FieldEdits(add={"x": value})


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "\u20ac", "\u212a"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a field name"):
        FieldEdits(remove=[name])


NAMES = st.sampled_from(["a", "b", "x-a", "host", "x-request-id", "via"])
WRITTEN = st.builds(lambda name, up: name.upper() if up else name, NAMES, st.booleans())
VALUES = st.text(st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=8).map(lambda text: text.strip())
LINES = st.lists(st.tuples(WRITTEN, VALUES), max_size=8)


def block_of(lines: list[tuple[str, str]]) -> bytes:
    return b"".join(f"{name}:{value}\r\n".encode("latin-1") for name, value in lines)


@given(LINES, st.sets(NAMES), st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, VALUES))
def test_any_edit_does_what_the_three_steps_do_one_after_the_other(
    lines: list[tuple[str, str]], remove: set[str], set_to: dict[str, str], add: dict[str, str]
) -> None:
    kept = [(name, value) for name, value in lines if name.lower() not in remove]
    for name, value in set_to.items():
        places = [index for index, (known, _) in enumerate(kept) if known.lower() == name]
        if places:
            kept[places[0]] = (name, f" {value}")
            kept = [line for index, line in enumerate(kept) if index not in places[1:]]
        else:
            kept.append((name, f" {value}"))
    kept += [(name, f" {value}") for name, value in add.items()]
    block = block_of(lines)
    edited = FieldEdits(remove, set_to, add).apply(block)
    assert edited == block_of(kept)
    if edited == block and not set_to:
        assert edited is block


@given(LINES, st.text(st.sampled_from(TOKEN_BYTES.decode("ascii")), min_size=1, max_size=3))
def test_setting_a_field_twice_is_setting_it_once(lines: list[tuple[str, str]], name: str) -> None:
    edits = FieldEdits(set_to={name: "1"})
    once = edits.apply(block_of(lines))
    assert edits.apply(once) == once
