"""The container image, built by `make image` with buildah on a Debian that is at hand, without any registry of images.

Owns the storage that it is built in, which podman then finds too, and what pip needs where packages come from elsewhere
than from the public index: its settings on this machine, and the files that they name.
"""

from __future__ import annotations

import ast
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.doubles.servers import require

ROOT = Path(__file__).resolve().parents[2]
NAME = "localhost/sidecar:test"
BASE = "localhost/debian:test"
_MOST_SECONDS = 1500.0
_INSIDE = "/mnt/pip"


@dataclass(frozen=True)
class Built:
    """The image: its name, as podman knows it, and a copy of its root file system."""

    name: str
    root: Path

    def inspected(self) -> dict[str, Any]:
        """Its configuration, as container runtimes read it."""
        told = json.loads(_run("buildah", "inspect", "--type", "image", self.name))
        assert isinstance(told, dict)
        configuration: dict[str, Any] = told["Docker"]["config"]
        return configuration


@contextmanager
def built(base: Path, folder: Path) -> Iterator[Built]:
    """The image on that Debian; all that it took is removed with the context."""
    require("buildah")
    with pytest.MonkeyPatch.context() as environment:
        storage = folder / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/graph"\nrunroot = "{folder}/run"\n')
        environment.setenv("CONTAINERS_STORAGE_CONF", str(storage))
        environment.setenv("STORAGE_DRIVER", "vfs")
        environment.setenv("BUILDAH_ISOLATION", "chroot")  # in a container there may be no other
        try:
            _import(base, folder / "base.tar")
            arguments = ["--build-arg", f"BASE_IMAGE={BASE}", *_pip(folder)]
            _run("make", "image", f"IMAGE={NAME}", "BUILDER=buildah", f"IMAGE_ARGS={shlex.join(arguments)}")
            yield Built(NAME, _unpacked(folder / "root"))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=_MOST_SECONDS, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{shlex.join(command)}:\n{(done.stdout + done.stderr)[-8000:]}"
    return done.stdout.strip()


def _import(base: Path, archive: Path) -> None:
    """That folder as an image to build on."""
    _run("tar", "--create", "--file", str(archive), "--directory", str(base), "--exclude=./dev", ".")
    container = _run("buildah", "from", "scratch")
    _run("buildah", "add", "--quiet", container, str(archive), "/")
    archive.unlink()
    _run("buildah", "commit", "--quiet", "--rm", container, BASE)


def _unpacked(folder: Path) -> Path:
    container = _run("buildah", "from", "--pull-never", NAME)
    _run("cp", "--archive", _run("buildah", "mount", container), str(folder))
    _run("buildah", "rm", container)
    return folder


def _pip(folder: Path) -> list[str]:
    """What a build is given so that pip works in it as it does here."""
    listed = _run(sys.executable, "-m", "pip", "config", "list")
    settings = {key.rpartition(".")[2]: ast.literal_eval(value) for key, _, value in map(_halves, listed.splitlines())}
    volumes: list[str] = []
    lines = ["[global]"]
    for key, value in settings.items():
        words = [_moved(word, volumes) for word in str(value).split()]
        lines += [f"{key} =", *(f"  {word}" for word in words)] if len(words) > 1 else [f"{key} = {words[0]}"]
    written = folder / "pip.conf"
    written.write_text("\n".join(lines) + "\n")
    return ["--secret", f"id=pip.conf,src={written}", *volumes]


def _halves(line: str) -> tuple[str, str, str]:
    return line.partition("=")


def _moved(word: str, volumes: list[str]) -> str:
    """A path of this machine as the build will see it."""
    start = "file://" if word.startswith("file://") else ""
    path = Path(word.removeprefix(start))
    there = next((one for one in (path, *path.parents) if one.exists()), None)
    if not path.is_absolute() or there is None or there == Path("/"):
        return word
    if start:  # a page of an index leads to files beside it
        there = path.parent
    inside = f"{_INSIDE}/{len(volumes) // 2}"
    volumes += ["--volume", f"{os.path.realpath(there)}:{inside}:ro"]
    return f"{start}{inside}/{path.relative_to(there)}".removesuffix("/.")
