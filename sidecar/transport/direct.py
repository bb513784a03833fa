"""One `send` on a socket, without the way through the transport: a microsecond of the twenty that an exchange costs.

Only where compiled: interpreted, the transport is the faster way. Whoever calls it answers for the descriptor being
open and its own: a closed number may already be somebody else's connection. That holds until `connection_lost`, which
both event loops call before they close the socket (uvloop: basetransport.pyx, `_call_connection_lost`; asyncio:
selector_events.py, the same name).
"""

from __future__ import annotations

import asyncio
import socket

# Known from the file's name as in wire/runs.py.
COMPILED = not __file__.endswith(".py")

NO_DESCRIPTOR = -1

# No signal when the peer is gone, no waiting when the buffer is full.
_FLAGS = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT if hasattr(socket, "MSG_NOSIGNAL") else socket.MSG_DONTWAIT


def descriptor(transport: asyncio.Transport) -> int:
    """The transport's socket for `send_now`; NO_DESCRIPTOR where bytes have to go through it, as with TLS."""
    if not COMPILED or transport.get_extra_info("sslcontext") is not None:
        return NO_DESCRIPTOR
    sock = transport.get_extra_info("socket")
    return NO_DESCRIPTOR if sock is None else int(sock.fileno())


def send_now(number: int, data: bytes) -> int:
    """How many bytes the kernel took; negative when it took none, whatever the reason: the transport will find it."""
    pointer = data
    # `_send` is C's, from the .pxd: neither the linter nor mypy knows it, and interpreted nobody calls this.
    return _send(number, pointer, len(data), _FLAGS)  # type: ignore[name-defined, no-any-return]  # noqa: F821
