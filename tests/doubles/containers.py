"""Containers that podman runs for a test, and compose projects of them.

Where podman cannot run containers at all, as inside of many a container, the test skips and says what podman said.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.servers import Ended, ended

_SECONDS = 120.0
_PROBE = "sidecar-probe"
# What podman needs where it may not write to every cgroup nor raise a limit: inside of a container, say.
_CONFINED = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Containers:
    """Podman, set up so that it can run containers. `environment` is what it and what calls it need for that."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def ran(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Runs `podman …` to its end."""
        return subprocess.run(
            ["podman", *words],
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env={**os.environ, **self.environment},
        )

    def told(self, *words: str) -> str:
        """What `podman …` has written to standard output; it must succeed."""
        done = self.ran(*words)
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout.strip()

    def why_not(self, image: str) -> str:
        """What podman says when a container of this image on a network of its own cannot be run; empty where it can."""
        self.ran("network", "rm", "-f", _PROBE)
        done = self.ran("network", "create", _PROBE)
        if done.returncode == 0:
            done = self.ran("run", "--rm", "--network", _PROBE, "-p", "127.0.0.1::8080", image, "--version")
            self.ran("network", "rm", "-f", _PROBE)
        return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["it says nothing"])[-1]


def containers(image: str, folder: Path) -> Containers:
    """Podman that can run this image, or the test skips. `folder` keeps its configuration."""
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    confined = folder / "containers.conf"
    confined.write_text(_CONFINED)
    for environment in ({}, {"CONTAINERS_CONF": str(confined)}):
        found = Containers(environment)
        why = found.why_not(image)
        if not why:
            return found
    pytest.skip(f"podman cannot run containers here: {why}")


class Project:
    """A compose project whose containers run."""

    def __init__(self, podman: Containers, file: Path, name: str, environment: Mapping[str, str]) -> None:
        self.podman = podman
        self.folder = file.parent
        self.environment = {**podman.environment, **environment}
        self._command = [sys.executable, "-m", "podman_compose", "-p", name, "-f", str(file)]
        self._name = name

    def compose(self, *words: str) -> None:
        """Runs `podman-compose …` to its end; it must succeed."""
        environment = {**os.environ, **self.environment}
        done = subprocess.run(
            [*self._command, *words], check=False, capture_output=True, text=True, timeout=_SECONDS, env=environment
        )
        assert done.returncode == 0, done.stdout + done.stderr

    async def composed(self, *words: str) -> Ended:
        """The same, while the loop goes on."""
        return await ended(*self._command, *words, environment=self.environment, seconds=_SECONDS)

    def names(self, service: str) -> list[str]:
        """The containers of a service, running or not."""
        labels = (f"io.podman.compose.project={self._name}", f"com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", f"label={label}")]
        return sorted(self.podman.told("ps", "--all", *filters, "--format", "{{.Names}}").split())

    def inspected(self, service: str) -> dict[str, Any]:
        """What podman tells of a service's only container."""
        (name,) = self.names(service)
        (found,) = json.loads(self.podman.told("inspect", name))
        assert isinstance(found, dict)
        return found

    def until(self, service: str, *command: str) -> None:
        """Runs a command in a service's only container until it succeeds."""
        (name,) = self.names(service)
        until = time.monotonic() + _SECONDS
        while (done := self.podman.ran("exec", name, *command)).returncode:
            assert time.monotonic() < until, done.stderr + self.podman.ran("logs", name).stderr


@contextmanager
def project(podman: Containers, file: Path, environment: Mapping[str, str]) -> Iterator[Project]:
    """A compose project from `up` to `down`, under a name of its own."""
    running = Project(podman, file, f"sidecar-test-{os.getpid()}", environment)
    try:
        running.compose("up", "-d")
        yield running
    finally:
        running.compose("down", "--volumes", "--timeout", "0")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
