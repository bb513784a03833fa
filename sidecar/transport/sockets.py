"""Listening sockets from addresses: TCP over IPv4 and IPv6, and unix paths.

Owns the socket options and the sentence for what goes wrong. Runs at start and on reload; resolving a host name blocks,
which a listener's address, being this machine's, does not do for long.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import os
import pwd
import socket
import stat
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from sidecar.model.address import Address

# The kernel cuts it to net.core.somaxconn. A burst beyond it is dropped silently and retried after a second.
BACKLOG = 4096

# Whoever may enter the directory may connect, as with nginx: a proxy and its clients seldom share a user. Close the
# directory to keep others out.
UNIX_MODE = 0o666


# Linux's numbers, which Python does not name, and a filter in the language of packet filters (classic BPF): drop
# what has SYN and not ACK among the flags of its TCP header.
_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_DROP_SYN = b"".join(
    struct.pack("HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of the flags
        (0x54, 0, 0, 0x12),  # of SYN and ACK …
        (0x15, 0, 1, 0x02),  # … only SYN is set
        (0x06, 0, 0, 0),
        (0x06, 0, 0, 0xFFFFFFFF),
    )
)


class BindError(OSError):
    """An address cannot be listened on; the text names the address and the reason."""


class UnixFile(NamedTuple):
    """Who may connect to a unix socket: the permissions of its file, and whose it is, by name or number; None: ours."""

    mode: int = UNIX_MODE
    owner: str | None = None
    group: str | None = None


def bind(address: Address, backlog: int = BACKLOG, file: UnixFile | None = None) -> list[socket.socket]:
    """Listening, non-blocking sockets for `address`: several for an empty host or a name with several addresses.
    `file` is what a unix path becomes.

    :raises BindError: one of them cannot be had; then none stays open.
    """
    if address.path is not None:
        return [_bind_unix(address, address.path, backlog, file or UnixFile())]
    bound: list[socket.socket] = []
    port = address.port
    try:
        for family, host in hosts(address):
            try:
                made = bind_tcp(family, host, port, backlog)
            except OSError as fault:
                if not address.host and bound and fault.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # a machine without IPv6
                raise bind_error(address, fault) from fault
            bound.append(made)
            port = made.getsockname()[1]  # with port 0, all get the one that the first was given
    except BindError:
        for made in bound:
            made.close()
        raise
    return bound


def hosts(address: Address) -> list[tuple[int, str]]:
    """Family and literal host of every TCP socket that `address` means: both families for an empty host.

    :raises BindError: its name resolves to nothing.
    """
    if not address.host:
        both = [(int(socket.AF_INET), "0.0.0.0")]
        return [*both, (int(socket.AF_INET6), "::")] if socket.has_ipv6 else both
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as fault:
        raise bind_error(address, fault) from fault
    return list(dict.fromkeys((int(family), str(where[0])) for family, _, _, _, where in found))


def bind_tcp(family: int, host: str, port: int, backlog: int = BACKLOG, *, grouped: bool = False) -> socket.socket:
    """One listening, non-blocking socket; `grouped`: others of this user may listen at the same place (SO_REUSEPORT).

    :raises OSError: as the kernel says it.
    """
    # asyncio switches Nagle's algorithm off only where the protocol is named.
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # A restart must not wait for the last run's connections in TIME_WAIT.
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if grouped:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        made.bind((host, port))
        made.listen(backlog)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def _bind_unix(address: Address, path: str, backlog: int, file: UnixFile) -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound = False
    try:
        _remove_stale(path)
        made.bind(path)
        bound = True
        admit(address, file)  # before it listens: nobody else can connect in between
        made.listen(backlog)
        made.setblocking(False)
    except OSError as fault:
        made.close()
        if bound:
            with suppress(OSError):
                os.unlink(path)
        raise fault if isinstance(fault, BindError) else bind_error(address, fault) from fault
    return made


def admit(address: Address, file: UnixFile) -> None:
    """Give the file of a unix socket its permissions and its owners.

    :raises BindError: there is no such user or group, or it is not ours to give away.
    """
    path = str(address.path)
    try:
        user = -1 if file.owner is None else _number(file.owner, lambda name: pwd.getpwnam(name).pw_uid)
        group = -1 if file.group is None else _number(file.group, lambda name: grp.getgrnam(name).gr_gid)
        if user >= 0 or group >= 0:
            os.chown(path, user, group)
        os.chmod(path, file.mode)
    except (OSError, LookupError) as fault:
        whom = ", ".join([one for one in (file.owner, file.group and f"group {file.group}") if one])
        why = fault.strerror if isinstance(fault, OSError) else "nobody of that name is known"
        code = fault.errno if isinstance(fault, OSError) else errno.EINVAL
        what = f"the mode {file.mode:04o}" + (f" and {whom}" if whom else "")
        raise BindError(code, f"cannot give {address} {what}: {why}") from fault


def _number(name: str, look_up: Callable[[str], int]) -> int:
    return int(name) if name.isdecimal() else look_up(name)


def _remove_stale(path: str) -> None:
    # A process that was killed leaves its file behind, and bind would fail on it for ever. One that somebody still
    # listens on, or that is no socket, is not ours to remove.
    try:
        found = os.stat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise OSError(errno.EEXIST, "there is a file of that name, and it is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # a full backlog (EAGAIN) means that somebody listens
        if asking.connect_ex(path) == errno.ECONNREFUSED:
            os.unlink(path)
            return
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def bind_error(address: Address, fault: OSError) -> BindError:
    """The sentence for what the kernel said about `address`."""
    return BindError(fault.errno, f"cannot listen on {address}: {fault.strerror or fault}")


def refuse_newcomers(sock: socket.socket) -> None:
    """Makes the kernel drop every new connection to a listening TCP socket, for good and for all who share it; those
    that it has let in stay queued, so they can be accepted before the socket is closed. Elsewhere than on Linux, and
    for a unix socket, does nothing."""
    if sock.family == socket.AF_UNIX:
        return
    program = ctypes.create_string_buffer(_DROP_SYN, len(_DROP_SYN))
    count = len(_DROP_SYN) // 8
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", count, ctypes.addressof(program)))


def accept_newcomers(sock: socket.socket) -> None:
    """Takes `refuse_newcomers` back, by whichever process it was done."""
    if sys.platform == "linux" and sock.family != socket.AF_UNIX:
        with suppress(OSError):  # there is no filter, as a rule
            sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


class SocketFile:
    """The file of a listening unix socket, as it is now."""

    __slots__ = ("_identity", "_path", "_terms")

    def __init__(self, sock: socket.socket) -> None:
        self._path: str | bytes = sock.getsockname()
        found = self._found()
        self._identity = found and _identity(found)
        self._terms = found and _terms(found)

    def remove(self) -> None:
        """Removes it, so that nobody connects to a socket that is about to close; not one that took its place."""
        found = self._found()
        if found is not None and _identity(found) == self._identity:
            with suppress(OSError):
                os.unlink(self._path)

    def restore(self) -> None:
        """Gives it back the permissions and owners that it had; not one that took its place."""
        found = self._found()
        if found is None or self._terms is None or _identity(found) != self._identity or _terms(found) == self._terms:
            return
        mode, user, group = self._terms
        with suppress(OSError):
            os.chown(self._path, user, group)
        with suppress(OSError):
            os.chmod(self._path, mode)

    def _found(self) -> os.stat_result | None:
        try:
            return os.stat(self._path)
        except (OSError, ValueError):  # an abstract name is no path
            return None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _terms(found: os.stat_result) -> tuple[int, int, int]:
    return stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid
