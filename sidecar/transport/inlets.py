"""The listening sockets of an instance: handed down to it or bound by it, kept by address, ready to be handed on.

Owns the originals, which listeners and workers accept on by copies of their own (`dup`, or a descriptor passed on): as
long as the original is open the kernel queues connections, so whoever stops accepting for good closes it here, too.
Knows no listener, no worker process and not how a socket travels between processes.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sidecar.model.address import Address
from sidecar.transport.sockets import BindError, UnixFile, admit, bind, bind_error, bind_tcp, hosts


class Inlet(NamedTuple):
    """A listening socket on its way between processes.

    `role` says what it is for. A `lent` one belongs to a service manager, which keeps it open after this process.
    """

    role: str
    sock: socket.socket
    lent: bool = False

    @property
    def where(self) -> str:
        """Its address, for people."""
        name = self.sock.getsockname()
        if self.sock.family == socket.AF_UNIX:
            return f"unix:{os.fsdecode(name)}"
        return f"[{name[0]}]:{name[1]}" if self.sock.family == socket.AF_INET6 else f"{name[0]}:{name[1]}"


# All the sockets that listen at one host and port: one, or a group among which the kernel spreads connections.
_Group = tuple[Inlet, ...]


class Inlets:
    """Listening sockets by address: those `handed` down where they fit, else bound anew, in groups of `copies`.

    With several copies each socket of a group has a queue of its own (SO_REUSEPORT), so that workers need not race for
    connections.
    """

    __slots__ = ("_copies", "_files", "_handed", "_open", "_role", "is_doubled")

    def __init__(self, handed: Sequence[Inlet] = (), copies: int = 1, role: str = "public") -> None:
        self._handed = list(handed)
        self._copies = copies
        self._role = role
        self._open: dict[Address, tuple[_Group, ...]] = {}
        self._files: dict[Address, UnixFile] = {}
        # Another instance accepts on all of them, too: a predecessor that has not left, or a successor.
        self.is_doubled = False

    def open(self, address: Address, file: UnixFile | None = None) -> tuple[socket.socket, ...]:
        """The sockets that listen at `address`, always the same until `keep_only` drops them.

        `file` is what a unix socket's file is to be from now on; without it a new one is open to all, and one that is
        there stays as it is. So does a lent one: it is as whoever lends it wants it.

        :raises BindError: it cannot be listened on; what was taken up for it is let go of.
        """
        groups = self._open.get(address)
        if groups is None:
            groups = self._open[address] = self._unix(address, file) if address.is_unix else self._tcp(address)
        if file is not None and self._files.get(address) != file and not self.is_lent(address):
            admit(address, file)
            self._files[address] = file
        return tuple(inlet.sock for group in groups for inlet in group)

    def share(self, address: Address, worker: int, workers: int) -> tuple[socket.socket, ...]:
        """Those of `open(address)` that worker number `worker` of `workers` accepts on, so that each has somebody."""
        self.open(address)
        mine: list[socket.socket] = []
        for group in self._open[address]:
            part = group[worker::workers] if len(group) >= workers else (group[worker % len(group)],)
            mine += [inlet.sock for inlet in part]
        return tuple(mine)

    def keep_only(self, addresses: Iterable[Address]) -> None:
        """Close the sockets of every other address, and those handed down that nobody asked for.

        Lent ones stay for a later `open`: they cannot be had again from whom they came.
        """
        kept = set(addresses)
        for address in [address for address in self._open if address not in kept]:
            self._handed += [inlet for group in self._open.pop(address) for inlet in group]
            self._files.pop(address, None)
        _close(inlet for inlet in self._handed if not inlet.lent)
        self._handed = [inlet for inlet in self._handed if inlet.lent]

    def handed_unused(self) -> tuple[Inlet, ...]:
        """What was handed down and fits no address asked for so far."""
        return tuple(self._handed)

    def listening(self) -> tuple[Inlet, ...]:
        """Everything open, as a successor takes it: first what is in use."""
        used = [
            inlet._replace(role=self._role) for groups in self._open.values() for group in groups for inlet in group
        ]
        return (*used, *self._handed)

    def is_lent(self, address: Address) -> bool:
        """Whether a service manager keeps the sockets at `address` open after us."""
        return any(inlet.lent for group in self._open.get(address, ()) for inlet in group)

    def is_shared(self, address: Address) -> bool:
        """Whether the sockets at `address` live on elsewhere after us.

        Then stopping only lets go of them: no filter on the socket, no emptying of its queue, no unlinking of its path.
        """
        return self.is_doubled or self.is_lent(address)

    def close(self) -> None:
        """Close all of them. A unix path's file stays."""
        _close(self.listening())
        self._open.clear()
        self._handed.clear()

    def _unix(self, address: Address, file: UnixFile | None) -> tuple[_Group, ...]:
        for inlet in self._handed:
            if inlet.sock.family == socket.AF_UNIX and inlet.sock.getsockname() == address.path:
                self._handed.remove(inlet)
                return ((inlet,),)
        # A path has one queue; all workers accept from it.
        return tuple((Inlet(self._role, sock),) for sock in bind(address, file=file))

    def _tcp(self, address: Address) -> tuple[_Group, ...]:
        groups: list[_Group] = []
        taken: list[Inlet] = []
        port = address.port
        try:
            wanted = hosts(address)
            found = {host: self._take(*host, port) for host in wanted} if port else {}
            taken += [inlet for group in found.values() for inlet in group]
            both = not address.host and any(map(_is_dual_stack, found.get((int(socket.AF_INET6), "::"), ())))
            for family, host in wanted:
                group = found.get((family, host), ())
                if not group and both:
                    continue  # [::] takes IPv4, too
                try:
                    groups.append(self._completed(group, port) if group else self._bound(family, host, port))
                except OSError as fault:
                    if not address.host and groups and fault.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                        continue  # a machine without IPv6
                    raise bind_error(address, fault) from fault
                port = groups[-1][0].sock.getsockname()[1]
        except BindError:
            _close(inlet for group in groups for inlet in group if inlet not in taken)
            self._handed += taken
            raise
        return tuple(groups)

    def _take(self, family: int, host: str, port: int) -> _Group:
        """What was handed down for this host and port, which is then no longer to be had."""
        fitting = tuple(
            inlet
            for inlet in self._handed
            if inlet.sock.family == family and inlet.sock.getsockname()[:2] == (host, port)
        )
        self._handed = [inlet for inlet in self._handed if inlet not in fitting]
        return fitting

    def _completed(self, group: _Group, port: int) -> _Group:
        """A group that was handed down, with as many sockets as there are copies where others may join it."""
        if not group[0].sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT):
            return group
        host = group[0].sock.getsockname()[0]
        try:
            more = self._group(group[0].sock.family, host, port, self._copies - len(group))
        except OSError:
            return group  # another user's: it serves all the same
        return (*group, *more)

    def _bound(self, family: int, host: str, port: int) -> _Group:
        if self._copies == 1:
            return (Inlet(self._role, bind_tcp(family, host, port)),)
        if port:
            _probe(family, host, port)
        return self._group(family, host, port, self._copies)

    def _group(self, family: int, host: str, port: int, copies: int) -> _Group:
        group: list[Inlet] = []
        try:
            for _ in range(copies):
                sock = bind_tcp(family, host, port, grouped=True)
                group.append(Inlet(self._role, sock))
                port = sock.getsockname()[1]
        except OSError:
            _close(group)
            raise
        return tuple(group)


def _probe(family: int, host: str, port: int) -> None:
    """Ask the kernel whether anybody listens there: two instances of one user would share the port without a word.

    It does not listen, because a connection it got would be reset a moment later.
    """
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        probe.bind((host, port))


def _is_dual_stack(inlet: Inlet) -> bool:
    return not inlet.sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)


def _close(inlets: Iterable[Inlet]) -> None:
    for inlet in inlets:
        inlet.sock.close()
