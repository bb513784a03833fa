"""The Grafana dashboard: what it asks for is there, Prometheus can parse it, and no panel hides another."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.test_observability import HERE, asks_for_what_there_is, promtool

DASHBOARD: dict[str, Any] = json.loads((HERE / "grafana" / "sidecar.json").read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
COLUMNS = 24


def expressions() -> Iterator[tuple[str, str]]:
    for panel in SHOWN:
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for one in DASHBOARD["annotations"]["list"]:
        yield f"annotation {one['name']}", one["expr"]


def test_every_expression_can_be_parsed(tmp_path: Path) -> None:
    parsed = [
        {"record": f"panel:{place}", "expr": expr.replace("$__rate_interval", "5m").replace("$__range", "1h")}
        for place, (_, expr) in enumerate(expressions())
    ]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": parsed}]}))
    promtool("check", "rules", path)


@pytest.mark.parametrize("expr", [expr for _, expr in expressions()], ids=[name for name, _ in expressions()])
def test_each_expression_asks_for_what_there_is_and_follows_the_variables(expr: str) -> None:
    assert asks_for_what_there_is(expr) == []
    named = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$(?!__)(\w+)", expr))
    assert used <= named
    assert used >= {"app"}


def test_the_variables_are_filled_from_metrics_that_there_are() -> None:
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "job", "app", "instance", "route", "upstream"]
    for name, variable in variables.items():
        if name != "datasource":
            found = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"]["query"])
            assert found
            assert asks_for_what_there_is(found[1]) == []
            assert found[2] == name
            # An instance without the label `app` is shown as well.
            assert variable["allValue"] == ".*"


def test_no_two_panels_overlap_or_have_one_number() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: dict[tuple[int, int], str] = {}
    for panel in PANELS:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= COLUMNS
        for cell in itertools.product(range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])):
            assert cell not in taken, f"{panel['title']} lies on {taken[cell]}"
            taken[cell] = panel["title"]


def test_every_panel_has_the_chosen_data_source_and_latency_has_exemplars() -> None:
    for panel in SHOWN:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        lasting = [target for target in panel["targets"] if "duration_seconds_bucket" in target["expr"]]
        if panel["type"] == "timeseries":
            assert all(target["exemplar"] for target in lasting), panel["title"]


def test_the_rows_are_what_an_operator_looks_for() -> None:
    rows = [panel["title"] for panel in PANELS if panel["type"] == "row"]
    assert rows == [
        "At a glance",
        "Golden signals",
        "Refusals",
        "Breakers",
        "Endpoints",
        "Retries",
        "Concurrency and connections",
        "Rules, drain and process",
        "Workers",
    ]
