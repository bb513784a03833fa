"""How an accepted connection ends without hurting what was said last.

Owns the three ways out of one transport: lingering, closing, cutting. Which one, and when, the connection decides.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from sidecar.transport.flow import BY_ANY, ReadGate, WriteWatch

LINGER_SECONDS = 2.0
MAX_DISCARDED_BYTES = 262144

_RST_ON_CLOSE = struct.pack("ii", 1, 0)


def end_half(transport: asyncio.Transport) -> None:
    """Sends FIN. On asyncio's own loop that raises when the peer's RST is here and not yet told; then nothing is left
    to end."""
    with suppress(OSError):
        transport.write_eof()


def cut_off(transport: asyncio.Transport) -> None:
    """Closes at once, with RST where there is one."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family != socket.AF_UNIX:
        with suppress(OSError):  # closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()


class Departure:
    """Made once for each connection. `discarded` counts what was read and thrown away since it was set to 0."""

    __slots__ = ("_gate", "_watch", "discarded", "transport")

    transport: asyncio.Transport

    def __init__(self, gate: ReadGate, watch: WriteWatch) -> None:
        self._gate = gate
        self._watch = watch
        self.discarded = 0

    def attach(self, transport: asyncio.Transport) -> None:
        """The connection stands; also for the gate and the watch."""
        self.transport = transport
        self._gate.transport = transport
        self._watch.transport = transport

    def linger(self) -> None:
        """Ends our half only, and lets the rest of the client's be read away.

        To close with unread bytes in the kernel sends RST, which takes the answer out of the client's hands (RFC 9112
        section 9.6).
        """
        self._gate.start(BY_ANY)
        if self.transport.can_write_eof():
            end_half(self.transport)

    def discard(self, size: int) -> bool:
        """Counts `size` more bytes thrown away. Whether it is too much."""
        self.discarded += size
        return self.discarded > MAX_DISCARDED_BYTES

    def close(self) -> None:
        """Closes once everything is sent; the watch sees to a client that does not take it."""
        self.transport.close()
        self._watch.watch()

    def cut(self) -> None:
        """Closes at once, with RST: a FIN would end an answer without a length as if it were complete."""
        cut_off(self.transport)
