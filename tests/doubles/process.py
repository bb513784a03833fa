"""The proxy as people start it: `python -m sidecar run …`, a process of its own, on ports that the kernel chose.

Where it listens is read from what it says at its start. Every line it writes is kept. Leaving the context kills it if
it still runs; everything is bounded in time.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Answer, Peer

ROOT = Path(__file__).resolve().parents[2]
_SERVING = re.compile(r"serving on \w+://([^:]+):(\d+).*admin on http://([^:]+):(\d+)")
PROGRAM = (sys.executable, "-m", "sidecar")
# Interpreted, on a busy machine, the imports alone take seconds.
START_SECONDS = 30.0
_LIMITED = (
    "import os, resource, sys; most = int(sys.argv[1]); resource.setrlimit(resource.RLIMIT_NOFILE, (most, most)); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class ProxyProcess:
    """A proxy that serves, or is about to. `lines` is what it wrote to standard error, `out` to standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.pid = process.pid
        self.host = self.admin_host = "127.0.0.1"
        self.port = 0
        self.admin_port = 0
        self.lines: list[str] = []
        self.out: list[str] = []
        self._is_mute = False  # an empty line may be one of a traceback
        self._grew = asyncio.Condition()
        self._readers = [
            asyncio.get_running_loop().create_task(self._read(process.stderr, self.lines)),
            asyncio.get_running_loop().create_task(self._read(process.stdout, self.out)),
        ]

    async def _read(self, stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        while line := await stream.readline():
            async with self._grew:
                lines.append(line.decode(errors="replace").rstrip("\n"))
                self._grew.notify_all()
        async with self._grew:
            lines.append("")
            self._is_mute = self._is_mute or lines is self.lines
            self._grew.notify_all()

    async def said(self, pattern: str, seconds: float = LIMIT_SECONDS) -> re.Match[str]:
        """Waits for a line of standard error that matches."""
        async with asyncio.timeout(seconds), self._grew:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                if self._is_mute:
                    raise AssertionError("it ended and said only:\n" + "\n".join(self.lines))
                await self._grew.wait()

    async def serving(self) -> None:
        """Waits until it serves, and learns where."""
        found = await self.said(_SERVING.pattern, START_SECONDS)
        self.host, self.admin_host = found[1], found[3]
        self.port, self.admin_port = int(found[2]), int(found[4])

    @asynccontextmanager
    async def peer(self, receive_buffer: int | None = None) -> AsyncIterator[Peer]:
        """A raw client connected to its listener."""
        async with await Peer.connect(self.port, receive_buffer, self.host) as peer:
            yield peer

    async def admin(self, method: str, target: str) -> Answer:
        """Asks its admin address."""
        async with await Peer.connect(self.admin_port, None, self.admin_host) as peer:
            where = f"{self.admin_host}:{self.admin_port}"
            return await peer.ask(f"{method} {target} HTTP/1.1\r\nHost: {where}\r\nConnection: close\r\n\r\n".encode())

    async def status(self) -> dict[str, Any]:
        """What it says of itself."""
        told: dict[str, Any] = json.loads((await self.admin("GET", "/status")).body)
        return told

    async def until(self, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Asks for its status until it is so."""
        async with asyncio.timeout(START_SECONDS):
            while not holds(told := await self.status()):
                pass
        return told

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Waits for its end; the exit code."""
        async with asyncio.timeout(START_SECONDS):  # it may have to start first
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code

    def memory_bytes(self) -> int:
        """Its resident memory now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")


@asynccontextmanager
async def process(
    *urls: str,
    sets: Sequence[str] = (),
    rules: Path | None = None,
    wait: bool = True,
    descriptors: int | None = None,
    workers: int = 1,
    listen: str | None = "127.0.0.1:0",
    admin: str | None = "127.0.0.1:0",
    takeover: bool = False,
    through: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    folder: Path = ROOT,
    program: Sequence[str] = PROGRAM,
) -> AsyncIterator[ProxyProcess]:
    """A proxy process in front of these endpoints, or under this rules file; `wait`: until it serves. `descriptors` is
    its hard limit of them. All processes that it starts are one group with it, and end with the context. `through` is a
    command that runs the one that follows. `folder` is where it is started, and what relative paths are relative to;
    `program` is the `sidecar` that is started."""
    arguments = ["run", *(["--takeover"] if takeover else [])]
    arguments += ["--listen", listen] if listen is not None else []
    arguments += ["--admin", admin] if admin is not None else []
    arguments += [word for url in urls for word in ("--upstream", url)]
    arguments += [word for one in sets for word in ("--set", one)]
    arguments += ["-c", str(rules)] if rules is not None else []
    arguments += ["--workers", str(workers)] if workers > 1 else []
    clean = {key: value for key, value in os.environ.items() if not key.startswith("SIDECAR_")}
    if folder != ROOT:
        clean["PYTHONPATH"] = str(ROOT)
    started = ProxyProcess(
        await asyncio.create_subprocess_exec(
            *([] if descriptors is None else [sys.executable, "-c", _LIMITED, str(descriptors)]),
            *through,
            *program,
            *arguments,
            cwd=folder,
            env={**clean, **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    )
    try:
        if wait:
            await started.serving()
        yield started
    finally:
        with suppress(ProcessLookupError):  # who outlived it, a worker or a successor, would hold the pipes
            os.killpg(started.pid, signal.SIGKILL)
        await started.ended()
