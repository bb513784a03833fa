"""The service manager's two protocols: sockets it opened for us, and what we tell it of our state.

Owns sd_listen_fds(3) and sd_notify(3) as far as a stream server needs them; both are a few environment variables, so
no library of systemd's is used. Knows nothing of what the sockets are for.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import sys
import time
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from sidecar.transport.inlets import Inlet
from sidecar.transport.sockets import BindError

READY = "READY=1"
STOPPING = "STOPPING=1"

WATCHDOG = "WATCHDOG=1"

# systemd reads messages of 4 KiB at most, and shows a status on one line.
_MOST_CHARACTERS = 500
_FIRST = 3
_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
# Where a one-file executable unpacks itself: the number is the process of its launcher, which waits for us.
_UNPACKED = re.compile("_MEI([0-9a-f]{8}).{6}")
_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def service_pid() -> int:
    """The process that the service manager has started and that people see: this one, or the launcher of a one-file
    executable, which passes signals on to us and our exit code out.

    `LISTEN_PID` names us all the same, as the launcher rewrites it; `WATCHDOG_PID` names this one."""
    unpacked = _UNPACKED.fullmatch(Path(getattr(sys, "_MEIPASS", "")).name)
    return os.getpid() if unpacked is None else int(unpacked[1], 16)


def inherited(environ: MutableMapping[str, str], pid: int) -> list[Inlet]:
    """The listening sockets that the service manager passed to process `pid`; `role` is each one's name there.

    They are non-blocking and not passed on to children, for whom the variables are removed, too.

    :raises BindError: one of them is not a stream socket that listens, or the variables make no sense.
    """
    given = {name: environ.pop(name, "") for name in _VARIABLES}
    if given["LISTEN_PID"] != str(pid):
        return []  # meant for a process before us
    if not given["LISTEN_FDS"].isdecimal():
        raise BindError(errno.EINVAL, f"LISTEN_FDS is `{given['LISTEN_FDS']}`, not a number of sockets")
    count = int(given["LISTEN_FDS"])
    names = given["LISTEN_FDNAMES"].split(":") if given["LISTEN_FDNAMES"] else []
    inlets: list[Inlet] = []
    try:
        for place in range(count):
            name = names[place] if place < len(names) else "unknown"
            inlets.append(Inlet(name, _listening(_FIRST + place, name), lent=True))
    except BindError:
        for inlet in inlets:
            inlet.sock.close()
        raise
    return inlets


def _listening(fd: int, name: str) -> socket.socket:
    sock = None
    try:
        sock = socket.socket(fileno=fd)
        if sock.type != socket.SOCK_STREAM or sock.family not in _FAMILIES:
            problem = "is no stream socket"
        elif not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            problem = "does not listen (Accept=yes passes single connections; it must be no)"
        else:
            sock.set_inheritable(False)
            sock.setblocking(False)
            return sock
    except OSError as fault:
        problem = f"is no socket: {fault.strerror}"
    if sock is not None:
        sock.close()
    raise BindError(errno.ENOTSOCK, f"descriptor {fd} (`{name}`) from the service manager {problem}")


def reloading() -> str:
    """That rules are read again; READY follows when that is over, whatever came of it."""
    return f"RELOADING=1\nMONOTONIC_USEC={int(time.monotonic() * 1_000_000)}"


def main_pid(pid: int) -> str:
    """That process `pid` is the service's main one from now on."""
    return f"MAINPID={pid}"


def status(text: str) -> str:
    """What people shall read of us. Whatever stands in `text`, it stays one line: the next would be an order."""
    line = " ".join(text.split())
    return f"STATUS={line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + '…'}"


def more_time(seconds: float) -> str:
    """That to start or to stop may take so long from now on, whatever the unit says."""
    return f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}"


def failed(sentence: str, code: int, number: int | None) -> str:
    """That it ends, why, with which exit code and, where the system refused something, its `errno`."""
    told = f"{status(sentence)}\nEXIT_STATUS={code}"
    # A name that nobody knows has a negative number, which is the resolver's own.
    return f"{told}\nERRNO={number}" if number is not None and number > 0 else told


def watchdog_seconds(environ: Mapping[str, str], pid: int) -> float | None:
    """How long process `pid` may be silent before the service manager ends it; None: for ever. sd_watchdog_enabled(3).

    :raises ValueError: the variables make no sense; the sentence for the operator."""
    period = environ.get("WATCHDOG_USEC", "")
    if not period or environ.get("WATCHDOG_PID", str(pid)) != str(pid):
        return None
    if not period.isdecimal() or not int(period):
        raise ValueError(f"WATCHDOG_USEC is `{period}`, not a number of microseconds")
    return int(period) / 1_000_000


def notify(environ: Mapping[str, str], text: str, patience: float = 0.0) -> bool:
    """Tell the service manager, if there is one that wants to hear it; whether it was told.

    Never raises, and waits for room in its queue for `patience` seconds at most: how we serve does not depend on who
    listens.
    """
    where = environ.get("NOTIFY_SOCKET", "")
    if not where.startswith(("/", "@")):
        return False
    address = os.fsencode(where)
    if where.startswith("@"):
        address = b"\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(patience)
            sock.connect(address)  # else there would be no waiting for the room of that queue
            sock.send(text.encode("utf-8", "replace"))
    except (OSError, ValueError):
        return False
    return True
