"""A terminal of 80 by 24 and a command that runs at it: what it draws is kept, keys can be typed, modes looked at.

Waiting is for text on the screen, bounded in time.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from tests.doubles.process import PROGRAM, ROOT, START_SECONDS

_CONTROL = re.compile(r"\x1b[\[(][0-9;?]*[A-Za-z]|\x1b[=>]|\r")
ENTERED, LEFT = "\x1b[?1049h", "\x1b[?1049l"  # the alternate screen


class Terminal:
    """The terminal's own end: `drawn` is everything that was sent to it."""

    def __init__(self) -> None:
        self._own, self.theirs = pty.openpty()
        self.resize(80, 24)
        self.drawn = ""
        self.process: asyncio.subprocess.Process | None = None
        self._grew = asyncio.Event()
        os.set_blocking(self._own, False)
        asyncio.get_running_loop().add_reader(self._own, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError, OSError):
            self.drawn += os.read(self._own, 65536).decode(errors="replace")
            self._grew.set()

    @property
    def frame(self) -> str:
        """The text of the last frame, without what moves the cursor and what colours."""
        return _CONTROL.sub("", self.drawn.rpartition("\x1b[H")[2])

    async def shows(self, pattern: str) -> re.Match[str]:
        """Waits for a frame with such text."""
        return await self._until(lambda: re.search(pattern, self.frame))

    async def draws(self, pattern: str) -> re.Match[str]:
        """Waits for such text, colours and all, among everything that was sent."""
        return await self._until(lambda: re.search(pattern, self.drawn))

    async def _until(self, look: Callable[[], re.Match[str] | None]) -> re.Match[str]:
        async with asyncio.timeout(START_SECONDS):
            while (found := look()) is None:
                self._grew.clear()
                await self._grew.wait()
        return found

    def type(self, keys: str) -> None:
        """Types these keys."""
        os.write(self._own, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        """Another size; the kernel tells the process of the foreground."""
        fcntl.ioctl(self._own, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def modes(self) -> list[object]:
        """How the terminal is set."""
        return list(termios.tcgetattr(self.theirs))

    async def ended(self) -> int:
        """Waits for the command's end; its exit code."""
        assert self.process is not None
        async with asyncio.timeout(START_SECONDS):
            code = await self.process.wait()
        self._read()
        return code

    def close(self) -> None:
        """Gives both ends back."""
        asyncio.get_running_loop().remove_reader(self._own)
        os.close(self._own)
        os.close(self.theirs)


@asynccontextmanager
async def terminal(
    *arguments: str, environment: Mapping[str, str] | None = None, program: Sequence[str] = PROGRAM
) -> AsyncIterator[Terminal]:
    """`sidecar` with these arguments, at a terminal that is its controlling one; `program` is what is started."""
    screen = Terminal()
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("SIDECAR_", "COLUMNS", "LINES"))}
    clean.pop("NO_COLOR", None)
    try:
        screen.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            # A session of its own, whose terminal this is: only then a change of size is a signal.
            "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])",
            *program,
            *arguments,
            cwd=ROOT,
            env={**clean, "TERM": "xterm-256color", **(environment or {})},
            stdin=screen.theirs,
            stdout=screen.theirs,
            stderr=screen.theirs,
            start_new_session=True,
        )
        yield screen
    finally:
        if screen.process is not None and screen.process.returncode is None:
            with suppress(ProcessLookupError):
                screen.process.send_signal(signal.SIGKILL)
            await screen.process.wait()
        screen.close()
