"""One message on its way out: head, then its body under the framing that the head announced, then its end.

Owns the framing and the count of what was announced: a body that would end short or run over is refused here, because
on the wire it would be taken for a complete message and the rest for the next one. Knows no state of a connection.
"""

from __future__ import annotations

import asyncio

from sidecar.transport.direct import COMPILED, NO_DESCRIPTOR, descriptor, plain_socket, send_now, write_now
from sidecar.transport.phases import DONE, OPEN, UNSENT
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE
from sidecar.wire.writer import CHUNK_END, chunk_start, last_chunk

# Up to here one copy is cheaper than a second buffer in writev; above, the bytes go out as they came.
_JOIN_BYTES = 16384
_LENGTH_FIELD = b"\r\ncontent-length:"


class MessageWriter:
    """Writes one message after the other to one transport; made once for each connection."""

    __slots__ = ("_number", "_queued", "_socket", "framing", "held", "left", "phase", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.framing = NO_BODY
        self.held = b""
        self.left = 0
        self.phase = UNSENT
        self._number = NO_DESCRIPTOR  # where bytes can be sent at once
        self._socket = NO_DESCRIPTOR  # and those of a large piece
        self._queued = False  # whether the transport may still hold some of ours, which go first

    def attach(self, transport: asyncio.Transport) -> None:
        """The connection stands."""
        self.transport = transport
        self._number = descriptor(transport)
        self._socket = self._number if COMPILED else plain_socket(transport)

    def detach(self) -> None:
        """It is lost: its descriptor is about to be somebody else's."""
        self._number = NO_DESCRIPTOR
        self._socket = NO_DESCRIPTOR

    def put(self, data: bytes) -> None:
        """Sends bytes as they are: at once as far as the socket takes them, the rest through the transport."""
        number = self._number
        if number >= 0:
            if len(data) <= _JOIN_BYTES and not (self._queued and self._waits()):
                sent = send_now(number, data)
                if sent == len(data):
                    return
                if sent > 0:
                    data = data[sent:]
            self._queued = True
        self.transport.write(data)

    def put_view(self, view: memoryview) -> None:
        """Sends bytes in a buffer that is not ours: what the socket does not take at once is copied."""
        sent = 0
        if self._socket >= 0 and not self._waits():
            sent = write_now(self._socket, view)
        if sent < len(view):
            self._queued = True
            self.transport.write(bytes(view[sent:]))

    def _waits(self) -> bool:
        self._queued = self.transport.get_write_buffer_size() > 0
        return self._queued

    def begin(self, head: bytes, framing: int, length: int, hold: bool) -> None:
        """Sends the head, or keeps it for the first piece of the body."""
        self.framing = framing
        self.phase = OPEN
        if framing == LENGTH:
            self.left = length if length >= 0 else declared_length(head)
        if hold:
            self.held = head
        else:
            self.put(head)

    def data(self, data: bytes) -> bool:
        """Sends a piece of the body. False: the head did not announce so much, and nothing was sent."""
        if not data:
            return True
        if self.phase != OPEN:
            return False
        framing = self.framing
        if framing == LENGTH:
            left = self.left - len(data)
            if left < 0:
                return False
            self.left = left
        elif framing == CHUNKED:
            self._put_chunk(data)
            return True
        elif framing != UNTIL_CLOSE:
            return False
        held = self.held
        if not held:
            self.put(data)
        elif len(data) <= _JOIN_BYTES:
            self.held = b""
            self.put(held + data)
        else:
            self.held = b""
            self._queued = True
            self.transport.writelines((held, data))
        return True

    def end(self, trailers: bytes) -> bool:
        """Completes the message. False: it is short of what its head announced."""
        if self.phase != OPEN or (self.framing == LENGTH and self.left != 0):
            return False
        self.phase = DONE
        held = self.held
        if self.framing == CHUNKED:
            self.held = b""
            self.put(held + last_chunk(trailers))
        elif held:
            self.held = b""
            self.put(held)
        return True

    def flush(self) -> None:
        """Sends a head that was kept."""
        if self.held:
            held = self.held
            self.held = b""
            self.put(held)

    def _put_chunk(self, data: bytes) -> None:
        held = self.held
        self.held = b""
        if len(data) <= _JOIN_BYTES:
            self.put(b"".join((held, chunk_start(len(data)), data, CHUNK_END)))
        else:
            self._queued = True
            self.transport.writelines((held + chunk_start(len(data)), data, CHUNK_END))


def declared_length(head: bytes) -> int:
    """The Content-Length in a serialised head of our own making; -1 without a usable one, so that no data fits."""
    at = head.lower().find(_LENGTH_FIELD)
    if at < 0:
        return -1
    start = at + len(_LENGTH_FIELD)
    value = head[start : head.find(b"\r\n", start)].strip(b" \t")
    return int(value) if value.isdigit() else -1
