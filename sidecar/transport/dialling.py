"""Opening a connection to an address, and saying in one sentence why it could not be had."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

from sidecar.model.address import Address
from sidecar.transport.upstream import UpstreamConnection

# Opens a connection with the protocol that the factory makes, and answers that protocol. Raises OSError.
Connector = Callable[[Callable[[], UpstreamConnection]], Awaitable[UpstreamConnection]]

# What a failed connect may say of this machine instead of the endpoint: no descriptor, no memory, no local port. (No
# local port is also what a machine without IPv6 says of an IPv6 endpoint; which of the two cannot be told apart.)
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL})


def connector_to(
    loop: asyncio.AbstractEventLoop, address: Address, tls: ssl.SSLContext | None = None, server_name: str | None = None
) -> Connector:
    """The connector for one address; with `tls`, `server_name` is what the certificate must be for."""
    name = None if tls is None else server_name or address.host

    async def connect(factory: Callable[[], UpstreamConnection]) -> UpstreamConnection:
        # The cast-free way to tell mypy that the duck-typed connection will do is the `type: ignore`: inheriting from
        # asyncio.Protocol would keep it from being compiled.
        if address.path is not None:
            _, made = await loop.create_unix_connection(factory, address.path, ssl=tls, server_hostname=name)  # type: ignore[type-var]
        else:
            _, made = await loop.create_connection(factory, address.host, address.port, ssl=tls, server_hostname=name)  # type: ignore[type-var]
        return made  # type: ignore[no-any-return,unused-ignore]

    return connect


def sentence(address: Address, fault: OSError) -> str:
    """What the operating system (or TLS, or the resolver) says about a failed connection."""
    if isinstance(fault, ssl.SSLError | socket.gaierror) or not fault.errno:
        said = fault.strerror or str(fault) or type(fault).__name__
    else:
        said = os.strerror(fault.errno)
    return f"{address}: {said}"


def is_shortage(fault: OSError) -> bool:
    """Whether a connection could not be had for want of something on our own side; the endpoint is not to blame."""
    return fault.errno in _SHORTAGES and not isinstance(fault, ssl.SSLError | socket.gaierror)
