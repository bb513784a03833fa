"""Addresses of this machine that stay free until a process of the test takes them: nobody else binds their host."""

from __future__ import annotations

import os
import socket
from itertools import count

_NUMBERS = count()


def lonely_address() -> str:
    """A `host:port` on a loopback host of its own. Connections to elsewhere are never made from there, so the port
    cannot be lost to one of them, as a port of 127.0.0.1 can."""
    number = os.getpid() * 61 + next(_NUMBERS)
    host = f"127.{100 + number // 64516 % 100}.{1 + number // 254 % 254}.{1 + number % 254}"
    with socket.create_server((host, 0)) as sock:
        return f"{host}:{sock.getsockname()[1]}"
