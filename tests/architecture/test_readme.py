"""What the README repeats of another page is what that page says."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("section", "page"),
    [("## Beside the others", "docs/comparison.md"), ("### Conformance", "docs/conformance.md")],
)
def test_the_rows_of_a_table_are_those_of_the_page_that_it_is_from(section: str, page: str) -> None:
    told = (ROOT / "README.md").read_text().split(f"\n{section}\n")[1].split("\n#")[0]
    rows = [line for line in told.splitlines() if line.startswith("|")]
    assert len(rows) > 4
    assert set(rows) <= set((ROOT / page).read_text().splitlines())
