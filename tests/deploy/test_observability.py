"""What deploy/observability tells others to load: it loads, asks for what there is, and each alert has its runbook."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.process_collector import ProcessCollector

from sidecar.model.reason import BY_CODE
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.servers import require
from tests.telemetry.test_metrics import PROMISED

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy" / "observability"
ALERTS = HERE / "alerts" / "sidecar.yaml"
UNIT_TESTS = sorted((HERE / "alerts" / "tests").glob("*.yaml"))
RUNBOOKS = ROOT / "docs" / "alerts.md"

# What a query may name besides the labels of a metric: the scrape configuration sets them.
TARGET_LABELS = {"job", "app", "instance"}


def rules(kind: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def promtool(*arguments: object) -> None:
    command = [require("promtool"), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def exposed() -> dict[str, set[str]]:
    """Every series that /metrics can have, with its labels."""
    found = {
        sample.name: set[str]() for family in ProcessCollector(registry=None).collect() for sample in family.samples
    }
    for name, labels in PROMISED.items():
        found[name] = labels
        if name.endswith("_bucket"):
            found |= {name.replace("_bucket", suffix): labels - {"le"} for suffix in ("_count", "_sum")}
    return found


def selectors(expr: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Every metric that an expression asks for, with its matchers. What recording rules made is left out."""
    for name, braces in re.findall(r"(?<![\w:\"])((?:sidecar|process)_\w+)(?:\{([^}]*)\})?", expr):
        yield name, dict(re.findall(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"', braces))


def asks_for_what_there_is(expr: str) -> list[str]:
    """What is wrong with the names in an expression."""
    known, wrong = exposed(), []
    for name, matchers in selectors(expr):
        if name not in known:
            wrong.append(f"{name} is no metric")
            continue
        wrong += [f"{name} has no label {label}" for label in matchers.keys() - known[name] - TARGET_LABELS]
        reasons = matchers.get("reason", "") if "rejections" in name else ""
        wrong += [f"{code} is no reason" for code in reasons.split("|") if code and code not in (*BY_CODE, "$reason")]
    return wrong


@pytest.mark.parametrize("rule", rules("expr"), ids=lambda rule: str(rule.get("alert", rule.get("record"))))
def test_each_rule_asks_for_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    assert asks_for_what_there_is(rule["expr"]) == []
    for text in rule.get("annotations", {}).values():
        assert asks_for_what_there_is(text.replace('\\"', '"').replace("%q", '""')) == []


def test_a_metric_that_is_none_would_be_found() -> None:
    assert asks_for_what_there_is('rate(sidecar_requests{route="a"}[5m])') == ["sidecar_requests is no metric"]
    assert asks_for_what_there_is('sidecar_loop_lag_seconds{rout="a"}') == [
        "sidecar_loop_lag_seconds has no label rout"
    ]
    assert asks_for_what_there_is('sidecar_rejections_total{reason="full"}') == ["full is no reason"]


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: str(rule["alert"]))
def test_each_alert_has_a_severity_a_text_for_its_labels_and_a_runbook(rule: dict[str, Any]) -> None:
    name, annotations = rule["alert"], rule["annotations"]
    assert rule["labels"]["severity"] in ("P0", "P1", "P2", "P3")
    assert set(annotations) == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"] == f"docs/alerts.md#{name.lower()}"
    headings = re.findall(r"^#+ (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert headings.count(name) == 1
    # A label that an aggregation took away would be an empty word in a page at night.
    grouped = re.search(r"\b(?:by|on) \(([^)]*)\)", rule["expr"])
    kept = set(grouped[1].split(", ")) if grouped else {"job", "app", "instance", "worker"}
    for one in re.findall(r"by \(([^)]*)\)", rule["expr"]):
        kept |= set(one.split(", "))
    assert set(re.findall(r"\$labels\.(\w+)", annotations["summary"] + annotations["description"])) <= kept


def test_no_runbook_is_for_an_alert_that_there_is_not() -> None:
    names = {rule["alert"] for rule in rules("alert")}
    assert set(re.findall(r"^#+ (Sidecar\w+)$", RUNBOOKS.read_text(), re.MULTILINE)) == names
    assert asks_for_what_there_is(RUNBOOKS.read_text()) == []
    told = re.findall(r"`(Sidecar[A-Z]\w+)`", RUNBOOKS.read_text() + (HERE / "README.md").read_text())
    assert set(told) <= names


def test_each_alert_is_seen_to_fire_and_to_stay_silent() -> None:
    fires: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    for path in UNIT_TESTS:
        for one in yaml.safe_load(path.read_text())["tests"]:
            for check in one["promql_expr_test"]:
                found = re.fullmatch(r'ALERTS\{alertname="(\w+)",alertstate="firing"\}', check["expr"])
                assert found, check["expr"]
                (fires if check["exp_samples"] else silent)[found[1]] += 1
    names = {rule["alert"] for rule in rules("alert")}
    assert (names - set(fires), names - set(silent)) == (set(), set())
    assert set(fires) | set(silent) == names


def test_the_rules_load() -> None:
    promtool("check", "rules", ALERTS)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: str(path.stem))
def test_alerts_fire_when_they_should(path: Path) -> None:
    promtool("test", "rules", path)


def test_the_scrape_configuration_of_one_machine_loads() -> None:
    promtool("check", "config", HERE / "prometheus.yaml")


def test_the_scrape_configuration_of_pods_loads_and_has_the_labels_that_alerts_expect(tmp_path: Path) -> None:
    config = yaml.safe_load((HERE / "prometheus.kubernetes.yaml").read_text())
    (scrape,) = config["scrape_configs"]
    # Distributions build Prometheus without Kubernetes: everything else is looked at.
    assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod"}]
    scrape["static_configs"] = [{"targets": ["127.0.0.1:1"]}]
    config["rule_files"] = [str(HERE / name) for name in config["rule_files"]]
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    promtool("check", "config", tmp_path / "prometheus.yaml")
    assert scrape["job_name"] == "sidecar"
    set_here = {rule.get("target_label") for rule in scrape["relabel_configs"]}
    assert set_here >= {"app", "instance"}


def test_the_admin_address_that_the_readme_shows_is_one_that_rules_take(tmp_path: Path) -> None:
    found = re.search(r"`(admin: \{.*?\}\"?\})`", (HERE / "README.md").read_text())
    assert found
    (tmp_path / "token").write_text("secret")
    text = found[1].replace("/etc/sidecar-token", str(tmp_path))
    assert load_text(text, "rules.yaml", Given(upstreams=["http://127.0.0.1:3000"])).rules.admin.token is not None
