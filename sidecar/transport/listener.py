"""A listener: sockets that accept, the pauses it makes, and an end that loses nobody.

Owns accepting and its end. Does not know what a connection does. The loop's own server accepts, on a copy of each
socket: while it is closed the original stays, and clients wait in the kernel's queue instead of being refused. They are
not to be accepted without a descriptor left: libuv then accepts with a spare one and closes, which resets the client.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from sidecar.transport.registry import NOTHING, Registry
from sidecar.transport.sockets import BACKLOG, SocketFile, accept_newcomers, refuse_newcomers
from sidecar.transport.tasks import Tasks

_log = logging.getLogger(__name__)

# Connections above the maximum get a 503 and are read away for up to two seconds; under a flood even that must end.
_EXTRA_RATIO = 0.1
_MIN_EXTRA = 64

# What asyncio calls backlog is also how often it accepts in one go, and, without descriptors, how often it fails and
# logs before it pauses (Python 3.11): 4096 of them cost 150 ms of every second.
ACCEPT_BATCH = 64


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


def _nothing() -> None:
    """What is called where nobody asked to be."""


def _no_room(places: int) -> bool:
    """Asked where nobody gives way."""
    return False


class Listener:
    """Accepts on `sockets` (which it then owns), making each connection by `factory(full)`.

    `full` is whether `registry` already holds `max_connections`. `on_accept` is called for each that is accepted,
    before it is made. `is_shared` is asked at its end: whether somebody else goes on accepting on these very sockets.
    `make_room` is asked for a place when all are taken; see Room.make.
    """

    # fmt: off
    __slots__ = (
        "_factory", "_files", "_is_shared", "_loop", "_make_room", "_servers", "_sockets", "_started", "_tasks",
        "_turn", "is_paused", "max_connections", "name", "on_accept", "registry",
    )
    # fmt: on

    def __init__(
        self,
        name: str,
        sockets: Sequence[socket.socket],
        factory: Callable[[bool], Accepted],
        registry: Registry,
        loop: asyncio.AbstractEventLoop,
        max_connections: int = 10000,
        on_accept: Callable[[], None] = _nothing,
        is_shared: Callable[[], bool] = bool,
        make_room: Callable[[int], bool] = _no_room,
    ) -> None:
        self.name = name
        self._sockets = list(sockets)
        self._files = [SocketFile(sock) for sock in sockets if sock.family == socket.AF_UNIX]
        self._factory = factory
        self.registry = registry
        self._loop = loop
        self.max_connections = max_connections
        self.on_accept = on_accept
        self._is_shared = is_shared
        self._make_room = make_room
        self.is_paused = False
        self._started = False
        self._servers: list[asyncio.AbstractServer] = []
        self._turn = 0  # counts up when servers are closed, those to come included
        self._tasks = Tasks(loop)

    @property
    def addresses(self) -> list[str]:
        """Where it listens, as `host:port` or `unix:/path`; with the port that the kernel chose."""
        return [_written(sock) for sock in self._sockets]

    @property
    def address(self) -> str:
        """All of them in one line."""
        return ", ".join(self.addresses)

    async def start(self) -> None:
        """Begins to accept; a pause or an end meanwhile wins."""
        self._started = True
        if self.is_paused:
            return
        self._close_servers()
        turn = self._turn
        for sock in tuple(self._sockets):
            if not self._is_shared():
                # Its originals outlive a listener: one that rules named no more has made them deaf.
                accept_newcomers(sock)
            copy = sock.dup()
            try:
                server = await self._server(copy)
            except BaseException:
                copy.close()
                raise
            if self._turn != turn:
                server.close()  # asyncio lets others run in between
                return
            sock.listen(BACKLOG)  # the loops have called it with the batch
            self._servers.append(server)

    def begin(self) -> None:
        """As `start`, from the next turn of the loop on. One that cannot yet is paused, and waits for `resume`."""
        self._tasks.start(self._begin(), f"accept at {self.name}")

    def pause(self) -> None:
        """Leaves whoever comes now in the kernel's queue; connections go on. Again: does nothing."""
        self.is_paused = True
        self._close_servers()

    def resume(self) -> None:
        """Accepts again, from the next turn of the loop on; does nothing unless it is paused."""
        if self.is_paused and self._sockets:
            self.is_paused = False
            self.begin()

    def give_way(self) -> None:
        """Has connections that carry nothing give way though there may be more: something else has run out."""
        self._make_room(self.max_connections)

    def stop_accepting(self) -> None:
        """Ends accepting for good; accepted connections live on. Whoever the kernel has already let in is accepted
        first, and a unix socket's file is removed; when the sockets are shared, both are left to the others."""
        self._close_servers()
        shared = self._is_shared()
        if not shared:
            for file in self._files:
                file.remove()
        self._files.clear()  # asked again, it may no longer know whose the sockets were
        for sock in self._sockets:
            if self._started and not shared:
                refuse_newcomers(sock)
                self._accept_queued(sock)
            sock.close()
        self._sockets.clear()

    def close_idle(self) -> None:
        """Closes idle connections now and the others after their running answer."""
        self.registry.close_idle()

    def abort(self) -> int:
        """Cuts what is left; answers how many connections that were."""
        left = len(self.registry)
        for connection in self.registry:
            connection.abort()
        return left

    async def _server(self, copy: socket.socket) -> asyncio.AbstractServer:
        make: Any = self._loop.create_server
        if copy.family == socket.AF_UNIX:
            make = self._loop.create_unix_server
            if sys.version_info >= (3, 13):
                with suppress(TypeError):  # a uvloop that does not know the word leaves the file alone as well
                    return await make(self._accepted, sock=copy, backlog=ACCEPT_BATCH, cleanup_socket=False)  # type: ignore[no-any-return,unused-ignore]
        return await make(self._accepted, sock=copy, backlog=ACCEPT_BATCH)  # type: ignore[no-any-return]

    async def _begin(self) -> None:
        if self._servers or self.is_paused:
            return  # paused and resumed again meanwhile
        try:
            await self.start()
        except OSError as fault:  # not a descriptor for the copy
            self.pause()
            _log.warning("%s cannot accept yet: %s", self.name, fault.strerror or fault)

    def _close_servers(self) -> None:
        self._turn += 1
        for server in self._servers:
            server.close()
        self._servers.clear()

    def _accept_queued(self, sock: socket.socket) -> None:
        while True:
            try:
                taken, _ = sock.accept()
            except ConnectionAbortedError:
                continue
            except BlockingIOError:
                return
            except OSError as fault:
                _log.warning("%s: clients that waited are lost: %s", self.name, fault.strerror or fault)
                return
            taken.setblocking(False)
            made = self._accepted()
            arrival = _Arrival()
            self.registry.add(arrival)  # at once, or the registry could say that it is empty
            self._tasks.start(self._hand_on(taken, made, arrival), f"the queue of {self.name}")

    async def _hand_on(self, taken: socket.socket, made: Accepted, arrival: _Arrival) -> None:
        make: Any = self._loop.connect_accepted_socket
        try:
            transport, _ = await make(lambda: made, taken)
            if arrival.is_cut:
                transport.abort()
        except OSError:
            taken.close()  # it has left
        finally:
            self.registry.discard(arrival)

    def _accepted(self) -> Accepted:
        # uvloop takes no connection off a queue where this raises, and so none ever again.
        try:
            return self._made()
        except Exception:  # noqa: BLE001 - one connection's bug ends that connection
            _log.exception("%s cannot make a connection", self.name)
            return _Unwanted()

    def _made(self) -> Accepted:
        self.on_accept()
        open_now = len(self.registry)
        if open_now < self.max_connections or self._make_room(self.max_connections):
            return self._factory(False)
        if open_now < self.max_connections + max(_MIN_EXTRA, int(self.max_connections * _EXTRA_RATIO)):
            return self._factory(True)
        return _Unwanted()


class _Arrival:
    """The place in the registry of a connection that is accepted and not made yet."""

    __slots__ = ("is_cut",)

    def __init__(self) -> None:
        self.is_cut = False

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        """The connection itself sees that the registry is leaving."""

    def leave_websocket(self) -> None:
        """Nothing."""

    def end_now(self) -> int:
        self.is_cut = True
        return 0

    def abort(self) -> None:
        self.is_cut = True

    def waits(self) -> tuple[int, float] | None:
        return None

    def give_way(self) -> bool:
        return False


class _Unwanted:
    """A connection that is cut as soon as it stands: one far too many, or one that could not be made."""

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
