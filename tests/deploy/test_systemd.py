"""The units of deploy/systemd are what systemd, the command line and docs/systemd.md say. Run for real they are in
tests/shipped."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from sidecar.cli import parser as cli
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from tests.doubles.servers import require

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "deploy" / "systemd"
PAGE = (ROOT / "docs" / "systemd.md").read_text()
SERVICES = ("sidecar.service", "sidecar@.service")
RULES = "version: 1\nupstreams: {app: {endpoints: ['http://127.0.0.1:1']}}\nroutes: [{name: all, upstream: app}]\n"


def settings(name: str) -> list[tuple[str, str]]:
    """What a unit sets, in its order."""
    return re.findall(r"^(\w+)=(.*)$", (UNITS / name).read_text(), flags=re.MULTILINE)


def copies(folder: Path) -> list[Path]:
    """The units, with a program that is there, so that only they are judged."""
    made = []
    for path in sorted(UNITS.iterdir()):
        made.append(folder / path.name)
        made[-1].write_text(path.read_text().replace("/opt/sidecar/bin/sidecar", "/bin/true"))
    return made


@pytest.mark.parametrize("name", SERVICES)
def test_a_unit_runs_a_command_that_exists_and_lets_it_drain(name: str) -> None:
    service = dict(settings(name))
    program, *words = shlex.split(service["ExecStart"])
    assert program == "/opt/sidecar/bin/sidecar"
    asked = cli.parser().parse_args(words)
    assert (asked.command, asked.takeover) == ("run", False)
    drain = load_text(RULES, "sidecar.yaml", Given()).rules.drain
    assert float(service["TimeoutStopSec"]) > drain.deadline
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (service["SuccessExitStatus"], service["RestartPreventExitStatus"]) == ("4", "1 2")
    assert "ExecStartPre" not in service  # what it ends with is not what RestartPreventExitStatus looks at
    assert "ProcSubset" not in service  # the metrics of the process are read from outside of its own folder too


def test_the_unit_of_an_instance_is_the_unit_but_for_names() -> None:
    one, many = (settings(name) for name in SERVICES)
    differing = {key: (here, there) for (key, here), (_, there) in zip(one, many, strict=True) if here != there}
    assert [key for key, _ in one] == [key for key, _ in many]
    assert differing == {
        "Description": ("Sidecar reverse proxy", "Sidecar reverse proxy (%i)"),
        "EnvironmentFile": ("-/etc/sidecar/sidecar.env", "-/etc/sidecar/%i.env"),
        "ExecStart": (
            "/opt/sidecar/bin/sidecar run -c /etc/sidecar/sidecar.yaml",
            "/opt/sidecar/bin/sidecar run -c /etc/sidecar/%i.yaml",
        ),
        "RuntimeDirectory": ("sidecar", "sidecar-%i"),
    }


def test_the_socket_is_what_a_listener_of_every_interface_asks_for() -> None:
    asked = settings("sidecar.socket")
    assert [value for key, value in asked if key == "ListenStream"] == ["0.0.0.0:8080", "[::]:8080"]
    assert dict(asked)["BindIPv6Only"] == "ipv6-only"
    assert dict(asked)["Accept"] == "no"
    assert "ReusePort" not in dict(asked)


def test_the_units_pass_systemds_own_check(tmp_path: Path) -> None:
    command = [require("systemd-analyze"), "verify", *map(str, copies(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "sidecar" not in done.stderr, done.stderr


def test_they_are_as_closed_as_the_page_says(tmp_path: Path) -> None:
    said = re.search(r"systemd-analyze security sidecar` says (\d\.\d)", PAGE)
    assert said
    for unit in copies(tmp_path):
        if unit.suffix == ".service":
            command = [require("systemd-analyze"), "security", "--offline=yes", "--no-pager", str(unit)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
            found = re.search(r"exposure level for \S+: (\d\.\d)", done.stdout)
            assert found, done.stdout + done.stderr
            # Newer versions of systemd look at more, by a tenth each.
            assert float(found[1]) <= float(said[1]) + 0.5, done.stdout


def test_the_page_explains_what_the_units_leave_open_and_switch_on() -> None:
    for word in (
        "WatchdogSec=30",
        "OOMPolicy=continue",
        "DynamicUser=",
        "PrivateUsers=",
        "ProcSubset=",
        "ExecStartPre=",
    ):
        assert word in PAGE


def test_credentials_are_named_in_rules_as_the_page_does(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (tmp_path / "token").write_text("s3cret\n")
    written = block.replace("/run/credentials/sidecar.service", str(tmp_path))
    assert yaml.safe_load(written)["admin"]["token"] == f"${{file:{tmp_path}/token}}"
    given = Given(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    loaded = load_text(RULES + written, "sidecar.yaml", given)
    assert loaded.rules.listeners[0].tls
    assert str(tmp_path / "tls.key") in repr(loaded.rules.listeners[0].tls)
