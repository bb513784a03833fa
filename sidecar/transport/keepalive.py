"""TCP keep-alive: whether somebody is still there who has said nothing for a while.

Owns when the kernel asks. Only for connections that may be silent for hours: of others a timeout says the same sooner.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from sidecar.transport.direct import COMPILED

# A peer that is gone without a word is known to be after two minutes. The kernel's own first question comes after two
# hours, when the firewalls in between have long forgotten the connection.
OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
# Not everywhere has all of them. The one that every socket takes comes last: where TCP's fail, nothing is set.
_ORDERS = [
    (socket.IPPROTO_TCP, getattr(socket, name), struct.pack("i", value))
    for name, value in OPTIONS.items()
    if hasattr(socket, name)
]
_ORDERS.append((socket.SOL_SOCKET, socket.SO_KEEPALIVE, struct.pack("i", 1)))


def keep_alive(transport: asyncio.Transport) -> None:
    """Has the kernel ask the peer of a TCP connection; does nothing for others, or when it is closed already."""
    known = transport.get_extra_info("socket")
    number = -1 if known is None else known.fileno()
    if number < 0:
        return
    if COMPILED:
        # A socket object for each connection would cost more than what it is to set.
        for level, option, packed in _ORDERS:
            pointer = packed
            # `_setsockopt` is C's, from the .pxd; see direct.send_now.
            if _setsockopt(number, level, option, pointer, len(packed)) < 0:  # type: ignore[name-defined] # noqa: F821
                return
        return
    with suppress(OSError):  # closed already
        # uvloop's own makes a socket anew for each option. Of which family it is does not matter to these.
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, number)
        try:
            for level, option, packed in _ORDERS:
                sock.setsockopt(level, option, packed)
        finally:
            sock.detach()
