"""The two sides of a TLS handshake: as the server of an accepted connection, and as the client of an endpoint.

Owns the time a handshake may take, how many may be under way, and what becomes of a connection whose handshake fails.
An accepted connection is counted, and can be ended, from its accept on (see registry.Closable).
"""

from __future__ import annotations

import asyncio
import ssl

from sidecar.model.reason import Reason
from sidecar.tls.failures import SENTENCES, TlsFailure, client_failure, left, server_failure
from sidecar.tls.session import Session
from sidecar.transport.arrival import FIRST_WORD_SECONDS, peer_name
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.downstream_ends import unread
from sidecar.transport.listener import Accepted
from sidecar.transport.registry import A_HEAD, NOTHING, RAW_TUNNEL, WEBSOCKET
from sidecar.transport.resumption import Resumption
from sidecar.transport.secure_state import CLOSED, CLOSING, HANDSHAKE
from sidecar.transport.secure_transport import NOBODY, SecureTransport
from sidecar.transport.service import Service
from sidecar.transport.tls_terms import TlsTerms
from sidecar.transport.wheel import DeadlineWheel, Timer

_HANDSHAKE_RECORD = 22
_PLAIN = (Reason.BAD_REQUEST, "this port speaks TLS")


class SecureServer(SecureTransport):
    """An accepted connection: `inner` stands when the handshake is complete, and takes this one's place."""

    __slots__ = ("_accepted", "_began", "_heard", "_service", "_terms", "_timer")

    def __init__(self, inner: Accepted, service: Service, terms: TlsTerms) -> None:
        SecureTransport.__init__(self, inner, Session(terms.context, True), terms.context, service.wheel)
        self._service = service
        self._terms = terms
        self._timer = Timer(self._overdue)
        self._accepted = 0.0
        self._began = 0.0  # the instant of the first byte
        self._heard = False  # one

    # The owner's calls, see Closable. They end with the handshake: from then on `inner` is in the registry.

    def carries(self) -> int:
        return NOTHING

    def close_when_idle(self) -> None:
        """Whoever has just connected is about to begin, and a handshake that has begun may end: each has a moment."""
        now = self._wheel.now()
        until = (now if self._heard else self._accepted) + FIRST_WORD_SECONDS
        if now < until:
            self._wheel.set(self._timer, min(until, self._timer.deadline))
        elif not unread(self._raw):
            self._give_up()

    def leave_websocket(self) -> None:
        """There is none."""

    def end_now(self) -> int:
        self._give_up()
        return 0

    def waits(self) -> tuple[int, float] | None:
        return A_HEAD, self._accepted

    def give_way(self) -> bool:
        if unread(self._raw):
            return False
        self._overdue()
        return True

    # What happens until the handshake is complete.

    def _begin(self) -> None:
        service = self._service
        terms = self._terms
        service.registry.add(self)
        service.connections.idle += 1
        terms.handshakes += 1
        self._accepted = self._wheel.now()
        if terms.handshakes > terms.max_handshakes:
            self._refuse("too_many", SENTENCES["too_many"])
            return
        self._wheel.set(self._timer, self._accepted + terms.handshake_timeout)
        if service.registry.leaving:
            self.close_when_idle()

    def _shake(self, data: bytes) -> None:
        now = self._wheel.now()
        if not self._heard:
            self._heard = True
            self._began = now
            if data[0] != _HANDSHAKE_RECORD:
                self._hear_plain(data)
                return
        try:
            done = self._session.handshake(data)
        except ssl.SSLError as fault:
            self._flush()
            failure = server_failure(fault)
            self._refuse(failure.word, str(failure))
            return
        if not done:
            self._flush()
            return
        session = self._session.ssl_object
        self._terms.observer.handshake("resumed" if session.session_reused else "ok", now - self._began)
        if session.version() != "TLSv1.3":
            self._flush()
        # In TLS 1.3 nothing is left to send but a ticket: it goes with the answer, in one write.
        try:
            self._open()
        finally:
            self._release()

    def _hear_plain(self, data: bytes) -> None:
        """Somebody who speaks HTTP to a port of HTTPS is told so, in their own language."""
        word = "plain_http" if _is_http(data) else "not_tls"
        self._tell(word, SENTENCES[word])
        if self._service.raw or data[0] & 128:  # the latter is what SSL 2 begins with
            self._give_up()
            return
        raw = self._raw
        plain = DownstreamConnection(self._service, _PLAIN)
        plain.announced = getattr(self._inner, "announced", None)
        self._out.detach()
        self._inner = NOBODY
        self.state = CLOSED
        raw.set_protocol(plain)  # type: ignore[arg-type]  # duck-typed, see Accepted
        try:
            plain.connection_made(raw)
        finally:
            self._release()
        plain.data_received(data)

    def _overdue(self) -> None:
        if self._service.registry.leaving and not self._heard:
            self._give_up()
        else:
            self._refuse("timeout", SENTENCES["timeout"])

    def _left(self) -> None:
        if self._heard:
            self._tell("left", SENTENCES["left"])
        else:
            # Whoever only looks whether somebody listens does it like this, and is not worth a line.
            self._terms.observer.handshake("left", 0.0)
        self._give_up()

    def _refuse(self, word: str, why: str) -> None:
        """What was sent last is an alert: its client is to read it, but not to be waited for."""
        self._tell(word, why)
        if word in ("timeout", "too_many") or self._raw.get_write_buffer_size():
            self._give_up()
            return
        self._inner = NOBODY
        self.state = CLOSING
        self._raw.close()
        self._release()

    def _give_up(self) -> None:
        if self.state == HANDSHAKE:
            self.abort()

    def _over(self) -> None:
        self._release()

    def _release(self) -> None:
        """What has come in the handshake's place, if anything, is in the registry already."""
        self._terms.handshakes -= 1
        self._service.connections.idle -= 1
        self._wheel.drop(self._timer)
        self._service.registry.discard(self)

    def _tell(self, word: str, why: str) -> None:
        terms = self._terms
        terms.observer.handshake(word, self._wheel.now() - self._began if self._heard else 0.0)
        announced = getattr(self._inner, "announced", None)
        peer = peer_name(self._raw) if announced is None else announced.source
        terms.log.warn(f"listener {self._service.name}: no TLS with {peer or 'a unix socket'}: {why}")

    def _cut_short(self) -> bool:
        """A request has a length, so its end cannot be forged; of bytes without one nobody knows what is missing."""
        if self._service.raw or self._inner.carries() in (RAW_TUNNEL, WEBSOCKET):  # type: ignore[attr-defined]
            return self._truncated()
        return self._inner.eof_received()


