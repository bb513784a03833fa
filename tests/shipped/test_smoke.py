""".ci/smoke, by which the workflow proves what it has built, on what is built here. Skips where podman cannot run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.doubles.containers import Containers, containers
from tests.doubles.image import BASE, Built

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def podman(image: Built, tmp_path_factory: pytest.TempPathFactory) -> Containers:
    return containers(image.name, tmp_path_factory.mktemp("smoke"))


def smoke(podman: Containers, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **podman.environment, "ENGINE": "podman"}
    return subprocess.run(
        [ROOT / ".ci" / "smoke", *words], capture_output=True, text=True, timeout=300, check=False, env=environment
    )


def test_the_image_serves_is_ready_and_drains(podman: Containers, image: Built) -> None:
    done = smoke(podman, "image", image.name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("image: served, was ready, drained\n")


def test_the_executable_serves_is_ready_and_drains_on_a_debian_without_python(
    podman: Containers, executable: Path
) -> None:
    done = smoke(podman, "binary", str(executable), BASE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("binary: served, was ready, drained\n")


def test_an_image_that_does_not_serve_is_found_out(podman: Containers) -> None:
    done = smoke(podman, "image", BASE)
    assert done.returncode != 0
    assert "drained" not in done.stdout
    assert podman.told("ps", "--all", "--quiet", "--filter", "name=sidecar-smoke") == ""
