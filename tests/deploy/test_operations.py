"""docs/operations.md names commands, metrics, alerts, keys and numbers: each exists, and is what the files say."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from sidecar.cli.parser import parser
from sidecar.model.reason import BY_CODE
from sidecar.policies.units import parse_duration
from tests.deploy.test_observability import exposed

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
SPANS = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
KEYS = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "rules.md").read_text(), flags=re.MULTILINE))
# The words that begin a key by its dotted name, as `--set` takes it, or stand for a whole block.
BLOCKS = {
    "listeners",
    "routes",
    "upstreams",
    "overload",
    "drain",
    "retry",
    "fallback",
    "concurrency",
    "pool",
    "admin",
    "tracing",
    "log",
}
# What stands in a command for something that only its user knows.
STANDS_FOR = {"FILE": "rules.yaml", "URL": "/", "RULE": "all"}


def commands() -> list[str]:
    return sorted({span for span in SPANS if span.startswith("sidecar ")})


def test_the_page_names_something_of_each_kind() -> None:
    assert len(commands()) > 5
    assert len([span for span in SPANS if span.startswith("sidecar_")]) > 5
    assert len([span for span in SPANS if re.fullmatch(r"Sidecar[A-Z]\w+", span)]) > 10


@pytest.mark.parametrize("command", commands())
def test_a_command_can_be_typed(command: str) -> None:
    words = [STANDS_FOR.get(word, word) for word in shlex.split(command)[1:]]
    words += {"check": ["rules.yaml"], "explain": ["GET", "/"]}.get(words[0], []) if len(words) == 1 else []
    try:
        parser().parse_args(words)
    except SystemExit:
        pytest.fail(f"`{command}` is no command")


def test_every_option_is_one_of_a_command() -> None:
    (commands,) = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    options = {
        option for each in commands.choices.values() for action in each._actions for option in action.option_strings
    }
    named = {word for span in SPANS for word in span.split() if re.fullmatch(r"--[a-z][a-z-]+", word)}
    assert named - options == set()


def test_every_metric_is_exposed() -> None:
    named = set(re.findall(r"\b(?:sidecar|process)_\w+", PAGE))
    assert named - set(exposed()) == set()


def test_every_alert_has_its_rule() -> None:
    groups = yaml.safe_load((ROOT / "deploy/observability/alerts/sidecar.yaml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert {span for span in SPANS if re.fullmatch(r"Sidecar[A-Z]\w+", span)} - alerts == set()


def test_every_key_is_one_of_the_rules() -> None:
    dotted = {span.split(":")[0] for span in SPANS if re.match(r"[a-z_]+(\[\])?(\.[a-z_]+)+(:|$)", span)}
    dotted = {key for key in dotted if key.split(".")[0].rstrip("[]") in BLOCKS}
    assert len(dotted) > 5
    assert [key for key in dotted if not set(re.findall(r"\w+", key)) <= KEYS] == []
    written = {span.split(":")[0] for span in SPANS if re.match(r"[a-z_]+: \S", span)}
    assert written - KEYS - {"cpus"} == set()


def test_every_reason_is_one_of_an_answer() -> None:
    named = set(re.findall(r"\b50\d `(\w+)`", PAGE))
    assert named
    assert named - set(BY_CODE) == set()


def test_every_file_of_the_makefile_and_of_the_benchmarks_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for verb in re.findall(r"`make (\w+)`", PAGE):
        assert re.search(rf"^{verb}:", makefile, flags=re.MULTILINE), verb
    for module in re.findall(r"`python -m ([\w.]+)", PAGE):
        assert (ROOT / f"{module.replace('.', '/')}.py").exists(), module


def rows_of_the_drain() -> dict[str, list[float]]:
    section = PAGE.split("## Drain order")[1].split("\n## ")[0]
    found: dict[str, list[float]] = {}
    for line in section.splitlines():
        if line.startswith("| ["):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            name = re.findall(r"\]\(\.\./deploy/([\w/-]+)\)", cells[0])[0]
            found[name] = [float(number) for cell in cells[2:] for number in re.findall(r"^(\d+) s", cell)]
    return found


@pytest.mark.parametrize("where", ["kubernetes/native-sidecar", "kubernetes/standalone", "compose", "systemd"])
def test_the_chain_of_times_holds_and_is_that_of_the_files(where: str) -> None:
    told = rows_of_the_drain()[where]
    assert told == sorted(set(told)), "announce < deadline < what waits < what kills"
    folder = ROOT / "deploy" / where
    if where == "systemd":
        (stop,) = re.findall(r"^TimeoutStopSec=(\d+)", (folder / "sidecar.service").read_text(), flags=re.MULTILINE)
        assert told == [5, 25, float(stop)], "the rules are the defaults"
        return
    if where == "compose":
        rules = yaml.safe_load(next((folder / "rules").glob("*.yaml")).read_text())
        grace = parse_duration(compose_of(folder)["services"]["sidecar"]["stop_grace_period"])
    else:
        rules = yaml.safe_load((folder / "sidecar.yaml").read_text())
        pod = yaml.safe_load((folder / "deployment.yaml").read_text())["spec"]["template"]["spec"]
        grace = float(pod["terminationGracePeriodSeconds"])
    assert [told[0], told[1], told[-1]] == [*drain_of(rules), grace]


def drain_of(rules: dict[str, Any]) -> list[float]:
    drain = rules.get("drain", {})
    return [parse_duration(str(drain.get(key, default))) for key, default in (("announce", "5s"), ("deadline", "25s"))]


def compose_of(folder: Path) -> dict[str, Any]:
    read = yaml.safe_load((folder / "compose.yaml").read_text())
    assert isinstance(read, dict)
    return read
