"""The page about fuzzing has the accepted differences as they are applied."""

from __future__ import annotations

from pathlib import Path

from tests.differential.tables import tables

PAGE = Path(__file__).resolve().parents[2] / "docs" / "fuzzing.md"


def test_the_page_has_every_accepted_difference_as_it_is_applied() -> None:
    text = PAGE.read_text()
    for line in tables().splitlines():
        assert line in text, "python -m tests.differential --tables prints what belongs there"
