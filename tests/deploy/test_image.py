"""The image is built from what is there, runs a command that exists, and not as root."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from sidecar.cli import parser as cli

ROOT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """Every instruction with its arguments, continued lines joined."""
    text = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def last(name: str) -> str:
    return [rest for key, rest in instructions() if key == name][-1].strip()


def test_every_file_it_copies_exists() -> None:
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            for source in sources:
                assert (ROOT / source).exists(), f"{source} is copied and does not exist"


def test_everything_it_copies_reaches_the_builder() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name, rest in instructions():
        if name == "COPY" and "--from" not in rest:
            *sources, _ = rest.split()
            assert {source.split("/")[0] for source in sources} <= allowed


def test_it_has_two_stages_and_only_the_first_has_a_compiler() -> None:
    stages = [rest for name, rest in instructions() if name == "FROM"]
    assert len(stages) == 2
    text = (ROOT / "Dockerfile").read_text()
    assert "gcc" in text.split("FROM ")[1]
    assert "gcc" not in text.split("FROM ")[2]
    assert re.search(r"^ARG PYTHON=3\.\d+-slim-bookworm$", text, flags=re.MULTILINE)


def test_it_runs_without_root_and_drains_on_stop() -> None:
    assert last("USER") == "65532:65532"
    assert last("STOPSIGNAL") == "SIGTERM"


def test_it_exposes_the_default_ports() -> None:
    assert last("EXPOSE").split() == ["8080", "9901"]


def test_its_command_is_one_that_the_command_line_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SIDECAR_CONFIG", raising=False)
    assert json.loads(last("ENTRYPOINT")) == ["sidecar"]
    arguments = cli.parser().parse_args(json.loads(last("CMD")))
    assert arguments.command == "run"
    target = next(rest.split()[-1] for name, rest in instructions() if name == "COPY" and "sidecar.yaml" in rest)
    assert arguments.config == target


def test_its_health_check_asks_for_liveness() -> None:
    command = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    ast.parse(command[2])
    assert "/livez" in command[2]
    assert "127.0.0.1:9901" in command[2]
