"""Bodies as small state machines: bytes off the wire in, payload out, and the exact byte where the body ends.

Owns the three ways a body is delimited (RFC 9112 sections 6 and 7). May not know which message it belongs to beyond
the code to raise. All share one shape, so a relay calls them without asking which it has: `feed(data, start)` answers
the payload in `data` from `start` (the object itself when it is all of it); once `done`, `consumed` is the index just
behind the body's last byte in that `data` and `trailers` its forwardable trailer block. `received` counts payload
bytes. `finish_at_close()` says whether a connection that ends here ends a complete body, and then marks it done.
"""

from sidecar.wire.chunked import ChunkedBody
from sidecar.wire.errors import BAD_REQUEST
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, HeadLimits

__all__ = ["ChunkedBody", "LengthBody", "NoBody", "UntilCloseBody", "reader_for"]


class NoBody:
    """The body of a message that has none: done before it begins, consumes nothing."""

    __slots__ = ("consumed", "done", "received", "trailers")

    def __init__(self) -> None:
        self.done = True
        self.consumed = 0
        self.received = 0
        self.trailers = b""

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """Nothing; every byte from `start` belongs to what comes next."""
        self.consumed = start
        return b""

    def finish_at_close(self) -> bool:
        """True: nothing is missing."""
        return True


class LengthBody:
    """A body of `remaining` bytes, as Content-Length announced (RFC 9112 section 6.2)."""

    __slots__ = ("consumed", "done", "received", "remaining", "trailers")

    def __init__(self, remaining: int) -> None:
        if remaining < 0:
            raise ValueError("a length is never negative")
        self.remaining = remaining
        self.done = remaining == 0
        self.consumed = 0
        self.received = 0
        self.trailers = b""

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """The payload in `data` from `start`, at most what remains."""
        available = len(data) - start
        if available < self.remaining:
            self.remaining -= available
            self.received += available
            self.consumed = len(data)
            return data[start:] if start else data
        end = start + self.remaining
        self.received += self.remaining
        self.remaining = 0
        self.consumed = end
        self.done = True
        return data[start:end]

    def finish_at_close(self) -> bool:
        """Whether every announced byte has come (RFC 9112 section 8: less is an incomplete message)."""
        return self.done


class UntilCloseBody:
    """A response body that ends with its connection (RFC 9112 section 6.3 item 8)."""

    __slots__ = ("consumed", "done", "received", "trailers")

    def __init__(self) -> None:
        self.done = False
        self.consumed = 0
        self.received = 0
        self.trailers = b""

    def feed(self, data: bytes, start: int = 0) -> bytes:
        """Everything from `start`."""
        self.consumed = len(data)
        self.received += len(data) - start
        return data[start:] if start else data

    def finish_at_close(self) -> bool:
        """True: the close is the only end there is. An aborted connection (RST) must not be reported here."""
        self.done = True
        return True


def reader_for(
    framing: int, content_length: int, limits: HeadLimits, code: str = BAD_REQUEST
) -> NoBody | LengthBody | ChunkedBody | UntilCloseBody:
    """The reader for a head's `framing` and `content_length`; `code` and `limits` are for chunked faults."""
    if framing == NO_BODY:
        return NoBody()
    if framing == LENGTH:
        return LengthBody(content_length)
    if framing == CHUNKED:
        return ChunkedBody(limits, code)
    return UntilCloseBody()
