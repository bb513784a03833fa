"""A write to a socket, without the way through the transport.

`send_now` saves a microsecond of the twenty that an exchange costs; only where compiled: interpreted, the transport is
the faster way. `write_now` saves a copy of what is large. Whoever calls it answers for the descriptor being
open and its own: a closed number may already be somebody else's connection. That holds until `connection_lost`, which
both event loops call before they close the socket (uvloop: basetransport.pyx, `_call_connection_lost`; asyncio:
selector_events.py, the same name).
"""

from __future__ import annotations

import asyncio
import os
import socket

# Known from the file's name as in wire/runs.py.
COMPILED = not __file__.endswith(".py")

NO_DESCRIPTOR = -1

# No signal when the peer is gone, no waiting when the buffer is full.
_FLAGS = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT if hasattr(socket, "MSG_NOSIGNAL") else socket.MSG_DONTWAIT


def descriptor(transport: asyncio.Transport) -> int:
    """The transport's socket for `send_now`; NO_DESCRIPTOR where bytes have to go through it."""
    return plain_socket(transport) if COMPILED else NO_DESCRIPTOR


def plain_socket(transport: asyncio.Transport) -> int:
    """The transport's socket; NO_DESCRIPTOR where its bytes are others than those of the connection, as with TLS."""
    if transport.get_extra_info("sslcontext") is not None or transport.get_extra_info("ssl_object") is not None:
        return NO_DESCRIPTOR
    sock = transport.get_extra_info("socket")
    return NO_DESCRIPTOR if sock is None else int(sock.fileno())


def send_now(number: int, data: bytes) -> int:
    """How many bytes the kernel took; negative when it took none, whatever the reason: the transport will find it."""
    pointer = data
    # `_send` is C's, from the .pxd: neither the linter nor mypy knows it, and interpreted nobody calls this.
    return _send(number, pointer, len(data), _FLAGS)  # type: ignore[name-defined, no-any-return]  # noqa: F821


def write_now(number: int, data: bytes | memoryview) -> int:
    """How many bytes the kernel took; 0 whenever it took none: the transport will find out why."""
    try:
        return os.write(number, data)
    except OSError:
        return 0
