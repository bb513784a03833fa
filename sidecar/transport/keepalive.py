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


def keep_alive(transport: asyncio.Transport) -> None:
    """Has the kernel ask the peer of a TCP connection; does nothing for others."""
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family == socket.AF_UNIX:
        return
    with suppress(OSError):  # closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in OPTIONS.items():
            option = getattr(socket, name, None)  # not everywhere has all of them
            if option is not None:
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
