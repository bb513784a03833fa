"""What is shipped, built and run as its users do. `make test-shipped` asks for it: it takes minutes, root, and Debian.

Nothing here is collected by `make test`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doubles import executable as executables
from tests.doubles.image import Built, built
from tests.doubles.rootfs import Rootfs
from tests.doubles.servers import require

ASKED = bool(os.environ.get("SIDECAR_SHIPPED"))
collect_ignore_glob = [] if ASKED else ["test_*.py"]

# Kept from one run to the next: it is Debian's, not ours.
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sidecar-tests"
_SUITE = "bookworm"
_ATTEMPTS = 3


@pytest.fixture(scope="session")
def base() -> Path:
    """The root file system of a bare Debian, without Python. Nobody writes into it."""
    if os.geteuid() != 0:
        pytest.fail("root file systems are made and run by root: sudo make test-shipped")
    program, folder = require("debootstrap"), _CACHE / _SUITE
    done = folder.with_suffix(".done")
    if not done.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_ATTEMPTS):  # a mirror may be out of reach for a moment
            shutil.rmtree(folder, ignore_errors=True)
            command = [program, "--variant=minbase", "--include=ca-certificates", _SUITE, str(folder)]
            made = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
            if made.returncode == 0:
                break
        assert made.returncode == 0, (made.stdout + made.stderr)[-4000:]
        done.touch()
    return folder


@pytest.fixture
def bare(base: Path) -> Rootfs:
    """That root, to run programs in."""
    return Rootfs(base)


@pytest.fixture(scope="session")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The container image, built once."""
    with built(base, tmp_path_factory.mktemp("image")) as done:
        yield done


@pytest.fixture(scope="session")
def executable() -> Path:
    """The one-file executable, built once."""
    return executables.built()
