"""Edits in place: as few as it takes, and never another value than the one that was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.inject.documents import documents
from sidecar.inject.rewrite import rewritten
from sidecar.inject.values import block, copied, flow
from tests.inject.test_values import VALUES

TEXT = """\
# head
a: 1          # one
list:
  # first
  - name: x
    n: 1      # n
  - name: y   # why
flow: {b: [c, d]}   # flow
empty:        # nothing yet
text: |
  kept
  as it is

last: "on"    # end
# tail
"""


def edited(text: str, change: Any) -> str:
    (document,) = documents(text, "m")
    value = copied(document.value)
    change(value)
    result = rewritten(document, value)
    assert [one.value for one in documents(result, "m")] == [value]
    return result


def test_the_same_value_is_the_same_text() -> None:
    assert edited(TEXT, lambda value: None) == TEXT


def test_a_scalar_is_replaced_where_it_stands() -> None:
    assert edited(TEXT, lambda value: value.update(a="0755")) == TEXT.replace("a: 1  ", 'a: "0755"  ')


def test_a_key_is_added_behind_the_last_and_taken_away() -> None:
    added = edited(TEXT, lambda value: value.update(new={"x": [1, {"z": 2}]}))
    assert added == TEXT.replace("# end\n", "# end\nnew:\n  x:\n    - 1\n    - {z: 2}\n")
    assert edited(added, lambda value: value.pop("new")) == TEXT


@pytest.mark.parametrize("key", ["a", "list", "flow", "text", "last"])
def test_any_key_can_be_taken_away(key: str) -> None:
    gone = edited(TEXT, lambda value: value.pop(key))
    assert gone.startswith("# head\n")
    assert set(gone.splitlines()) < set(TEXT.splitlines())


def test_items_are_added_and_taken_away() -> None:
    more = edited(TEXT, lambda value: value["list"].append({"name": "z", "v": {"w": 1}}))
    assert more == TEXT.replace("# why\n", "# why\n  - name: z\n    v: {w: 1}\n")
    assert edited(more, lambda value: value["list"].pop()) == TEXT
    first = edited(TEXT, lambda value: value["list"].insert(0, {"name": "w"}))
    assert first == TEXT.replace("  - name: x", "  - {name: w}\n  - name: x")
    assert "  - name: y   # why\n" in edited(TEXT, lambda value: value["list"].pop(0))


def test_several_edits_at_one_place_keep_their_order() -> None:
    text = "a:\n  b:\n    - name: c"
    result = edited(text, lambda value: (value["a"]["b"][0].update(d=2), value["a"]["b"].append(3), value.update(e=4)))
    assert result == "a:\n  b:\n    - name: c\n      d: 2\n    - 3\ne: 4"


def test_what_holds_nothing_can_be_filled() -> None:
    assert edited(TEXT, lambda value: value.update(empty={"k": "v"})) == TEXT.replace(
        "# nothing yet\n", "# nothing yet\n  k: v\n"
    ) or "empty: {k: v}" in edited(TEXT, lambda value: value.update(empty={"k": "v"}))


def test_braces_stay_braces_while_they_fit() -> None:
    assert "flow: {b: [c, d], e: f}   # flow\n" in edited(TEXT, lambda value: value["flow"].update(e="f"))
    wide = edited(TEXT, lambda value: value["flow"].update(e="f" * 200))
    assert "flow:\n  b: [c, d]\n" in wide
    assert "# first" in wide


@pytest.mark.parametrize(
    "text",
    [
        "{a: {b: 1}}\n",
        "- - a: {b: 1}\n",
        "x: &x {b: 1}\na: *x\n",
        "%YAML 1.1\n--- \na: {b: 1}\n...\n",
        "? a\n: b: 1\n",
        '"a": \n  ? b\n  : 1\n',
        "a: !!map\n  b: 1\n",
        'a: {"b":1}',
    ],
)
def test_layouts_of_every_kind_come_to_the_value(text: str) -> None:
    (document,) = documents(text, "m")
    value = copied(document.value)
    holder = value if isinstance(value, dict) else value[0][0]
    holder["a"]["c"] = ["d"]
    holder["e"] = {"f": "no"}
    assert [one.value for one in documents(rewritten(document, value), "m")] == [value]


def test_json_stays_json_indented_as_it_was() -> None:
    (document,) = documents('{\n  "a": 1,\n  "é": 2\n}\n', "m")
    assert rewritten(document, {"a": 2, "é": [3]}) == '{\n  "a": 2,\n  "é": [\n    3\n  ]\n}\n'
    (line,) = documents('{"a":1}', "m")
    assert rewritten(line, {"a": 2}) == '{"a": 2}\n'
    marked = documents('---\n{"a": 1}\n---\n{}\n', "m")[0]
    assert rewritten(marked, {"a": 2}) == '---\n{"a": 2}\n'


@given(st.dictionaries(st.text(max_size=3), VALUES, min_size=1, max_size=4), st.data())
def test_whatever_changes_the_text_comes_to_the_value(old: Any, data: st.DataObject) -> None:
    new = {
        **{key: value for key, value in old.items() if data.draw(st.booleans())},
        **data.draw(st.dictionaries(st.text(max_size=3), VALUES, max_size=2)),
    }
    for written in (block(old), flow(old)):
        (document,) = documents(written, "m")
        assert [one.value for one in documents(rewritten(document, new), "m")] == [new]
