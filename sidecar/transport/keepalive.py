"""TCP keep-alive: whether somebody is still there who has said nothing for a while.

Owns when the kernel asks. Only for connections that may be silent for hours: of others a timeout says the same sooner.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

# A peer that is gone without a word is known to be after two minutes. The kernel's own first question comes after two
# hours, when the firewalls in between have long forgotten the connection.
OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 4}
# Not everywhere has all of them.
_NUMBERED = [(getattr(socket, name), value) for name, value in OPTIONS.items() if hasattr(socket, name)]


def keep_alive(transport: asyncio.Transport) -> None:
    """Has the kernel ask the peer of a TCP connection; does nothing for others."""
    known = transport.get_extra_info("socket")
    if known is None or known.family == socket.AF_UNIX or known.fileno() < 0:
        return
    with suppress(OSError):  # closed already
        # uvloop's own makes a socket anew for each option.
        sock = socket.socket(known.family, socket.SOCK_STREAM, 0, known.fileno())
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in _NUMBERED:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
        finally:
            sock.detach()
