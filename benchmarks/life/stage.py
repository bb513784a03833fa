"""Where a scenario plays: a room for its files, a backend, and Sidecar processes that end with it.

A Sidecar runs on a CPU of its own, everything else on another one, as in the other benchmarks.
"""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import configs, cpu, machine
from benchmarks.processes import Program, StartError, free_port

Say = Callable[[str], None]

_ASK_SECONDS = 30.0  # as long as ten thousand routes may take, twice


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: status, fields as they came, body."""

    status: int
    fields: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


async def ask(port: int, target: str, method: str = "GET") -> Reply:
    """One request on a connection of its own. Raises OSError or ValueError when there is no whole answer in time."""
    async with asyncio.timeout(_ASK_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\nConnection: close\r\n"
            writer.write(f"{head}\r\n".encode())
            told, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
    lines = told.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    if len(body) != int(fields.get("content-length", len(body))):
        raise ValueError("the answer is cut short")
    return Reply(int(lines[0].split(" ")[1]), fields, body)


class Sidecar(Program):
    """A Sidecar process. `port` is its only listener's."""

    __slots__ = ("admin", "port", "rules")

    def __init__(self, name: str, room: Path, rules: str, port: int, admin: int, *options: str) -> None:
        self.port = port
        self.admin = admin
        self.rules = room / f"{name}.yaml"
        self.rules.write_text(rules)
        command = [sys.executable, "-m", "sidecar", "run", "-c", str(self.rules), *options]
        super().__init__(name, command, room, cpu=machine.placement().proxy)

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self._process.send_signal(number)

    async def ended(self, seconds: float) -> int:
        """Wait for the process's end; its exit code. Raises TimeoutError."""
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"{self.name} has not ended within {seconds} s") from error

    async def status(self) -> Any:
        """What it says of itself."""
        return (await ask(self.admin, "/status")).json()

    async def post(self, target: str) -> Reply:
        """Ask its admin address for a deed."""
        return await ask(self.admin, target, "POST")

    async def until(self, holds: Callable[[Any], bool], seconds: float = 20.0) -> Any:
        """Look at its status until `holds`, and return it. Raises TimeoutError."""
        # Its status is polled: that is how an operator's tools learn of it, and what the figures are about.
        async with asyncio.timeout(seconds):
            while not holds(told := await self.status()):
                await asyncio.sleep(0.005)
        return told

    def descriptors(self) -> int:
        """How many files it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self) -> int:
        """Its resident memory in bytes, without that of others."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", text)
        return int(found[1]) * 1024 if found else 0

    def cpu_seconds(self) -> float:
        """CPU time it has used so far."""
        return cpu.cpu_seconds(self.pid)

    def log(self) -> str:
        """Everything it wrote."""
        return self._log.read_text(errors="replace")


@dataclass(frozen=True, slots=True)
class Stage:
    """One scenario's. `short` asks for a run of a few seconds that shows the scenario works."""

    room: Path
    say: Say
    short: bool

    def length(self, full: float, short: float) -> float:
        """How long, or how many: in a full run and in a short one."""
        return short if self.short else full

    @contextmanager
    def origin(self, port: int | None = None) -> Iterator[int]:
        """A backend of `benchmarks.life.origin`; its port."""
        port = port or free_port()
        with self.origin_process(port):
            yield port

    @contextmanager
    def origin_process(self, port: int) -> Iterator[Program]:
        """The same, as its process, once it answers."""
        command = [sys.executable, "-m", "benchmarks.life.origin", str(port)]
        with Program(
            f"origin-{port}-{time.monotonic_ns()}", command, self.room, cpu=machine.placement().rest
        ) as program:
            program.wait_until_answers(port)
            yield program

    @contextmanager
    def sidecar(
        self,
        body: str,
        *options: str,
        port: int | None = None,
        admin: int | None = None,
        drain: str = "",
        tls: str = "",
    ) -> Iterator[Sidecar]:
        """A Sidecar that serves. `body` are its rules from `upstreams:` on, `drain` those of its end, `tls` those of
        its listener."""
        port, admin = port or free_port(), admin or free_port()
        rules = prologue(port, admin, drain, tls) + body
        with Sidecar(f"sidecar-{port}-{time.monotonic_ns()}", self.room, rules, port, admin, *options) as started:
            started.wait_until_answers(admin, "/readyz")
            yield started


def prologue(port: int, admin: int, drain: str = "", tls: str = "") -> str:
    """The rules of every scenario up to `upstreams:`."""
    text = configs.sidecar_prologue(port, admin, 20_000).replace("level: error", "level: info")
    if tls:
        text = text.replace("\nadmin:", f"\n    tls: {tls}\nadmin:")
    return (re.sub(r"drain: .*", f"drain: {drain}", text) if drain else text) + "\n"


@contextmanager
def stages(say: Say, short: bool) -> Iterator[Callable[[], Stage]]:
    """Makes stages, each with a room of its own; all of them are gone afterwards. The caller moves to their CPU."""
    machine.raise_open_files()
    with machine.pinned(machine.placement().rest), tempfile.TemporaryDirectory(prefix="sidecar-life-") as directory:
        yield lambda: Stage(Path(tempfile.mkdtemp(dir=directory)), say, short)


__all__ = ["Reply", "Sidecar", "Stage", "StartError", "ask", "prologue", "stages"]
