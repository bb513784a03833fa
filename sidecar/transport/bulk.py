"""Reading much at a time, into one buffer that all connections of a thread share.

Owns that buffer, how much of it a connection may fill, and whose turn it is. May not know where the bytes go: whoever
is handed a view of the buffer has it for the length of the call.

What a loop's own read of 256 KB costs most is memory: fresh pages each time, that the kernel maps, clears and takes
back. One warm buffer that is read into and written from saves that. To splice through a pipe instead was measured: the
proxy spends a third less, and who reads from it, handed single pages, more than that; and pipes run out
(docs/benchmarks.md).
"""

from __future__ import annotations

import asyncio
import threading
from typing import Protocol

from sidecar.transport.direct import NO_DESCRIPTOR, plain_socket
from sidecar.transport.flow import BY_RECEIVER, BY_TURN, ReadGate

# One read of so much says that more is to come.
MUCH = 65536
# What was read and is not taken has to be kept: a connection begins small, and reads more while its reader keeps up.
_LEAST = 131072
_MOST = 524288


class Bulky(Protocol):
    """A connection that can be read in bulk: what a transport calls, and `bulk_received`."""

    def bulk_received(self, view: memoryview) -> None:
        """As `data_received`, but the view is the reader's again when the call returns."""

    def eof_received(self) -> bool | None:
        """See asyncio.Protocol."""

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""


class _Room(threading.local):
    """A thread's buffer. It runs one loop, and that reads for one connection at a time."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(_MOST))


_room = _Room()


class BulkReader(asyncio.BufferedProtocol):
    """Stands between a transport and its connection, and reads for it. All but the bytes goes on as it comes."""

    __slots__ = ("_connection", "_gate", "_loop", "_size", "_transport")

    def __init__(
        self, connection: Bulky, transport: asyncio.Transport, gate: ReadGate, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._gate = gate
        self._loop = loop
        self._size = _LEAST

    def begin(self) -> None:
        """Takes over the reading, which the gate has stopped: a loop takes a new kind of protocol only then."""
        if not self._transport.is_closing():
            self._transport.set_protocol(self)
        self._gate.start(BY_TURN)

    # The transport's calls, see asyncio.BufferedProtocol.

    def get_buffer(self, sizehint: int) -> memoryview:
        return _room.view[: self._size]

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.bulk_received(_room.view[:nbytes])
        if nbytes == self._size:
            # uvloop would read on, 32 times: the others' turn comes first, and the word of a reader that is full.
            self._gate.stop(BY_TURN)
            self._loop.call_soon(self._read_on)

    def eof_received(self) -> bool | None:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self._connection.resume_writing()

    def _read_on(self) -> None:
        if self._gate.stops & BY_RECEIVER:
            self._size = max(_LEAST, self._size // 2)
        else:
            self._size = min(_MOST, self._size * 2)
        self._gate.start(BY_TURN)


def read_in_bulk(
    connection: Bulky, transport: asyncio.Transport, gate: ReadGate, loop: asyncio.AbstractEventLoop
) -> None:
    """From the next turn on, `connection` is read in bulk; where its bytes do not come as a socket has them, as under
    TLS, it stays as it is."""
    if plain_socket(transport) != NO_DESCRIPTOR:
        gate.stop(BY_TURN)
        loop.call_soon(BulkReader(connection, transport, gate, loop).begin)
