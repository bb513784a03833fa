"""What systemd is to a service: it holds the listening sockets, passes them on, and is told how the service is."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.doubles.backend import LIMIT_SECONDS

# Puts the descriptors it is told of where they belong, says whose they are, and becomes the command that follows.
_PASSING = (
    "import fcntl, os, sys; names = sys.argv[1]; fds = [int(one) for one in sys.argv[2].split(',')]; "
    "fds = [fcntl.fcntl(one, fcntl.F_DUPFD, 100) for one in fds]; "
    "[os.dup2(one, 3 + place) for place, one in enumerate(fds)]; [os.close(one) for one in fds]; "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=names); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)


class ServiceManager:
    """An async context. `told` is every message about its state, as it came, `lines` are those for people, and `beats`
    counts the life signs; `sockets` it holds by their names."""

    def __init__(self, directory: Path, sockets: Mapping[str, socket.socket] | None = None) -> None:
        self.told: list[str] = []
        self.lines: list[str] = []
        self.beats = 0
        self._sockets = sockets or {}
        self._path = directory / "notify"
        self._grew = asyncio.Event()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    @property
    def environment(self) -> Mapping[str, str]:
        """What the service finds in its environment."""
        return {"NOTIFY_SOCKET": str(self._path)}

    @property
    def through(self) -> Sequence[str]:
        """The command that passes the sockets on to the one that follows."""
        return (sys.executable, "-c", _PASSING, ":".join(self._sockets), ",".join(map(str, self.pass_fds)))

    @property
    def pass_fds(self) -> Sequence[int]:
        """The descriptors of the sockets."""
        return [one.fileno() for one in self._sockets.values()]

    async def __aenter__(self) -> Self:
        self._socket.setblocking(False)
        self._socket.bind(os.fspath(self._path))
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._read)
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()

    def _read(self) -> None:
        message = self._socket.recv(4096).decode()
        self.lines += [line.removeprefix("STATUS=") for line in message.split("\n") if line.startswith("STATUS=")]
        if message == "WATCHDOG=1":
            self.beats += 1
        elif not message.startswith("STATUS="):
            self.told.append(message)
        elif "\n" in message:
            self.told.append(message.partition("\n")[2])
        self._grew.set()

    async def until(self, holds: Callable[[], object]) -> None:
        """Waits until it holds, looking again at each message."""
        async with asyncio.timeout(LIMIT_SECONDS * 3):
            while not holds():
                self._grew.clear()
                await self._grew.wait()

    async def hears(self, *messages: str) -> None:
        """Waits until it has been told so many things, which must begin like this."""
        await self.until(lambda: len(self.told) >= len(messages))  # a process may have to start first
        assert len(self.told) == len(messages), self.told
        assert all(map(str.startswith, self.told, messages)), self.told
