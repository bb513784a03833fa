"""The PROXY header at the beginning of an accepted connection: read, believed or not, and out of the way.

Owns the time until the header is whole, and what becomes of a connection without a good one. Whoever speaks next, TLS
or HTTP or bytes as they are, begins with what follows the header, told of the client that it announced. Counted and
ended like every connection from its accept on; see registry.Closable.

    from somebody else than a trusted proxy ─┐
    a malformed header, or none in time ─────┴──► refused: answered where plain HTTP is spoken, else cut
    the end of the connection before its header ──► closed
    a header ──► the next layer stands
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.model.reason import Reason
from sidecar.transport.arrival import FIRST_WORD_SECONDS, Announced, PreambleTerms, peer_name
from sidecar.transport.downstream_ends import unread
from sidecar.transport.listener import Accepted
from sidecar.transport.registry import A_HEAD, NOTHING
from sidecar.transport.service import Service
from sidecar.transport.wheel import Timer
from sidecar.wire.proxy_protocol import MalformedHeaderError, read

# The results that are counted.
OK = "ok"
LOCAL = "local"  # a connection of the proxy's own, or one whose client has no address
MALFORMED = "malformed"
UNTRUSTED = "untrusted"
TIMEOUT = "timeout"
LEFT = "left"

Refusal = tuple[Reason, str]
# Makes what comes after the header.
Beyond = Callable[[Refusal | None, Announced | None], Accepted]

# Sentences for clients: whom a listener trusts, and what it has read, is not their business.
_STRANGER = (Reason.BAD_REQUEST, "this listener is for the proxies in front of it only")
_NO_HEADER = (Reason.BAD_REQUEST, "a connection here begins with a valid PROXY header, and this one does not")
_LATE = (Reason.HEADER_TIMEOUT, "the PROXY header of the connection took too long")


class Preamble:
    """An accepted connection until its header is read. `answers`: whether a refused client understands plain HTTP.

    `refusal` is why the connection is not wanted anyway: the next layer tells its client, whose header is read first.
    """

    __slots__ = (
        "_answers",
        "_beyond",
        "_data",
        "_is_over",
        "_refusal",
        "_service",
        "_started",
        "_terms",
        "_timer",
        "_transport",
    )

    _transport: asyncio.Transport

    def __init__(
        self, service: Service, terms: PreambleTerms, beyond: Beyond, refusal: Refusal | None, answers: bool
    ) -> None:
        self._service = service
        self._terms = terms
        self._beyond = beyond
        self._refusal = refusal
        self._answers = answers
        self._data = b""
        self._started = 0.0
        self._timer = Timer(self._overdue)
        self._is_over = False

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        service = self._service
        self._transport = transport
        service.registry.add(self)
        service.connections.idle += 1
        self._started = service.wheel.now()
        if not self._terms.trusts(transport):
            self._refuse(UNTRUSTED, "it is none of `trusted_proxies`", _STRANGER)
            return
        service.wheel.set(self._timer, self._started + service.settings.header_timeout)
        if service.registry.leaving:
            self.close_when_idle()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._service.wheel.now()
        self._data += data
        try:
            header = read(self._data)
        except MalformedHeaderError as fault:
            self._refuse(MALFORMED, str(fault), _NO_HEADER)
            return
        if header is None:
            return
        announced = Announced(*header[1:]) if header.source else None
        self._terms.counted(LOCAL if announced is None else OK)
        self._hand_on(self._beyond(self._refusal, announced), self._data[header.size :])

    def eof_received(self) -> bool:
        if not self._is_over:
            # Whoever only looks whether somebody listens does it like this, and is not worth a line.
            self._terms.counted(MALFORMED if self._data else LEFT)
            self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._is_over:
            self._terms.counted(LEFT)
            self._end()

    def pause_writing(self) -> None:
        """Nothing is written."""

    def resume_writing(self) -> None:
        """Nor ever was."""

    # The owner's calls, see Closable.

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        """Whoever has just connected is about to speak, and has a moment for it."""
        first = self._started + FIRST_WORD_SECONDS
        if self._service.wheel.now() < first:
            self._service.wheel.set(self._timer, min(first, self._timer.deadline))
        elif not unread(self._transport):
            self._cut()

    def leave_websocket(self) -> None:
        """There is none."""

    def end_now(self) -> int:
        self._cut()
        return 0

    def abort(self) -> None:
        self._cut()

    def waits(self) -> tuple[int, float] | None:
        return A_HEAD, self._started

    def give_way(self) -> bool:
        if unread(self._transport):
            return False
        self._terms.counted(TIMEOUT)
        self._cut()
        return True

    # What becomes of it.

    def _overdue(self) -> None:
        if self._service.registry.leaving and not self._data:
            self.close_when_idle()
        else:
            self._refuse(TIMEOUT, "its PROXY header took too long", _LATE)

    def _refuse(self, result: str, why: str, refusal: Refusal) -> None:
        self._terms.counted(result)
        peer = peer_name(self._transport) or "a unix socket"
        self._terms.log.warn(f"listener {self._service.name}: a connection from {peer} is refused: {why}")
        if self._answers:
            self._hand_on(self._beyond(refusal, None), b"")
        else:
            self._cut()

    def _hand_on(self, successor: Accepted, rest: bytes) -> None:
        """The successor is in the registry before this one leaves it, so that it is never empty in between."""
        transport = self._transport
        transport.set_protocol(successor)  # type: ignore[arg-type]  # duck-typed, see Accepted
        self._service.connections.idle -= 1
        self._is_over = True
        self._data = b""
        self._service.wheel.drop(self._timer)
        try:
            successor.connection_made(transport)
        finally:
            self._service.registry.discard(self)
        if rest and not transport.is_closing():
            successor.data_received(rest)

    def _cut(self) -> None:
        if not self._is_over:
            self._end()
            self._transport.abort()

    def _end(self) -> None:
        self._is_over = True
        self._data = b""
        self._service.connections.idle -= 1
        self._service.wheel.drop(self._timer)
        self._service.registry.discard(self)
