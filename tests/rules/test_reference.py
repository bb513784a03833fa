"""docs/rules.md is what the key tables say."""

from __future__ import annotations

from pathlib import Path

from sidecar.rules.keys import Key, Keyed, Many, Record, keys_of
from sidecar.rules.reference import reference
from sidecar.rules.schema import RuleSet

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "rules.md"


def every_key(record: type) -> list[Key]:
    found = list(keys_of(record))
    for key in keys_of(record):
        shape = key.shape.item if isinstance(key.shape, Many | Keyed) else key.shape
        if isinstance(shape, Record):
            found += every_key(shape.type)
    return found


def test_the_page_is_the_one_the_tables_make() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "python -m sidecar.rules.reference > docs/rules.md"


def test_where_shadow_mode_does_nothing_the_page_says_so() -> None:
    sections = {part.partition("`\n")[0].strip("`"): part for part in reference().split("\n## ")}
    modes = {
        path: "`enforce` or `shadow`; `shadow` is off |" in text
        for path, text in sections.items()
        if "| `mode`" in text
    }
    assert modes["routes[].rewrite"]
    assert not modes["routes[].concurrency"]
    assert not modes["upstreams.NAME.hold"]


def test_every_key_has_its_row_with_a_meaning() -> None:
    page = PAGE.read_text(encoding="utf-8")
    keys = every_key(RuleSet)
    assert len(keys) > 100
    for key in keys:
        assert f"| `{key.name}` | {key.doc}" in page
        assert key.doc


def test_the_page_leads_to_every_example_and_to_the_page_of_every_policy() -> None:
    page = PAGE.read_text(encoding="utf-8")
    wanted = [*(ROOT / "config" / "examples").glob("*.yaml"), *(ROOT / "docs" / "policies").glob("*.md")]
    assert len(wanted) > 30
    assert [path.name for path in wanted if f"/{path.name})" not in page] == []
