"""What was given, as objects."""

from __future__ import annotations

import pytest

from sidecar.inject.inputs import Input, Note
from sidecar.inject.objects import Ours
from sidecar.rules.problems import ConfigError
from sidecar.rules.tree import Origin


def test_objects_are_found_with_their_places() -> None:
    given = Input([("a.yaml", "kind: A\n---\n---\nkind: List\nitems:\n- kind: B\n- kind: C\n")])
    assert [(one.kind, one.place().line) for one in given.objects] == [("A", 1), ("B", 6), ("C", 7)]
    assert given.objects[1].place(("kind",)).column == 9


@pytest.mark.parametrize("text", ["a: 1\n", "- kind: A\n", "5\n", "kind: 5\n", "kind: List\nitems: [5]\n"])
def test_what_is_no_object_is_told(text: str) -> None:
    with pytest.raises(ConfigError, match=r"a\.yaml:\d+:\d+: error: this is no Kubernetes object: it has no `kind`"):
        Input([("a.yaml", text)])


def test_objects_are_put_in_front_and_left_out_within_lists_too() -> None:
    given = Input([("a.yaml", "kind: List\nitems:\n- {kind: A}\n- {kind: B}\n---\nkind: C\n---\nkind: D\n")])
    first, second, third, fourth = given.objects
    first.before.append({"kind": "New"})
    second.gone = True
    third.before.append({"kind": "Newer"})
    fourth.gone = True
    assert given.text() == "kind: List\nitems:\n- {kind: New}\n- {kind: A}\n---\nkind: Newer\n---\nkind: C\n"


def test_line_ends_are_windows_where_all_of_them_are() -> None:
    assert Input([("a", "kind: A\r\n")]).text() == "kind: A\r\n"
    assert Input([("a", "kind: A\r\n"), ("b", "kind: B\n")]).text() == "kind: A\n---\nkind: B\n"
    assert Input([("a", "kind: A\r\nb: 1\n")]).text() == "kind: A\r\nb: 1\n"


def test_a_return_before_a_line_end_is_a_line_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        Input([("a", "\r\r\n}")])
    assert caught.value.problems[0].line == 3


def test_a_note_is_a_line_that_an_editor_finds() -> None:
    assert str(Note(Origin("a", 1, 2), "refused", Ours("Pod", "x", ""), "because")) == "a:1:2: refused: Pod/x: because"
    assert str(Note(Origin("a", 1, 2), "taken out", Ours("Pod", "x", ""), "")) == "a:1:2: taken out: Pod/x"
    assert str(Note(Origin("a", 1, 2), "note", Ours("Pod", "\x1b[2J", ""), "")) == "a:1:2: note: Pod/\\x1b[2J"
