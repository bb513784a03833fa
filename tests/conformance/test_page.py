"""The page tells of every case there is, and of no other."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.case import Seen
from tests.conformance.cases import CASES
from tests.conformance.page import page, score, told
from tests.conformance.run import Result

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conformance.md"
_ROW = re.compile(r"^\| `([^`]+/[^`]+)` \| RFC", re.MULTILINE)


def _names() -> list[str]:
    return [case.name.replace("|", "\\|").replace("`", "'") for case in CASES]


def _results(*failing: int) -> list[Result]:
    return [Result(case, Seen(b"k%03d" % n), "broke *it*" * (n in failing)) for n, case in enumerate(CASES)]


def test_the_page_in_the_docs_lists_exactly_the_cases_there_are() -> None:
    assert _ROW.findall(PAGE.read_text()) == _names()


def test_the_page_in_the_docs_tells_of_no_failure_of_ours() -> None:
    text = PAGE.read_text()
    total = next(line for line in text.splitlines() if line.startswith("| **all**")).split("|")
    assert total[2] == total[3], "cases, and how many of them the sidecar passes"
    assert "- **sidecar**" not in text
    assert max(int(passed) for passed in total[4:-1]) <= int(total[3])


def test_a_page_has_a_row_for_each_case_and_explains_each_failure() -> None:
    text = page({"one": _results(), "two": _results(0, 5)}, {"one": "1.0", "two": "2.0"}, "2026-01-01")
    assert _ROW.findall(text) == _names()
    assert [line for line in text.splitlines() if line.startswith("### ")] == [
        f"### `{CASES[0].name}`",
        f"### `{CASES[5].name}`",
    ]
    assert text.count("- **two** broke \\*it\\*.") == 2
    assert f"| **all** | {len(CASES)} | {len(CASES)} | {len(CASES) - 2} |" in text


def test_the_terminal_tells_failures_and_totals() -> None:
    lines = told(_results(3)).splitlines()
    assert CASES[3].name in lines[0]
    assert lines[-1].split() == ["all", str(len(CASES) - 1), "of", str(len(CASES))]
    assert score(_results(3)) == (len(CASES) - 1, len(CASES))
    assert any(line.lstrip().startswith("sent: ") for line in told(_results(3), with_bytes=True).splitlines())
