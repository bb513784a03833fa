"""The page tells of every case there is, and of no other."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.case import Case, Seen
from tests.conformance.cases import CASES
from tests.conformance.page import page, score, told
from tests.conformance.run import Result

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"


def _told_of(text: str) -> set[str]:
    """The cases a page tells of: those in the rows of a family, and those that all passed."""
    found = set()
    for family in re.split(r"^### ", text, flags=re.MULTILINE)[1:]:
        topic = family.partition("\n")[0]
        failed = re.findall(r"^\| `([^`]+)` \| (?:MUST|SHOULD|security), RFC", family, re.MULTILINE)
        passed = re.search(r"passed by all</summary>\n\n(.*)", family)
        found |= {f"{topic}/{name}" for name in (*failed, *(re.findall(r"`([^`]+)`", passed[1]) if passed else ()))}
    return found


def _names(cases: Iterable[Case]) -> set[str]:
    return {case.name.replace("|", "\\|").replace("`", "'") for case in cases}


def _results(*failing: int) -> list[Result]:
    return [Result(case, Seen(b"k%03d" % n), f"broke *it* k{n:03}" * (n in failing)) for n, case in enumerate(CASES)]


def test_the_page_in_the_docs_tells_of_exactly_the_cases_there_are() -> None:
    assert _told_of(PAGE.read_text()) == _names(CASES)


def test_the_page_in_the_docs_tells_of_no_failure_of_ours() -> None:
    text = PAGE.read_text()
    total = next(line for line in text.splitlines() if line.startswith("| **all**")).split("|")
    assert total[2] == total[3], "cases, and how many of them the sidecar passes"
    assert not re.search(r"\*\*[^*]*sidecar[^*]*\*\* ", text)
    assert max(int(passed) for passed in total[4:-1]) <= int(total[3])


def test_a_page_tells_of_each_case_and_explains_each_failure() -> None:
    text = page({"one": _results(0), "two": _results(0, 5)}, {"one": "1.0", "two": "2.0"}, "2026-01-01")
    assert _told_of(text) == _names(CASES)
    first = CASES[0]
    assert (
        f"| `{first.name.partition('/')[2]}` | {first.level.value}, {first.clause}. {first.duty} "
        "| **one, two** broke \\*it\\* \\~ |" in text
    )
    assert text.count("| **two** broke \\*it\\* \\~ |") == 1
    assert "`` POST /~ HTTP/1.1" in text, "what was sent"
    assert f"| **all** | {len(CASES)} | {len(CASES) - 1} | {len(CASES) - 2} |" in text


def test_the_terminal_tells_failures_and_totals() -> None:
    lines = told(_results(3)).splitlines()
    assert CASES[3].name in lines[0]
    assert lines[-1].split() == ["all", str(len(CASES) - 1), "of", str(len(CASES))]
    assert score(_results(3)) == (len(CASES) - 1, len(CASES))
    assert any(line.lstrip().startswith("sent: ") for line in told(_results(3), with_bytes=True).splitlines())
