"""What is known of an accepted connection before its own bytes are read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from sidecar.transport.sparing_log import SparingLog
from sidecar.wire.clientip import plain_address
from sidecar.wire.proxy_protocol import Version, write

# Whoever has just connected is about to speak, and cannot know that we leave: it gets this long from the accept on.
FIRST_WORD_SECONDS = 1.0


class Announced(NamedTuple):
    """Who a PROXY header says is at the other end, and whom they had reached. Addresses are text as in IPv4 or IPv6."""

    source: str
    source_port: int
    destination: str
    destination_port: int


class PreambleTerms(NamedTuple):
    """What the preambles of a listener share. `trusts` says of a transport whether its peer is believed; `counted` is
    told each result, `log` why a connection was refused."""

    trusts: Callable[[asyncio.Transport], bool]
    counted: Callable[[str], None]
    log: SparingLog


# An address and a port.
End = tuple[str, int]


class Ends(NamedTuple):
    """The two ends of an accepted connection: the client's, and the one that it had reached. None for what is not TCP,
    as a unix socket."""

    source: End | None
    destination: End | None


def ends_of(transport: Any, announced: Announced | None) -> Ends:
    """The ends of a connection: those that a PROXY header has announced, or else the socket's own."""
    if announced is not None:
        return Ends(
            (announced.source, announced.source_port),
            (announced.destination, announced.destination_port),
        )
    return Ends(_end(transport.get_extra_info("peername")), _end(transport.get_extra_info("sockname")))


def announcement(version: Version, ends: Ends, client: str) -> bytes:
    """The PROXY header that tells of `client`, the address that is counted as the one who asks; empty for a unix
    socket's. Its port is known where nobody else stands in between."""
    source = ends.source
    if source is None or plain_address(source[0]) != client:
        source = (client, 0) if client else None
    return write(version, source, ends.destination)


def peer_name(transport: Any) -> str:
    """The address that a connection comes from, as the socket has it; empty for a unix socket."""
    end = _end(transport.get_extra_info("peername"))
    return "" if end is None else end[0]


def _end(name: Any) -> End | None:
    return (name[0], name[1]) if isinstance(name, tuple) and len(name) >= 2 else None
