"""Opening a connection to an address, with TLS where it is asked for, and saying in a sentence why there is none."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from sidecar.model.address import Address
from sidecar.model.outcome import Cause
from sidecar.tls.failures import TlsFailure
from sidecar.transport.direct import plain_socket, write_now
from sidecar.transport.resumption import Resumption
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel

P = TypeVar("P")

# Opens a connection with the protocol that the factory makes, and answers that protocol; a preamble is sent before
# everything else. Raises OSError.
Connector = Callable[..., Awaitable[UpstreamConnection]]


class Dial(Protocol):
    """A Connector for whatever a factory makes."""

    def __call__(self, factory: Callable[[], P], preamble: bytes = b"") -> Awaitable[P]:
        """See Connector."""


# What a failed connect may say of this machine instead of the endpoint: no descriptor, no memory, no local port. (No
# local port is also what a machine without IPv6 says of an IPv6 endpoint; which of the two cannot be told apart.)
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})


@dataclass(frozen=True, slots=True)
class ClientTls:
    """TLS towards one endpoint: `server_name`, a host name or an IP address, is what its certificate must be for."""

    context: ssl.SSLContext
    server_name: str
    wheel: DeadlineWheel


def connector_to(loop: Any, address: Address, tls: ClientTls | None = None) -> Dial:
    """The connector for one address."""

    async def connect(factory: Callable[[], Any], preamble: bytes = b"") -> Any:
        first = partial(Forerunner, factory, preamble) if preamble else factory
        if address.path is not None:
            _, made = await loop.create_unix_connection(first, address.path)
        else:
            _, made = await loop.create_connection(first, address.host, address.port)
        return made.successor() if preamble else made

    return connect if tls is None else _secured(connect, tls)


def _secured(connect: Dial, tls: ClientTls) -> Dial:
    from sidecar.transport.secure import SecureClient  # who speaks no TLS never loads it

    resumption = Resumption()

    async def secured(factory: Callable[[], Any], preamble: bytes = b"") -> Any:
        inner = factory()
        client = SecureClient(inner, tls.context, tls.server_name, tls.wheel, resumption)
        await connect(lambda: client, preamble)
        await client.established()
        return inner

    return secured


class Forerunner:
    """The first protocol of a connection: sends a preamble, and leaves it to the one that the factory makes.

    Sent by the socket itself and not by the transport: those that come after may do the same, and would overtake what
    the transport still holds.
    """

    __slots__ = ("_made", "_preamble")

    def __init__(self, factory: Callable[[], Any], preamble: bytes) -> None:
        self._made: Any = factory()
        self._preamble = preamble

    def successor(self) -> Any:
        """The protocol that the connection has by now.

        :raises OSError: the preamble could not be sent."""
        if self._preamble:
            raise ConnectionAbortedError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
        return self._made

    def connection_made(self, transport: asyncio.Transport) -> None:
        """The connection stands."""
        if write_now(plain_socket(transport), self._preamble) < len(self._preamble):
            transport.abort()  # a new connection takes some kilobytes at once, or is lost already
            return
        self._preamble = b""
        transport.set_protocol(self._made)
        self._made.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Nothing: it is lost."""

    def eof_received(self) -> bool:
        """Nothing: it is lost."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing: whoever waits is told by `successor`."""

    def pause_writing(self) -> None:
        """Nothing is written by it."""

    def resume_writing(self) -> None:
        """Nor ever was."""


def cause_of(fault: OSError) -> Cause:
    """What a failed connection counts as; a timeout is whoever's who measures it."""
    if isinstance(fault, TlsFailure):
        cause: Cause = fault.cause
        return cause
    return Cause.POOL_FULL if is_shortage(fault) else Cause.CONNECT_FAILURE


def sentence(address: Address, fault: OSError) -> str:
    """What the operating system (or TLS, or the resolver) says about a failed connection."""
    return f"{address}: {said(fault)}"


def said(fault: OSError) -> str:
    """The same without the address."""
    if isinstance(fault, TlsFailure):
        return str(fault)
    if isinstance(fault, socket.gaierror) or not fault.errno:
        return fault.strerror or str(fault) or type(fault).__name__
    return os.strerror(fault.errno)


def is_shortage(fault: OSError) -> bool:
    """Whether a connection could not be had for want of something on our own side; the endpoint is not to blame."""
    return fault.errno in _SHORTAGES and not isinstance(fault, TlsFailure | socket.gaierror)
