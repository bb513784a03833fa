"""The one-file executable as `make binary` makes it, and what of it is on a machine while it runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.doubles.kernel import children
from tests.doubles.process import ROOT

_BUILD_SECONDS = 900.0


def built() -> Path:
    """Makes it; what is fresh already is not made again."""
    made = subprocess.run(
        ["make", "--no-print-directory", "binary"],
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    assert made.returncode == 0, made.stdout[-4000:]
    return ROOT / "dist" / "sidecar"


class Launched:
    """A process that is the launcher: what it has unpacked and started. `folder` is the TMPDIR that it was given."""

    def __init__(self, pid: int, folder: Path) -> None:
        self.pid = pid
        self.unpacked = folder

    @property
    def program(self) -> int:
        """The process that serves."""
        (found,) = children(self.pid)
        return found

    @property
    def folders(self) -> list[str]:
        """The folders that are there now, of anybody."""
        return sorted(os.listdir(self.unpacked))

    def environment(self) -> dict[str, str]:
        """Of the process that serves."""
        words = Path(f"/proc/{self.program}/environ").read_bytes().decode().rstrip("\0").split("\0")
        return dict(word.partition("=")[::2] for word in words)
