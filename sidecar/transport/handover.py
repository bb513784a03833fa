"""A running instance hands its listening sockets to its successor, and leaves once that one accepts.

Owns the conversation between the two, and its deadlines. It goes through Linux's abstract namespace: no file that could
go stale, and the kernel says who is at the other end. A queue belongs to the socket, not to a process, so connections
that come while both have it are accepted by one of both, and none is lost when either goes.

    successor                         predecessor
    connects                          refuses other users, and a second successor
                                      {sidecar, pid, sockets}, then the sockets with [role, lent] of each
    binds the rest, accepts
    {ready, pid}                      lets go of the name, is told (`on_taken`: drains)
                                      {leaving}

A conversation that ends before `ready` changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Any

from sidecar import __version__
from sidecar.model.address import Address
from sidecar.transport.activation import service_pid
from sidecar.transport.inlets import Inlet
from sidecar.transport.packets import MAX_SOCKETS, EndedError, close, peer, receive, send
from sidecar.transport.sockets import SocketFile, accept_newcomers
from sidecar.transport.tasks import Tasks

_log = logging.getLogger("sidecar.handover")

_SEND_SECONDS = 10.0
_READY_SECONDS = 60.0
_ANSWER_SECONDS = 10.0
_ACCEPT_PAUSE_SECONDS = 1.0

_NAME_BYTES = 107


class HandoverError(Exception):
    """A predecessor is there, but its sockets cannot be had. The message is a sentence for the operator."""


def handover_name(admin: Address, uid: int) -> str:
    """The abstract name under which the instance of user `uid` with this admin address is found."""
    name = f"\0sidecar/{uid}/{admin}"
    if len(name.encode()) > _NAME_BYTES:
        return f"\0sidecar/{uid}/{hashlib.sha256(str(admin).encode()).hexdigest()}"
    return name


def may_take(user: int, own: int) -> bool:
    """Whether `user` may share sockets with `own`. Abstract names have no permissions of their own."""
    return user in (0, own)


class Handover:
    """Waits under `name` for a successor and hands it `inlets()`; `on_taken` is told when that one accepts.

    Then the predecessor stops accepting without closing the shared queues, and `taken_by` is the successor's process.
    """

    __slots__ = (
        "_inlets",
        "_listening",
        "_loop",
        "_name",
        "_on_taken",
        "_ready_within",
        "_taking",
        "_tasks",
        "taken_by",
    )

    def __init__(
        self,
        name: str,
        inlets: Callable[[], Sequence[Inlet]],
        on_taken: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        ready_within: float = _READY_SECONDS,
    ) -> None:
        self._name = name
        self._inlets = inlets
        self._on_taken = on_taken
        self._loop = loop
        self._ready_within = ready_within
        self._tasks = Tasks(loop)
        self._listening: socket.socket | None = None
        self._taking: int | None = None
        self.taken_by: int | None = None

    def start(self) -> bool:
        """Wait for successors from now on; whether the name could be had. Without it everything else works."""
        if sys.platform != "linux":
            return False
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            sock.setblocking(False)
            sock.bind(self._name)
            sock.listen()
        except OSError as fault:
            sock.close()
            _log.warning("no successor can take over: %s: %s", self._name[1:], fault.strerror)
            return False
        self._listening = sock
        self._loop.add_reader(sock.fileno(), self._accept, sock)
        return True

    def move(self, name: str) -> None:
        """Successors look for us under this name from now on; one that is at it goes on. Where it cannot be had, the
        name stays."""
        if self.taken_by is not None or (name == self._name and self._listening is not None):
            return
        before, was = self._listening, self._name
        self._name = name
        if not self.start():
            self._name = was
        elif before is not None:
            self._loop.remove_reader(before.fileno())
            before.close()

    async def close(self) -> None:
        """Let go of the name, and of a successor that is not ready yet: it will find nobody here."""
        self._release()
        await self._tasks.close()

    def _release(self) -> None:
        if self._listening is not None:
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except BlockingIOError:
            return
        except OSError:  # out of descriptors: it would be readable again at once
            self._loop.remove_reader(listening.fileno())
            self._loop.call_later(_ACCEPT_PAUSE_SECONDS, self._resume)
            return
        connection.setblocking(False)
        self._tasks.start(self._hand(connection), "hand over")

    def _resume(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening.fileno(), self._accept, self._listening)

    async def _hand(self, connection: socket.socket) -> None:
        with connection:
            pid, uid = peer(connection)
            try:
                if refusal := self._refusal(uid):
                    await send(connection, {"refused": refusal})
                    return
                self._taking = pid
                inlets = self._inlets()
                files = [SocketFile(inlet.sock) for inlet in inlets if inlet.sock.family == socket.AF_UNIX]
                try:
                    pid = await self._until_ready(connection, inlets) or pid
                except BaseException:
                    for file in files:  # its rules may want others to connect than ours do
                        file.restore()
                    raise
                finally:
                    self._taking = None
                self._release()  # first: the successor may bind it as soon as it reads our answer
                self.taken_by = pid
                self._on_taken()
                await send(connection, {"leaving": True})
            except (OSError, EndedError, ValueError) as fault:  # TimeoutError is an OSError
                if self.taken_by is None:
                    _log.warning("process %d did not take over: %s; serving on", pid, _why(fault))

    def _refusal(self, uid: int) -> str:
        if not may_take(uid, os.geteuid()):
            return "only the user who runs it, or root, may take over"
        if self._taking is not None:
            return f"process {self._taking} is taking over already"
        return f"process {self.taken_by} has taken over" if self.taken_by is not None else ""

    async def _until_ready(self, connection: socket.socket, inlets: Sequence[Inlet]) -> int:
        """The process that follows, as its service manager knows it."""
        async with asyncio.timeout(_SEND_SECONDS):
            await send(connection, {"sidecar": __version__, "pid": service_pid(), "sockets": len(inlets)})
            for first in range(0, len(inlets), MAX_SOCKETS):
                some = inlets[first : first + MAX_SOCKETS]
                marks = [[inlet.role, inlet.lent] for inlet in some]
                await send(connection, {"inlets": marks}, [inlet.sock for inlet in some])
        async with asyncio.timeout(self._ready_within):
            message, surplus = await receive(connection)
        close(surplus)
        if not message.get("ready"):
            raise ValueError("it said neither that it is ready nor that it gave up")
        return int(message.get("pid", 0))


class Legacy:
    """What a predecessor left: its listening sockets, and the word that it may go."""

    __slots__ = ("_connection", "_name", "inlets", "pid", "version")

    def __init__(self, inlets: tuple[Inlet, ...], pid: int, version: str, connection: socket.socket, name: str) -> None:
        self.inlets = inlets
        self.pid = pid
        self.version = version
        self._connection = connection
        self._name = name

    async def ready(self) -> None:
        """Tell the predecessor that we accept, and wait until it leaves. One that died meanwhile has left, too.

        :raises HandoverError: it goes on as if nothing had been, so we must not.
        """
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await send(self._connection, {"ready": True, "pid": service_pid()})
                message, surplus = await receive(self._connection)
            close(surplus)
            if not message.get("leaving"):
                raise ValueError("it did not say that it leaves")
        except (OSError, EndedError, ValueError) as fault:
            if not await _is_deserted(self._name):
                raise HandoverError(f"the running sidecar (process {self.pid}) goes on: {_why(fault)}") from fault
        finally:
            self.close()
        for inlet in self.inlets:
            if not inlet.lent:
                accept_newcomers(inlet.sock)  # told to end meanwhile, it has made them deaf

    def close(self) -> None:
        """End the conversation; without `ready` before, the predecessor goes on. The sockets stay open."""
        self._connection.close()


async def take_over(name: str, timeout: float = _SEND_SECONDS) -> Legacy | None:  # noqa: ASYNC109 - a limit of ours
    """The sockets of the instance under `name`, or None where there is none.

    :raises HandoverError: it refuses, is another user's, or does not answer within `timeout` seconds.
    """
    connection = _connected(name)
    if connection is None:
        return None
    taken: list[Inlet] = []
    try:
        pid, uid = peer(connection)
        if not may_take(uid, os.geteuid()):
            raise HandoverError(f"process {pid} of user {uid} holds the name {name[1:]}; its sockets are not ours")
        async with asyncio.timeout(timeout):
            head = await _take_all(connection, taken)
        return Legacy(tuple(taken), int(head["pid"]), str(head["sidecar"]), connection, name)
    except BaseException as fault:
        connection.close()
        close(inlet.sock for inlet in taken)
        if isinstance(fault, OSError | EndedError | ValueError | KeyError | TypeError):
            raise HandoverError(f"the running sidecar did not hand over its sockets: {_why(fault)}") from fault
        raise


async def _take_all(connection: socket.socket, taken: list[Inlet]) -> dict[str, Any]:
    head, surplus = await receive(connection)
    close(surplus)
    if "refused" in head:
        raise HandoverError(f"the running sidecar refuses: {head['refused']}")
    while len(taken) < head["sockets"]:
        message, sockets = await receive(connection)
        marks = message.get("inlets", ())
        if len(marks) != len(sockets) or not sockets:
            close(sockets)
            raise ValueError("sockets were lost on the way; is the limit of open files reached?")
        taken += [Inlet(str(role), sock, bool(lent)) for (role, lent), sock in zip(marks, sockets, strict=True)]
    return head


def _connected(name: str) -> socket.socket | None:
    if sys.platform != "linux":
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    connection.setblocking(False)
    try:
        connection.connect(name)  # done at once, or not at all
    except ConnectionRefusedError:
        connection.close()
        return None
    except OSError as fault:
        connection.close()
        raise HandoverError(f"the running sidecar cannot be reached: {fault.strerror}") from fault
    return connection


async def _is_deserted(name: str) -> bool:
    """Whether nobody hands over under this name. One that is just dying still lets us connect, but says nothing."""
    try:
        legacy = await take_over(name, _ANSWER_SECONDS)
    except HandoverError as fault:
        return isinstance(fault.__cause__, EndedError | ConnectionResetError)
    if legacy is None:
        return True
    legacy.close()
    close(inlet.sock for inlet in legacy.inlets)
    return False


def _why(fault: BaseException) -> str:
    if isinstance(fault, TimeoutError):
        return "it took too long"
    if isinstance(fault, EndedError | ConnectionError):
        return "it ended the conversation"
    return str(fault)
