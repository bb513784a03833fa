"""The request side of a connection as bytes: what is left unread, the head, its body, and what comes after.

Owns the bytes that have been read and not used. Knows no state, no timer and no transport: the connection does.
"""

from __future__ import annotations

from sidecar.model.reason import BY_CODE, Reason
from sidecar.wire.body import ChunkedBody, LengthBody, NoBody, UntilCloseBody, reader_for
from sidecar.wire.errors import BadMessage
from sidecar.wire.head import parse_request
from sidecar.wire.message import LENGTH, NO_BODY, HeadLimits, RequestHead


class RequestIntake:
    """Reads one request after the other; made once for each connection.

    `backlog`: bytes not used yet. `body`: the piece of body that came with the head. `complete`: the whole request has
    been read. `reason` (with `detail`): why its rest cannot be had, else None.
    """

    __slots__ = (
        "_decoder",
        "_limits",
        "_max_body_bytes",
        "_searched",
        "backlog",
        "body",
        "complete",
        "detail",
        "reason",
        "trailers",
    )

    def __init__(self, limits: HeadLimits, max_body_bytes: int | None) -> None:
        self._limits = limits
        self._max_body_bytes = -1 if max_body_bytes is None else max_body_bytes
        self._searched = 0
        self._decoder: NoBody | LengthBody | ChunkedBody | UntilCloseBody | None = None
        self.backlog = b""
        self.body = b""
        self.trailers = b""
        self.complete = False
        self.reason: Reason | None = None
        self.detail = ""

    def head(self, data: bytes) -> RequestHead | None:
        """The next head in the backlog and `data`, with what there is of its body taken; None while incomplete.

        :raises BadMessage: there is no acceptable head.
        """
        if self.backlog:
            data = self.backlog + data
            self.backlog = b""
        head = parse_request(data, self._limits, self._searched)
        if head is None:
            self.backlog = data
            self._searched = len(data)
            return None
        self._searched = 0
        self.reason = None
        self.trailers = b""
        size = head.size
        if head.framing == NO_BODY:
            self.complete = True
            if len(data) > size:
                self.backlog = data[size:]
        elif head.framing == LENGTH:
            self._begin_counted(size, head.content_length, data)
        else:
            self._decoder = reader_for(head.framing, head.content_length, self._limits)
            self.body = self._feed(data, size)
        return head

    def feed(self, data: bytes) -> bytes:
        """The piece of body in `data`; afterwards look at `reason` and `complete`."""
        return self._feed(data, 0)

    def received(self) -> int:
        """So many bytes of a body have come whose end has not."""
        return 0 if self._decoder is None else self._decoder.received

    def keep(self, data: bytes) -> int:
        """Adds to the backlog; answers its size."""
        self.backlog = self.backlog + data if self.backlog else data
        return len(self.backlog)

    def clear(self) -> None:
        """Forgets what is unread."""
        self.backlog = b""
        self.body = b""
        self._decoder = None

    def fail(self, reason: Reason, detail: str) -> None:
        """The rest of the request cannot be had."""
        self.clear()
        self.complete = False
        self.reason = reason
        self.detail = detail

    def _begin_counted(self, size: int, length: int, data: bytes) -> None:
        if length > self._max_body_bytes >= 0:
            self._too_large()
            return
        end = size + length
        if len(data) < end:
            self._decoder = LengthBody(length)
            self.body = self._feed(data, size)
            return
        # The usual small body has come with its head, and needs no decoder.
        self.complete = True
        self.body = data[size:end]
        if len(data) > end:
            self.backlog = data[end:]

    def _feed(self, data: bytes, start: int) -> bytes:
        decoder = self._decoder
        if decoder is None:
            return b""
        try:
            body = decoder.feed(data, start)
        except BadMessage as fault:
            self.fail(BY_CODE[fault.code], fault.detail)
            return b""
        if decoder.received > self._max_body_bytes >= 0:
            self._too_large()
            return b""
        self.complete = decoder.done
        if self.complete:
            self._decoder = None
            self.trailers = decoder.trailers
            if decoder.consumed < len(data):
                self.backlog = data[decoder.consumed :]
        return body

    def _too_large(self) -> None:
        self.fail(Reason.BODY_TOO_LARGE, f"the request body is larger than {self._max_body_bytes} bytes")
