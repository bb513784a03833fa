"""TLS between a transport and a connection: the protocol of the one, the transport of the other.

Owns the session and who may say what when: a half can end alone, what was decrypted is never given while the reading is
paused, and an end of TCP that is not an end of TLS is none. Who shakes hands, and what follows from a failure, is
secure.py's. Called back by the transport below and by the connection above; no task, no future.
Why not the loop's own: docs/adr/0006.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

from sidecar.tls.failures import TlsFailure, broken, restless, truncated
from sidecar.tls.session import Session
from sidecar.transport.departure import end_half
from sidecar.transport.flow import BY_BACKLOG, BY_RECEIVER, FULL_READ, ReadGate
from sidecar.transport.listener import Accepted
from sidecar.transport.secure_state import CLOSED, CLOSING, HANDSHAKE, OPEN
from sidecar.transport.sending import MessageWriter
from sidecar.transport.wheel import DeadlineWheel

# What one read may have us answer. New keys are due after millions of records; those of a whole read of KeyUpdates take
# a third of a second, in which everybody else waits.
_MOST_OWED = 4096

# Who is above when nobody is: hears, and does nothing.
NOBODY: Any = asyncio.Protocol()


class SecureTransport:
    """The layer of one connection; `inner` is the protocol above, which sees this object as its asyncio.Transport."""

    # fmt: off
    __slots__ = (
        "_context", "_gate", "_inner", "_is_corked", "_is_full", "_out", "_out_ended", "_raw", "_session", "_told",
        "_wheel", "state",
    )
    # fmt: on

    _raw: asyncio.Transport

    def __init__(self, inner: Accepted, session: Session, context: ssl.SSLContext, wheel: DeadlineWheel) -> None:
        self._inner: Accepted = inner
        self._session = session
        self._context = context
        self._wheel = wheel
        self._out = MessageWriter()
        self._gate = ReadGate()
        self._is_corked = False  # what is written goes out with what follows in this turn
        self._is_full = False  # the transport below has more to send than it should
        self._out_ended = False  # we have said that we send no more
        self._told = False  # that the peer does not, or that it cannot be understood
        self.state = HANDSHAKE

    # The calls of the transport below, see asyncio.Protocol.

    def connection_made(self, raw: asyncio.Transport) -> None:
        self._raw = raw
        self._out.attach(raw)
        self._gate.transport = raw
        self._begin()

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state == OPEN:
            self._session.receive(data)
            self._deliver()
        elif state == HANDSHAKE:
            self._shake(data)
        if len(data) >= FULL_READ:
            self._gate.rest(self._wheel.loop)

    def eof_received(self) -> bool:
        if self.state == HANDSHAKE:
            self._left()
        elif self.state == OPEN:
            self._deliver()
            if self.state == OPEN:
                return self._session.ended or self._cut_short()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.detach()
        if self.state == HANDSHAKE:
            self._left()
        self.state = CLOSED
        inner = self._inner
        self._inner = NOBODY
        inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._is_full = True
        if self.state != HANDSHAKE:
            self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        self._gate.start(BY_BACKLOG)
        if self.state != HANDSHAKE:
            self._inner.resume_writing()

    # The calls of the connection above, see asyncio.Transport.

    def write(self, data: bytes) -> None:
        if self.state == OPEN and not self._out_ended:
            self._say(data)
            self._flush()

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """In one write, each piece in records of its own: a record more costs less than a copy of what is large."""
        if self.state == OPEN and not self._out_ended:
            for piece in pieces:
                self._say(piece)
            self._flush()

    def cork(self) -> None:
        """What is written in this turn goes out at its end, or with the close that follows: a last answer and the end
        of TLS are one send, which costs a new connection some microseconds less."""
        if not self._is_corked:
            self._is_corked = True
            self._wheel.loop.call_soon(self._uncork)

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """Both ends: a peer that waits for that of TCP, to be sure that nothing follows, gets it as well."""
        if self.state == OPEN and not self._out_ended:
            self._end()
            if self._raw.can_write_eof():
                end_half(self._raw)

    def close(self) -> None:
        state = self.state
        if state <= OPEN:
            self.state = CLOSING
            if state == OPEN and not self._out_ended:
                self._end()
            self._raw.close()

    def abort(self) -> None:
        """Without close_notify: what was cut must not look complete."""
        state = self.state
        if state < CLOSED:
            self.state = CLOSING
            self._out.detach()
            self._raw.abort()
        if state == HANDSHAKE:
            self._inner = NOBODY
            self._over()

    def is_closing(self) -> bool:
        return self.state >= CLOSING or self._raw.is_closing()

    def pause_reading(self) -> None:
        if self.state == OPEN:
            self._gate.stop(BY_RECEIVER)

    def resume_reading(self) -> None:
        if self.state == OPEN and self._gate.stops & BY_RECEIVER:
            self._gate.start(BY_RECEIVER)
            session = self._session
            if session.pending() or ((session.ended or session.fault is not None) and not self._told):
                # In a later turn, as every transport does it: the caller is not ready to be called.
                self._wheel.loop.call_soon(self._resumed)

    def is_reading(self) -> bool:
        return self.state == OPEN and not self._gate.stops & BY_RECEIVER

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._raw.set_write_buffer_limits(high, low)

    def get_write_buffer_size(self) -> int:
        return self._raw.get_write_buffer_size()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Besides what the transport below tells: `ssl_object`, `sslcontext`, `cipher`, `peercert` and `server_name`
        (the name that a client has asked for, where the certificate is chosen by it)."""
        session = self._session
        if name == "ssl_object":
            return session.ssl_object
        if name == "sslcontext":
            return self._context
        if name == "peercert":
            return session.ssl_object.getpeercert()
        if name == "cipher":
            return session.ssl_object.cipher()
        if name == "server_name":
            return getattr(session.ssl_object, "asked", None) or session.ssl_object.server_hostname or default
        return self._raw.get_extra_info(name, default)

    # What the two sides do differently.

    def _begin(self) -> None:
        """The transport below stands."""
        raise NotImplementedError

    def _shake(self, data: bytes) -> None:
        """Bytes of the handshake."""
        raise NotImplementedError

    def _left(self) -> None:
        """The peer ended the connection instead of the handshake."""
        raise NotImplementedError

    def _over(self) -> None:
        """The handshake was cut."""
        raise NotImplementedError

    def _cut_short(self) -> bool:
        """TCP has ended, and TLS has not. Whether our half stays open."""
        raise NotImplementedError

    # What both do.

    def _open(self) -> None:
        """The handshake is complete: whoever is above stands from now on, and hears what came with its end."""
        self.state = OPEN
        self._inner.connection_made(self)  # type: ignore[arg-type]  # duck-typed, for the compiler's sake
        if self.state == OPEN and self._session.pending():
            self._deliver()

    def _deliver(self) -> None:
        """Gives on what can be given."""
        if self._gate.stops & BY_RECEIVER:
            return
        session = self._session
        before = session.unsent()
        data = session.read()
        owed = session.unsent() - before  # the answer to a KeyUpdate, or an alert
        if data:
            self._inner.data_received(data)
        if owed > _MOST_OWED and self.state == OPEN:
            self._lose(restless())
        elif owed > 0 and self.state == OPEN:
            self._flush()
            if self._is_full:
                self._gate.stop(BY_BACKLOG)  # whoever asks and asks, and reads no answer
        if session.ended or session.fault is not None:
            self._tell_end()

    def _tell_end(self) -> None:
        if self.state != OPEN or self._told or self._gate.stops & BY_RECEIVER:
            return
        self._told = True
        fault = self._session.fault
        if fault is not None:
            self._lose(broken(fault))
        elif not self._inner.eof_received():
            self.close()

    def _resumed(self) -> None:
        if self.state != OPEN:
            return
        try:
            self._deliver()
        except Exception:
            # The transport does the same for what it calls itself.
            self.abort()
            raise

    def _say(self, data: bytes) -> None:
        try:
            self._session.write(data)
        except ssl.SSLError:  # it has failed, which is told with the reading
            self._out_ended = True

    def _uncork(self) -> None:
        self._is_corked = False
        if self.state == OPEN:
            self._flush()

    def _flush(self) -> None:
        if self._session.unsent() and not self._is_corked:
            self._out.put(self._session.take())

    def _end(self) -> None:
        self._out_ended = True
        self._is_corked = False
        self._session.end()
        self._flush()

    def _lose(self, failure: TlsFailure) -> None:
        """Ends the connection at once; whoever is above is told so."""
        self.abort()
        inner = self._inner
        self._inner = NOBODY
        inner.connection_lost(failure)

    def _truncated(self) -> bool:
        self._lose(truncated())
        return False
