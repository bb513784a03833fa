"""The threat model and SECURITY.md: each threat names a test that is there, each link leads somewhere."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
HEAD = "| threat | what an attacker does | what stops it | shown by | what is left |"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of each threat."""
    found, within = [], False
    for line in PAGE.read_text().splitlines():
        within = line == HEAD or (within and line.startswith("|"))
        if within and line != HEAD and not line.startswith("|--"):
            found.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


@cache
def defined(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions) and node.name.startswith("test_"))


def test_every_threat_is_told_whole_and_names_a_test_that_is_there() -> None:
    told = rows()
    assert len(told) > 80
    assert [row for row in told if len(row) != 5 or not all(row)] == []
    assert [row[0] for row in told if not TEST.search(row[3])] == []
    cited = [(file, name) for row in told for file, name in TEST.findall(row[3])]
    assert sorted({f"{file}::{name}" for file, name in cited if name not in defined(file)}) == []
    assert [row[0] for row in told if TEST.sub("", row[3]).strip(", ")] == []


def test_no_threat_is_told_twice() -> None:
    named = [row[0] for row in rows()]
    assert sorted({name for name in named if named.count(name) > 1}) == ["connections"]  # of clients; of the admin's


@pytest.mark.parametrize("page", ["docs/threat-model.md", "SECURITY.md"])
def test_every_link_leads_to_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, heading = target.partition("#")
        path = (ROOT / page).parent / file if file else ROOT / page
        assert path.exists(), target
        if heading:
            known = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in known]
            assert heading in slugs, target


def test_whoever_has_found_something_reads_how_to_tell_it_and_what_to_harden() -> None:
    text = (ROOT / "SECURITY.md").read_text()
    assert "private" in text.partition("## How to report")[2].partition("## ")[0]
    checklist = re.findall(r"^- \[ \] ((?:.+\n)(?:  .+\n)*)", text, re.MULTILINE)
    assert len(checklist) == 10
    assert [line for line in checklist if not re.search(r"\]\((docs|deploy|config)/", line)] == []
