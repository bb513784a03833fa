"""A successor is started the way its predecessor was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidecar.app.successor import successor_command, successor_environment

RUN = ["run", "-c", "rules.yaml"]


@pytest.mark.parametrize(
    ("orig_argv", "executable", "command"),
    [
        (["python", "-m", "sidecar", *RUN], "/venv/bin/python", ["/venv/bin/python", "-m", "sidecar", *RUN]),
        (["python", "-X", "dev", "-m", "sidecar", *RUN], "/p", ["/p", "-X", "dev", "-m", "sidecar", *RUN]),
        (["/p", "/venv/bin/sidecar", *RUN], "/p", ["/p", "/venv/bin/sidecar", *RUN]),
        (["./sidecar", *RUN], "/opt/sidecar", ["/opt/sidecar", *RUN]),
        (["/opt/sidecar", *RUN], "", ["/opt/sidecar", *RUN]),
    ],
    ids=["module", "options of the interpreter", "script", "frozen", "nameless"],
)
def test_the_command_line_is_kept_and_the_flag_added(orig_argv: list[str], executable: str, command: list[str]) -> None:
    assert successor_command(orig_argv, executable) == [*command, "--takeover"]


def test_the_successor_of_a_successor_has_the_flag_once() -> None:
    first = successor_command(["/p", "-m", "sidecar", *RUN], "/p")
    assert successor_command(first, "/p") == first


def test_a_process_can_start_itself_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("import json, sys; print(json.dumps([sys.orig_argv, sys.executable]))")
    said = subprocess.run([sys.executable, str(program), "run"], check=True, capture_output=True, timeout=60).stdout
    command = successor_command(*json.loads(said))
    again = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    assert json.loads(again)[0][1:] == [str(program), "run", "--takeover"]


def test_a_frozen_successor_unpacks_its_own_files() -> None:
    assert successor_environment({"A": "b"}, frozen=True) == {"A": "b", "PYINSTALLER_RESET_ENVIRONMENT": "1"}
    assert successor_environment(os.environ, frozen=False) == dict(os.environ)


def test_a_frozen_successor_looks_for_no_library_where_its_predecessor_had_them() -> None:
    unpacked = {"LD_LIBRARY_PATH": "/tmp/_MEI0000a1b2Xy3_9z"}
    assert "LD_LIBRARY_PATH" not in successor_environment(unpacked, frozen=True)
    before = {"LD_LIBRARY_PATH": "/tmp/_MEI0000a1b2Xy3_9z:/opt/lib", "LD_LIBRARY_PATH_ORIG": "/opt/lib"}
    environment = successor_environment(before, frozen=True)
    assert environment == {"LD_LIBRARY_PATH": "/opt/lib", "PYINSTALLER_RESET_ENVIRONMENT": "1"}
