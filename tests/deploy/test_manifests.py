"""What deploy/ tells others to run is what the command line and the rules accept."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sidecar.cli import parser as cli
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.rules.schema import RuleSet

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd" / "sidecar.service"
SOCKET = UNIT.with_suffix(".socket")


def accepted(command: list[str]) -> Any:
    """What the command line makes of it; a command it does not know fails the test."""
    try:
        return cli.parser().parse_args([str(word) for word in command])
    except SystemExit:
        pytest.fail(f"the command line refuses {command}")


def duration(text: object) -> int:
    found = re.fullmatch(r"(\d+)s?", str(text))
    assert found, text
    return int(found[1])


def rules_of(text: str) -> RuleSet:
    return load_text(text, "sidecar.yaml", Given()).rules


def mounted_rules() -> RuleSet:
    return rules_of((DEPLOY / "kubernetes" / "native-sidecar" / "sidecar.yaml").read_text())


def unit(path: Path = UNIT) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(path)
    return parser


def test_the_systemd_unit_runs_commands_that_exist() -> None:
    service = unit()["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program.endswith("/sidecar")
    assert accepted(words).command == "run"
    assert "ExecStartPre" not in service  # what it ends with is not what RestartPreventExitStatus looks at
    assert "ProcSubset" not in service  # the metrics of the process are read from outside of its own folder too
    assert service["Type"] == "notify"
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert service["KillSignal"] == "SIGTERM"
    assert duration(service["TimeoutStopSec"]) > mounted_rules().drain.deadline
    assert service["SuccessExitStatus"] == "4"
    assert service["RestartPreventExitStatus"].split() == ["1", "2"]


def test_the_systemd_socket_is_what_a_listener_of_every_interface_asks_for() -> None:
    asked = re.findall(r"^ListenStream=(.*)$", SOCKET.read_text(), flags=re.MULTILINE)
    assert asked == ["0.0.0.0:8080", "[::]:8080"]
    assert unit(SOCKET)["Socket"]["BindIPv6Only"] == "ipv6-only"
    assert unit(SOCKET)["Socket"]["Accept"] == "no"


def test_the_systemd_units_pass_systemds_own_check(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    # Commands that exist here, so that only the units are judged.
    text = re.sub(r"^(Exec\w+=)/opt/sidecar/bin/sidecar", r"\1/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    copies = [tmp_path / "sidecar.service", tmp_path / "sidecar.socket"]
    copies[0].write_text(text)
    copies[1].write_text(SOCKET.read_text())
    done = subprocess.run([analyze, "verify", *copies], capture_output=True, text=True, check=False, timeout=60)
    assert "sidecar." not in done.stderr, done.stderr
