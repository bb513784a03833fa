"""The image is built from what is there, runs a command that exists, and not as root."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sidecar import __version__
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


def test_only_the_first_stage_has_a_compiler_and_the_image_starts_from_nothing() -> None:
    assert [rest for name, rest in instructions() if name == "FROM"] == ["${BASE_IMAGE} AS build", "scratch"]
    _, first, last_stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")
    assert "gcc" in first
    assert "RUN" not in last_stage
    assert last("ARG") == "VERSION"
    assert next(rest for name, rest in instructions() if name == "ARG") == "BASE_IMAGE=debian:bookworm-slim"


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
    assert f"/rootfs{arguments.config}" == target


def test_its_health_check_asks_for_liveness_with_a_command_that_the_command_line_knows() -> None:
    program, *words = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    arguments = cli.parser().parse_args(words)
    assert (program, arguments.command) == ("sidecar", "probe")


def test_what_assembles_it_can_be_run_by_the_builder() -> None:
    for name in ("root.sh", "build.sh"):
        script = ROOT / "deploy" / "image" / name
        assert script.stat().st_mode & 0o111 == 0o111
        assert script.read_text().startswith("#!/bin/sh\n")
        subprocess.run(["sh", "-n", script], check=True)


@pytest.mark.parametrize(("chosen", "named"), [("", "docker, podman or buildah"), ("podman", "podman")])
def test_make_image_leaves_a_choice_of_builder_and_names_what_is_missing(
    chosen: str, named: str, tmp_path: Path
) -> None:
    for name in ("sh", "dirname"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    done = subprocess.run(
        [ROOT / "deploy" / "image" / "build.sh", "sidecar:test"],
        env={"PATH": str(tmp_path), "BUILDER": chosen},
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (1, f"{named} is needed to build an image, and none runs here\n")


@pytest.mark.parametrize(("builder", "format_of"), [("docker", []), ("podman", ["--format", "docker"])])
def test_make_image_says_the_version_and_keeps_the_health_check(
    builder: str, format_of: list[str], tmp_path: Path
) -> None:
    told = tmp_path / "told"
    (tmp_path / builder).write_text(
        f'#!/bin/sh\necho "$DOCKER_BUILDKIT" "$@" >>{told}\nexit $(test "$1" != create; echo $?)\n'
    )
    (tmp_path / builder).chmod(0o755)
    subprocess.run(
        [ROOT / "deploy" / "image" / "build.sh", "sidecar:test", "--platform", "linux/arm64"],
        env={**os.environ, "BUILDER": builder, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SOURCE_DATE_EPOCH": "7"},
        check=False,
        capture_output=True,
    )
    wanted = ["1", "build", "--tag", "sidecar:test", *format_of, "--build-arg", f"VERSION={__version__}"]
    wanted += ["--build-arg", "SOURCE_DATE_EPOCH=7", "--platform", "linux/arm64", "."]
    calls = told.read_text().splitlines()
    assert calls[-2:] == [" ".join(wanted), "1 create sidecar:test"]


def test_make_image_takes_the_next_builder_where_docker_has_no_engine(tmp_path: Path) -> None:
    told = tmp_path / "told"
    for name, does in (("docker", "exit 1"), ("podman", f'echo "$1" >>{told}; test "$1" != create')):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    subprocess.run(
        [ROOT / "deploy" / "image" / "build.sh", "sidecar:test"],
        env={**os.environ, "BUILDER": "", "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=False,
        capture_output=True,
    )
    assert told.read_text().split() == ["build", "create"]
