"""Real programs that a test drives: found, or the test does not run.

On a developer's machine a missing program skips the test; in CI (environment `CI=true`) it fails, because a suite that
quietly skips what it was set up to prove is worse than a red one.
"""

import asyncio
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

# Debian keeps the programs of a PostgreSQL server in a folder of its version.
_ELSEWHERE = ("/usr/sbin", "/usr/local/sbin", "/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin")))
START_SECONDS = 30.0


def require(program: str) -> str:
    """Path of `program`. Without it: skips the calling test, or fails it when `CI=true`."""
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(_ELSEWHERE))
    if path is not None:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{program} is not installed, and CI must run this test")
    pytest.skip(f"{program} is not installed")


class Server:
    """A program that serves until its context ends. `lines` is what it has written, of both its outputs."""

    def __init__(self, command: Sequence[str], ready: str, *, user: int | None = None, folder: Path) -> None:
        self.lines: list[str] = []
        self._ready = re.compile(ready)
        self._grew = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
        # What it writes is read all the time: a full pipe would stop it.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._grew:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._grew.notify_all()
        with self._grew:
            self.lines.append("")
            self._grew.notify_all()

    def __enter__(self) -> Self:
        with self._grew:
            there = self._grew.wait_for(lambda: self._is_ready() or self.lines[-1:] == [""], START_SECONDS)
        if not there or not self._is_ready():
            self.kill()
            raise AssertionError("it does not serve:\n" + "\n".join(self.lines))
        return self

    def _is_ready(self) -> bool:
        return any(self._ready.search(line) for line in self.lines)

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def stop(self, number: int = 15) -> None:
        """Sends a signal and waits for the end; a second time it does nothing."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            self._process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        self._reader.join(START_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def kill(self) -> None:
        """Ends it as a crash does."""
        self.stop(9)


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it has written, of both its outputs."""

    code: int
    text: str


async def ended(
    *command: str, given: bytes = b"", environment: Mapping[str, str] | None = None, seconds: float = START_SECONDS
) -> Ended:
    """Runs a program to its end; `given` is its input. Raises TimeoutError when it does not end; it is killed then."""
    started = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    )
    try:
        async with asyncio.timeout(seconds):
            written, _ = await started.communicate(given)
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
    assert started.returncode is not None
    return Ended(started.returncode, written.decode(errors="replace"))


async def printed(*command: str, given: bytes = b"", environment: Mapping[str, str] | None = None) -> str:
    """What a program has written; it must succeed."""
    end = await ended(*command, given=given, environment=environment)
    assert end.code == 0, f"{command[0]} ended with {end.code}:\n{end.text}"
    return end.text
