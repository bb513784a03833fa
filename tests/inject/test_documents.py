"""Reading manifests: what they hold, where it stands, and what is refused."""

from __future__ import annotations

import pytest

from sidecar.inject.documents import MAX_DEPTH, documents, objects_in
from sidecar.inject.values import Verbatim
from sidecar.rules.problems import ConfigError


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        documents(text, "m.yaml")
    (problem,) = caught.value.problems
    return str(problem)


def test_documents_put_together_are_the_text() -> None:
    text = '# one\na: 1\n---\n# two\n---\nb: 2\n...\n# between\n---\n{"c": 3}\n--- |\n  text\n'
    found = documents(text, "m.yaml")
    assert "".join(one.text for one in found) == text
    assert [one.value for one in found] == [{"a": 1}, None, {"b": 2}, {"c": 3}, "text\n"]


def test_every_value_knows_its_place() -> None:
    (found,) = documents("a:\n  - b: 1\n    c: [x, y]\n", "m.yaml")
    assert (
        str(found.place(("a", 0, "c", 1)).error("")) == "m.yaml:2:12: error: "
        or found.place(("a", 0, "c", 1)).line == 3
    )
    assert (found.place(("a", 0, "c", 1)).line, found.place(("a", 0, "c", 1)).column) == (3, 12)
    assert found.place(("a", 0, "missing", "deep")).line == 2


def test_scalars_are_what_kubectl_takes_them_for() -> None:
    (found,) = documents("{a: on, b: 'on', c: 0755, d: 3000, e: ~, f: !!str 5, on: 1, 5: 2}", "m.yaml")
    assert found.value == {"a": True, "b": "on", "c": Verbatim("0755"), "d": 3000, "e": None, "f": "5", "on": 1, "5": 2}


def test_aliases_and_merges_stand_for_copies() -> None:
    (found,) = documents("x: &x {a: [1]}\ny: *x\nz: {<<: *x, b: 2}\nw: {<<: [*x, {a: 9, c: 3}]}\n", "m.yaml")
    assert found.value["y"] == {"a": [1]}
    assert found.value["y"]["a"] is not found.value["x"]["a"]
    assert found.value["z"] == {"a": [1], "b": 2}
    assert found.value["w"] == {"a": [1], "c": 3}
    assert not found.plain


def test_a_quoted_merge_key_is_a_key() -> None:
    (found,) = documents('{"<<": {a: 1}}\n---\n', "m.yaml")[:1]
    assert found.value == {"<<": {"a": 1}}


def test_json_objects_follow_each_other() -> None:
    text = ' {"a": 1}\n{"b": [1.5, "\\ud83d\\ude00"]}\n'
    found = documents(text, "m.json")
    assert [one.value for one in found] == [{"a": 1}, {"b": [1.5, "😀"]}]
    assert "".join(one.text for one in found) == text
    assert (found[1].root.line, found[1].root.column) == (2, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: [\n", "m.yaml:3:1: error: "),
        ("a:\n\tb: 1\n", "m.yaml:2:1: error: a tab cannot indent; use spaces"),
        ("a: 1\nb: 2\na: 3\n", "m.yaml:3:1: error: `a` is written twice; the first is on line 1"),
        ('{"a": {"b": 1, "b": 2}}', "m.yaml:1:1: error: `b` is written twice in an object"),
        ("? [a]\n: 1\n", "m.yaml:1:3: error: a key is one word, not a list or a mapping"),
        ("a: !!python/object:os.system x\n", "the tag `tag:yaml.org,2002:python/object:os.system` is not used"),
        ("a: !Ref b\n", "m.yaml:1:4: error: the tag `!Ref` is not used in Kubernetes' manifests; drop it"),
        ("a: *b\n", "m.yaml:1:4: error: `*b` names an anchor that is not defined above"),
        ("a: &a [*a]\n", "m.yaml:1:8: error: `*a` is inside of what it names"),
        ("a: {<<: 1}\n", "`<<` merges mappings only"),
        ("a: \x07\n", "m.yaml:1:4: error: the character U+0007 cannot be in YAML"),
        ("[" * 5000, f"nested deeper than {MAX_DEPTH} levels"),
        ('{"a":' * 5000, "nested deeper than"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper than"),
        ("a: &a 1\n---\nb: *a\n", "m.yaml:3:4: error: `*a` names an anchor"),
    ],
)
def test_what_is_wrong_is_told_where_it_stands(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_bomb_of_aliases_is_refused_before_it_grows() -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 10):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    assert "more than 500000 values" in refused(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("kind: Deployment\nmetadata:\n  name: {{ .Release.Name }}-web\n", "3:9"),
        ("kind: Deployment\nreplicas: {{ .Values.replicas }}\n", "2:11"),
        ("{{- if .Values.on }}\nkind: Deployment\n{{- end }}\n", "1:1"),
        ("kind: Deployment\nspec:\n  {{- toYaml .Values.spec | nindent 2 }}\n", "3:3"),
    ],
)
def test_a_template_is_told_to_be_rendered_first(text: str, place: str) -> None:
    assert refused(text).startswith(f"m.yaml:{place}: error: this is a template (`{{{{ … }}}}`); render it first")


def test_braces_within_a_text_are_nothing_special() -> None:
    (found,) = documents("a: |\n  {{ legend }}\nb: '{{ x }}'\n", "m.yaml")
    assert found.value == {"a": "{{ legend }}\n", "b": "{{ x }}"}


def test_the_objects_of_a_list_are_found_each() -> None:
    (found,) = documents("kind: List\nitems: [{kind: A}, {kind: B}]\n", "m.yaml")
    assert list(objects_in(found)) == [(("items", 0), {"kind": "A"}), (("items", 1), {"kind": "B"})]
    assert list(objects_in(documents("---\n", "m.yaml")[0])) == []
