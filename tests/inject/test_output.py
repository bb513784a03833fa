"""The stream that comes out."""

from __future__ import annotations

import pytest

from sidecar.inject.documents import documents
from sidecar.inject.output import Edited, joined


def edits(text: str, *, before: int = -1, gone: int = -1) -> list[Edited]:
    return [
        (one, one.value, [{"kind": "New"}] if index == before else [], index == gone)
        for index, one in enumerate(documents(text, "m"))
    ]


@pytest.mark.parametrize("text", ["a: 1\n---\nb: 2\n", "---\na: 1", "# only\n", '{"a": 1}\n{"b": 2}\n', "a: 1\n...\n"])
def test_nothing_changed_is_the_same_text(text: str) -> None:
    assert joined([edits(text)]) in (text, text + "\n")


def test_objects_are_put_in_front_as_documents() -> None:
    assert joined([edits("# head\na: 1\n---\nb: 2\n", before=0)]) == "kind: New\n---\n# head\na: 1\n---\nb: 2\n"
    assert joined([edits("a: 1\n---\nb: 2\n", before=1)]) == "a: 1\n---\nkind: New\n---\nb: 2\n"
    assert joined([edits("---\na: 1\n", before=0)]) == "---\nkind: New\n---\na: 1\n"
    assert joined([edits('{\n  "a": 1\n}\n', before=0)]) == '{\n  "kind": "New"\n}\n{\n  "a": 1\n}\n'


def test_what_follows_one_left_out_begins_as_that_did() -> None:
    assert joined([edits("a: 1\n---\nb: 2\n", gone=0)]) == "b: 2\n"
    assert joined([edits("---\na: 1\n---\nb: 2\n", gone=0)]) == "---\nb: 2\n"
    assert joined([edits('{"a": 1}\n{"b": 2}\n', gone=0)]) == '{"b": 2}\n'


def test_files_follow_each_other_as_documents() -> None:
    assert joined([edits("a: 1"), edits("# x\n---\nb: 2\n"), edits("c: 3\n")]) == "a: 1\n# x\n---\nb: 2\n---\nc: 3\n"
    assert joined([edits('{"a": 1}'), edits('{"b": 2}')]) == '{"a": 1}\n{"b": 2}\n'
    assert joined([edits('{"a": 1}'), edits("b: 2\n")]) == '---\n{"a": 1}\n---\nb: 2\n'
    assert joined([[], edits("b: 2\n")]) == "b: 2\n"


def test_a_block_that_ends_without_a_line_break_gets_none() -> None:
    assert joined([edits("a: 1\n"), edits("b: |\n  secret")]) == "a: 1\n---\nb: |\n  secret"
