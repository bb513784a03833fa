"""Starting a server, waiting until it answers, and ending it whatever happens.

Each program leads its own process group, so that a Ctrl-C at the terminal reaches only us and we end the rest in order,
by id: SIGTERM to the leader, then SIGKILL to the group that we created. Output goes to a file in the program's own
directory; its tail is quoted when the program does not come up.
"""

import contextlib
import os
import random
import select
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks import machine
from benchmarks.cpu import group

_START_LIMIT_SECONDS = 20.0
_STOP_LIMIT_SECONDS = 5.0


class StartError(Exception):
    """A program ended, or did not answer in time; the message holds the tail of its output."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on at the moment, and that no outgoing connection will be given.

    The kernel hands out ports of its own choice from the range that outgoing connections use as well. There, asking a
    server that is not up yet can connect to itself, which takes the very port the server wants.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(200):
        candidate = random.randrange(max(2000, lowest - 12_000), lowest) if lowest > 4000 else 0
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", candidate))
            return int(probe.getsockname()[1])
    raise StartError("no free port found")


def ask(port: int, path: str = "/small", *, timeout: float = 2.0, tls: ssl.SSLContext | None = None) -> int | None:
    """GET `path` once over a new connection: the status, or None when nobody answered."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
    try:
        with ExitStack() as opened:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=timeout))
            if tls is not None:
                connection = opened.enter_context(tls.wrap_socket(connection, server_hostname="127.0.0.1"))
            connection.sendall(request)
            head = b""
            while b"\r\n" not in head:
                received = connection.recv(65536)
                if not received:
                    return None
                head += received
    except OSError:
        return None
    parts = head.split(None, 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


class Program:
    """One running server. Use as a context manager: leaving it ends the whole process group."""

    __slots__ = ("_log", "_process", "_started", "name")

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        directory: Path,
        *,
        cpu: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as output:
            self._started = time.monotonic()
            with machine.pinned(cpu):
                self._process = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=machine.ROOT,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )

    @property
    def pid(self) -> int:
        """Process id of the group's leader."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the leader is still alive."""
        return self._process.poll() is None

    def wait_until_answers(self, port: int, path: str = "/small", tls: ssl.SSLContext | None = None) -> float:
        """Seconds from start to the first 200 on `path`. Raises StartError when it ends first or takes too long."""
        limit = self._started + _START_LIMIT_SECONDS
        while time.monotonic() < limit:
            if ask(port, path, tls=tls) == 200:
                return time.monotonic() - self._started
            if not self.running:
                raise StartError(f"{self.name} ended with status {self._process.returncode}:\n{self.tail()}")
            # Nothing tells another process that a foreign server listens; one millisecond is the resolution we quote.
            time.sleep(0.001)
        raise StartError(f"{self.name} did not answer within {_START_LIMIT_SECONDS:.0f} s:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of what the program printed."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def stop(self) -> None:
        """End the program: politely, then its group for good, and wait until all of it is gone. Safe to call twice."""
        if self.running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_LIMIT_SECONDS)
        left: list[int] = []
        for member in group(self.pid):
            with contextlib.suppress(ProcessLookupError):
                left.append(os.pidfd_open(member))
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(_STOP_LIMIT_SECONDS)
        # The kernel kills in its own time; until then a process holds its port and its memory.
        for ending in left:
            select.select([ending], (), (), _STOP_LIMIT_SECONDS)
            os.close(ending)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
