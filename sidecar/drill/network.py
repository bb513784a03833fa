"""A network in memory: who listens where, and pairs of transports that behave as those over TCP do.

Owns delivery, pressure, the two ends of a connection and the two ways it can go. What is written now is read in the
next turn of the loop; nothing is ever lost or overtaken. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import socket
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any

# A host and port, or the path of a unix socket.
Place = tuple[str, int] | str

# What lies between the two ends and in neither's memory: the buffers of the kernel.
_IN_BETWEEN = 1 << 16
_READ = 1 << 18
_HIGH = 1 << 16
# Whoever sends a SYN and hears nothing sends it again after a good second, then after twice as long.
_AGAIN = 1.05
_SOURCE = "127.0.0.1"
_FIRST_PORT = 32768


class Post:
    """Where somebody listens; as asyncio's Server."""

    def __init__(self, network: Network, place: Place, factory: Callable[[], Any]) -> None:
        self._network = network
        self._place = place
        self.factory = factory

    def close(self) -> None:
        """Refuse from now on; accepted connections live on."""
        if self._network.posts.get(self._place) is self:
            del self._network.posts[self._place]


class Network:
    """All that can be reached. Places in `unreachable` answer nothing, not even a refusal; `refused` counts those."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ports = itertools.count(_FIRST_PORT)
        self.posts: dict[Place, Post] = {}
        self.unreachable: set[Place] = set()
        self.refused: Counter[Place] = Counter()

    def listen(self, place: Place, factory: Callable[[], Any]) -> Post:
        """Connections to this place are accepted from now on."""
        post = self.posts[place] = Post(self, place, factory)
        return post

    async def connect(
        self, factory: Callable[[], Any], place: Place, source: tuple[str, int] | None = None
    ) -> tuple[asyncio.Transport, Any]:
        """A connection to this place, from this source.

        :raises ConnectionRefusedError: nobody listens there."""
        again = _AGAIN
        await asyncio.sleep(0)
        while place in self.unreachable:
            await asyncio.sleep(again)
            again *= 2
        post = self.posts.get(place)
        if post is None:
            self.refused[place] += 1
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        here: Place = "" if isinstance(place, str) else ((source or (_SOURCE, 0))[0], next(self._ports))
        ours, theirs = End(self._loop, here, place), End(self._loop, place, here)
        ours.peer, theirs.peer = theirs, ours
        protocol = factory()
        ours.begin(protocol)
        theirs.begin(post.factory())
        await asyncio.sleep(0)
        return ours, protocol


class Socket:
    """A listening socket of this network, as far as anybody asks one; in the family of TCP whatever its place."""

    family = socket.AF_INET

    def __init__(self, place: Place) -> None:
        self._place = place

    def getsockname(self) -> Place:
        """Where it listens."""
        return self._place

    def dup(self) -> Socket:
        """The same once more."""
        return self

    def accept(self) -> Any:
        """Nobody waits to be accepted, ever."""
        raise BlockingIOError

    def listen(self, backlog: int) -> None:
        """Nothing: the loop does."""

    def setsockopt(self, *_option: object) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing: it is the server that listens."""


class _Connected:
    """The socket of one end, which has no number that anybody could write to."""

    family = socket.AF_INET

    def __init__(self, end: End) -> None:
        self._end = end

    def fileno(self) -> int:
        return -1

    def setsockopt(self, level: int, option: int, value: object) -> None:
        if (level, option) == (socket.SOL_SOCKET, socket.SO_LINGER) and value == struct.pack("ii", 1, 0):
            self._end.resets = True


