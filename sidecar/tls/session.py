"""One TLS session without I/O: bytes of the wire in and out, what they mean on the other side.

Owns two buffers and OpenSSL's object between them. An exception for each message would cost more than its decryption,
so the buffers are asked how much they hold, and OpenSSL is asked for more only where a record is begun.
"""

from __future__ import annotations

import ssl

# The most that a record holds (RFC 8446 section 5.1), and so the most that one read gives.
_RECORD_BYTES = 16384


class Session:
    """`ended`: the peer has said that it sends no more (close_notify). `fault`: what it has sent cannot be read, and
    nothing after it either. Both are told by `read`, after everything before them. `ssl_object` is for whoever wants
    to know what was agreed."""

    __slots__ = ("_incoming", "_outgoing", "_read", "_write", "ended", "fault", "ssl_object")

    def __init__(
        self,
        context: ssl.SSLContext,
        server_side: bool,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.ssl_object = context.wrap_bio(self._incoming, self._outgoing, server_side, server_name, session)
        self._read = self.ssl_object.read
        self._write = self.ssl_object.write
        self.ended = False
        self.fault: ssl.SSLError | None = None

    def handshake(self, data: bytes) -> bool:
        """Goes on with the handshake; whether it is complete. There may be something to take either way, and after an
        error too: the alert.

        :raises ssl.SSLError: it has failed.
        """
        if data:
            self._incoming.write(data)
        try:
            self.ssl_object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def receive(self, data: bytes) -> None:
        """Bytes of the wire, for `read`. What follows an end or a fault means nothing, and is not kept."""
        if not self.ended and self.fault is None:
            self._incoming.write(data)

    def pending(self) -> int:
        """How many received bytes nobody has read. The beginning of a record, once read, is no longer among them."""
        return self._incoming.pending

    def read(self) -> bytes:
        """All that the received bytes say; empty where no record is complete."""
        if self.ended or self.fault is not None:
            return b""
        first = b""
        more: list[bytes] = []
        try:
            while True:
                piece = self._piece()
                if not piece:
                    self.ended = True
                    break
                if not first:
                    first = piece
                else:
                    more.append(piece)
                if not self._left():
                    break
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True  # after our own close_notify it is told like this
        except ssl.SSLError as fault:
            self.fault = fault
        if more:
            return first + b"".join(more)
        return first

    def write(self, data: bytes) -> None:
        """Something to say, for `take`.

        :raises ssl.SSLError: the session has failed or ended.
        """
        while data:
            sent = self._write(data)
            if sent == len(data):
                return
            data = data[sent:]

    def end(self) -> None:
        """Says that we send no more (close_notify), for `take`. The peer still may."""
        # CPython asks OpenSSL twice, and the second time it would look for the peer's own close_notify among what is
        # unread, and throw everything before it away.
        unread = self._incoming.read() if self._incoming.pending else b""
        try:  # noqa: SIM105 - once for each connection, and `suppress` costs as much as what it is put around
            self.ssl_object.unwrap()
        except ssl.SSLError:  # the peer has not ended, or the session has failed and has no end
            pass
        if unread:
            self._incoming.write(unread)

    def unsent(self) -> int:
        """How many bytes there are to take."""
        return self._outgoing.pending

    def take(self) -> bytes:
        """The bytes to send, which are then no longer kept here."""
        return self._outgoing.read()

    def _piece(self) -> bytes:
        # No larger than what can be in it: OpenSSL's own object would be cut down otherwise.
        size = self._incoming.pending
        return self._read(size if 0 < size < _RECORD_BYTES else _RECORD_BYTES)

    def _left(self) -> bool:
        return self._incoming.pending > 0 or self.ssl_object.pending() > 0
