"""docs/inject.md shows what is printed."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import sidecar
from sidecar.cli.parser import parser
from tests.inject.invariants import VERSION, given, injected

PAGE = Path(__file__).resolve().parents[2] / "docs" / "inject.md"


def shown() -> str:
    before = given("web.yaml")
    after = injected(before).replace(VERSION, sidecar.__version__)
    lines = difflib.unified_diff(
        before.splitlines(True), after.splitlines(True), "deployment.yaml", "with-sidecar.yaml", n=2
    )
    return "".join("\n" if line == " \n" else line for line in lines)


def test_the_example_of_the_page_is_what_is_printed() -> None:
    found = re.search(r"```diff\n(.*?)```\n", PAGE.read_text(), flags=re.DOTALL)
    assert found is not None
    assert found[1] == shown()


def test_every_option_is_on_the_page_and_the_other_way_round() -> None:
    said = set(re.findall(r"^\| .*", PAGE.read_text(), flags=re.MULTILINE)[:10])
    options = {option for row in said for option in re.findall(r"`(--?[a-z-]+)", row.split(" | ")[0])}
    words = ["inject", "-f", "x", "--image", "i", "--port", "http", "--set", "a=b", "--workers", "2"]
    for more in (["-c", "r"], ["--config-map", "m"], ["--drain", "25s"]):
        parser().parse_args([*words, *more])
    assert options == {"-f", "--image", "--port", "--set", "--workers", "-c", "--config-map", "--drain"}
