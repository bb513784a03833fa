"""The files that ship are valid, warn of nothing, and name every policy there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from sidecar.policies.catalogue import CATALOGUE
from sidecar.rules.load import load_rules

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLES = sorted((CONFIG / "examples").glob("*.yaml"))
EVERY_KEY = CONFIG / "examples" / "every-key.yaml"


@pytest.mark.parametrize("file", [CONFIG / "sidecar.yaml", *EXAMPLES], ids=lambda file: str(file.name))
def test_a_shipped_file_loads_without_a_warning(file: Path) -> None:
    loaded = load_rules(str(file), allow_faults=True)
    assert loaded.rules.routes
    assert loaded.warnings == ()


def test_the_shipped_file_says_what_holds_without_a_file() -> None:
    shipped, bare = load_rules(str(CONFIG / "sidecar.yaml")), load_rules(None, upstreams=["http://127.0.0.1:3000"])
    assert shipped.rules.routes == bare.rules.routes
    assert shipped.rules.upstreams == bare.rules.upstreams
    assert (shipped.rules.admin, shipped.rules.drain, shipped.rules.log) == (
        bare.rules.admin,
        bare.rules.drain,
        bare.rules.log,
    )


def test_one_example_names_every_policy() -> None:
    rules = load_rules(str(EVERY_KEY), allow_faults=True).rules
    written = {("upstream", key) for upstream in rules.upstreams.values() for key in upstream.policies}
    written |= {("route", key) for route in rules.routes for key in route.policies}
    assert written == {(entry.scope, entry.key) for entry in CATALOGUE}
