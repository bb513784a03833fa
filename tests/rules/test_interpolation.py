"""References are replaced before values are read; what cannot be is told where it stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.rules.interpolation import Interpolation
from sidecar.rules.problems import Problem
from sidecar.rules.tree import Origin, Scalar


def read(path: str) -> str:
    if path != "/run/secret":
        raise ValueError("cannot be read: No such file or directory")
    return "s3cret"


def applied(text: str, style: str = "", **environ: str) -> tuple[Scalar, list[str]]:
    problems: list[Problem] = []
    node = Interpolation(environ, read).applied(Scalar(text, Origin("f", 3, 5), style), problems)
    assert isinstance(node, Scalar)
    return node, [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("x-${A}-${B:-two}", "x-one-two"),
        ("${EMPTY:-two}", "two"),
        ("${A:-}", "one"),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("$A $ {A}", "$A $ {A}"),
        ("${B:-a:-b}", "a:-b"),
    ],
)
def test_a_reference_is_replaced(text: str, expected: str) -> None:
    node, problems = applied(text, A="one", EMPTY="")
    assert (node.text, problems) == (expected, [])
    assert not node.secret


def test_what_a_reference_gives_is_not_looked_at_again() -> None:
    assert applied("${A}", A="${A}")[0].text == "${A}"


def test_what_comes_out_of_a_file_is_secret() -> None:
    node, problems = applied("Bearer ${file:/run/secret}")
    assert (node.text, node.secret, problems) == ("Bearer s3cret", True, [])


def test_a_reference_to_null_is_text_and_one_to_nothing_is_absent() -> None:
    assert not applied("${A}", A="null")[0].is_null
    assert applied("${A}", A="")[0].is_null
    assert not applied("${A}", style='"', A="")[0].is_null


@pytest.mark.parametrize(
    ("text", "style", "complaint"),
    [
        ("${NO}", "", "f:3:5: error: `NO` is not set in the environment; ${NO:-…} would give a default"),
        ("ab${NO}", "", "f:3:7: error: `NO` is not set"),
        ("ab${NO}", '"', "f:3:8: error: `NO` is not set"),
        ("ab\n${NO}", "|", "f:3:5: error: `NO` is not set"),
        ("${", "", "f:3:5: error: `${` is never closed"),
        ("${1}", "", "f:3:5: error: `${1}` is neither ${NAME} nor ${file:/path}"),
        ("${file:/no}", "", "f:3:5: error: the file `/no` cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_replaced_is_told_at_its_place(text: str, style: str, complaint: str) -> None:
    _, problems = applied(text, style)
    assert [said[: len(complaint)] for said in problems] == [complaint]


def test_what_follows_from_a_lost_value_is_left_out_and_all_else_is_told() -> None:
    problems: list[Problem] = []
    lost, other = Origin("f", 3, 5), Origin("f", 4, 5)
    interpolation = Interpolation({}, read)
    interpolation.applied(Scalar("${A}${B}", lost), problems)
    assert [str(one)[:17] for one in problems] == ["f:3:5: error: `A`", "f:3:9: error: `B`"]
    told = [*problems, lost.error("`` is not a rate"), other.error("`` is not a rate")]
    assert interpolation.alone(told) == [*problems, told[-1]]


@given(st.text(alphabet="$${}:-aA_f/ile", max_size=30))
def test_any_text_is_replaced_or_told(text: str) -> None:
    node, problems = applied(text, A="1")
    assert problems or "${A}" not in node.text or "$${A}" in text
