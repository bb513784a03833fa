"""A listener: sockets that accept, and the connections they brought.

Owns accepting and its end. Does not know what a connection does. The loop's own server accepts: both loops survive a
process without descriptors (asyncio pauses for a second, libuv accepts with a spare one and closes).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Protocol

from sidecar.transport.registry import Registry
from sidecar.transport.sockets import BACKLOG

# Connections above the maximum get a 503 and are read away for up to two seconds; under a flood even that must end.
_EXTRA_RATIO = 0.1
_MIN_EXTRA = 64

# What asyncio calls backlog is also how often it accepts in one go, and, without descriptors, how often it fails and
# logs before it pauses (Python 3.11): 4096 of them cost 150 ms of every second.
_ACCEPT_BATCH = 64


class Accepted(Protocol):
    """A duck-typed asyncio protocol; see asyncio.Protocol."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The connection stands."""

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""

    def eof_received(self) -> bool:
        """No more will come; True keeps our half open."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""

    def pause_writing(self) -> None:
        """The buffer is full."""

    def resume_writing(self) -> None:
        """It is not any more."""


class Listener:
    """Accepts on `sockets` (which it then owns), making each connection by `factory(full)`.

    `full` is whether `registry` already holds `max_connections`.
    """

    __slots__ = ("_factory", "_loop", "_servers", "_sockets", "max_connections", "name", "registry")

    def __init__(
        self,
        name: str,
        sockets: Sequence[socket.socket],
        factory: Callable[[bool], Accepted],
        registry: Registry,
        loop: asyncio.AbstractEventLoop,
        max_connections: int = 10000,
    ) -> None:
        self.name = name
        self._sockets = list(sockets)
        self._factory = factory
        self.registry = registry
        self._loop = loop
        self.max_connections = max_connections
        self._servers: list[asyncio.AbstractServer] = []

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `host:port` or `unix:/path`; with the port that the kernel chose."""
        return [_written(sock) for sock in self._sockets]

    @property
    def address(self) -> str:
        """All of them in one line."""
        return ", ".join(self.addresses)

    async def start(self) -> None:
        """Begins to accept."""
        for sock in self._sockets:
            if sock.family == socket.AF_UNIX:
                server = await self._loop.create_unix_server(self._accepted, sock=sock, backlog=_ACCEPT_BATCH)  # type: ignore[arg-type]
            else:
                server = await self._loop.create_server(self._accepted, sock=sock, backlog=_ACCEPT_BATCH)  # type: ignore[arg-type]
            self._servers.append(server)
            sock.listen(BACKLOG)  # the loops have called it with the batch

    def stop_accepting(self) -> None:
        """Closes the sockets; accepted connections live on. A unix socket's file stays until the next bind."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        for sock in self._sockets:
            sock.close()

    def close_idle(self) -> None:
        """Closes idle connections now and the others after their running answer."""
        for connection in self.registry:
            connection.close_when_idle()

    def abort(self) -> int:
        """Cuts what is left; answers how many connections that were."""
        left = len(self.registry)
        for connection in self.registry:
            connection.abort()
        return left

    def _accepted(self) -> Accepted:
        open_now = len(self.registry)
        if open_now < self.max_connections:
            return self._factory(False)
        if open_now < self.max_connections + max(_MIN_EXTRA, int(self.max_connections * _EXTRA_RATIO)):
            return self._factory(True)
        return _Unwanted()


class _Unwanted:
    """A connection that is cut as soon as it stands."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.Transport) -> None:
        transport.abort()

    def data_received(self, data: bytes) -> None:
        """Nothing."""

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing."""

    def pause_writing(self) -> None:
        """Nothing."""

    def resume_writing(self) -> None:
        """Nothing."""


def _written(sock: socket.socket) -> str:
    where = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{where}"
    return f"[{where[0]}]:{where[1]}" if sock.family == socket.AF_INET6 else f"{where[0]}:{where[1]}"