class End(asyncio.Transport):
    """One end of a connection; a transport as asyncio has them. `resets`: its close is a RST."""

    peer: End

    def __init__(self, loop: asyncio.AbstractEventLoop, here: Place, there: Place) -> None:
        super().__init__({"sockname": here, "peername": there, "socket": _Connected(self)})
        self._loop = loop
        self._protocol: Any = None
        self._inbox = bytearray()
        self._due = False  # a delivery
        self._paused = False
        self._begun = False
        self._high, self._low = _HIGH, _HIGH // 4
        self._full = False
        self._ended = False  # our half
        self._end_told = False  # that of the peer, to the protocol
        self._closing = False
        self._lost = False
        self._broken = False  # the peer has sent RST
        self.resets = False

    def begin(self, protocol: Any) -> None:
        """The connection stands, as the protocol hears in the next turn."""
        self._protocol = protocol
        self._loop.call_soon(self._made)

    # What a protocol asks of its transport.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See asyncio."""
        if self._closing or self._lost or self._ended or not data:
            return
        if self.peer._lost:
            self._break()  # the answer to what is sent to one who is gone
            return
        self.peer._inbox += data
        self.peer._wake()
        if not self._full and self.get_write_buffer_size() > self._high:
            self._full = True
            self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """See asyncio: what the peer has not read, but for what lies in between."""
        return max(0, len(self.peer._inbox) - _IN_BETWEEN)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See asyncio."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See asyncio."""
        self._high = high if high is not None else 4 * low if low is not None else _HIGH
        self._low = self._high // 4 if low is None else low

    def can_write_eof(self) -> bool:
        """See asyncio."""
        return True

    def write_eof(self) -> None:
        """See asyncio."""
        if not self._ended:
            self._ended = True
            self.peer._wake()

    def pause_reading(self) -> None:
        """See asyncio."""
        self._paused = True

    def resume_reading(self) -> None:
        """See asyncio."""
        self._paused = False
        self._wake()

    def is_reading(self) -> bool:
        """See asyncio."""
        return not self._paused and not self._closing

    def set_protocol(self, protocol: Any) -> None:
        """See asyncio."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """See asyncio."""
        return self._protocol

    def is_closing(self) -> bool:
        """See asyncio."""
        return self._closing

    def close(self) -> None:
        """See asyncio: what was written is sent first."""
        if not self._closing:
            self._closing = True
            if not self.get_write_buffer_size():
                self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        """See asyncio: what has not left this end is dropped."""
        if not self._lost:
            self._closing = True
            del self.peer._inbox[_IN_BETWEEN:]
            self._loop.call_soon(self._lose, None)

    # What happens to it.

    def _made(self) -> None:
        self._begun = True
        self._protocol.connection_made(self)
        self._wake()

    def _wake(self) -> None:
        if self._due or self._lost:
            return
        if self._inbox or self._broken or ((self.peer._ended or self.peer._lost) and not self._end_told):
            self._due = True
            self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        self._due = False
        if self._paused or self._closing or not self._begun:
            return
        if self._inbox:
            data = bytes(self._inbox[:_READ])
            del self._inbox[:_READ]
            self.peer._taken()
            try:
                self._protocol.data_received(data)
            finally:
                self._wake()
        elif self._broken:
            self._break()
        elif (self.peer._ended or self.peer._lost) and not self._end_told:
            self._end_told = True
            if not self._protocol.eof_received():
                self.close()

    def _taken(self) -> None:
        left = self.get_write_buffer_size()
        if self._closing and not left and not self._lost:
            self._loop.call_soon(self._lose, None)
        elif self._full and left <= self._low:
            self._full = False
            self._loop.call_soon(self._resume)

    def _resume(self) -> None:
        if not self._full and not self._lost:
            self._protocol.resume_writing()

    def _break(self) -> None:
        self._closing = True
        self._loop.call_soon(self._lose, ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)))

    def _lose(self, fault: OSError | None) -> None:
        if self._lost:
            return
        self._lost = True
        peer = self.peer
        # Closed with something unread, the kernel answers with RST (RFC 2525 section 2.17).
        if fault is None and (self.resets or self._inbox):
            peer._broken = True
        self._inbox.clear()
        peer._taken()
        peer._wake()
        self._protocol.connection_lost(fault)