class SecureClient(SecureTransport):
    """A connection to an endpoint: `inner` stands when the handshake is complete. `server_name` is what its
    certificate must be for, a DNS name or an address; `resumption` has the session to begin with."""

    __slots__ = ("_failure", "_name", "_resumption", "_waiter")

    def __init__(
        self,
        inner: Accepted,
        context: ssl.SSLContext,
        server_name: str,
        wheel: DeadlineWheel,
        resumption: Resumption | None = None,
    ) -> None:
        known = None if resumption is None else resumption.session()
        SecureTransport.__init__(self, inner, Session(context, False, server_name, known), context, wheel)
        self._resumption = resumption
        self._name = server_name
        self._failure: TlsFailure | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def established(self) -> None:
        """Returns when the handshake is complete; the connection is closed where it is not, by a cancellation too.

        :raises TlsFailure: it has failed.
        """
        if self.state == HANDSHAKE:
            self._waiter = self._wheel.loop.create_future()
            try:
                await self._waiter
            except BaseException:
                self.abort()
                raise
        if self._failure is not None:
            raise self._failure

    def connection_lost(self, exc: Exception | None) -> None:
        if self._resumption is not None and self.state != HANDSHAKE and self._failure is None:
            self._resumption.keep(self._session.ssl_object)
        super().connection_lost(exc)

    def _begin(self) -> None:
        self._shake(b"")

    def _shake(self, data: bytes) -> None:
        try:
            done = self._session.handshake(data)
        except ssl.SSLError as fault:
            self._flush()
            self._fail(client_failure(fault, self._name))
            return
        self._flush()
        if done:
            if self._resumption is not None:
                self._resumption.follow(self._session.ssl_object)
            self._wake()
            self._open()

    def _left(self) -> None:
        self._fail(left(self._name))

    def _over(self) -> None:
        """Whoever waits for it has given up."""

    def _fail(self, failure: TlsFailure) -> None:
        self._failure = failure
        if self._resumption is not None:
            self._resumption.forget()
        self._inner = NOBODY
        self._wake()
        self.close()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _cut_short(self) -> bool:
        """An answer that lasts until the end must not be taken for whole."""
        return self._truncated()


def _is_http(data: bytes) -> bool:
    method = data[:16].split(b" ")[0]
    return method.isalpha() and method.isupper()
