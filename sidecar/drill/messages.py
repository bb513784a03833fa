"""HTTP/1.1 as the drill's own clients and backends read it: by hand, strictly, and sharing no mistake with the proxy.

One message at a time from a stream of bytes. What a body may be framed by here is a length, chunks, or the end of the
connection where there is neither; anything else is an error.
"""

from __future__ import annotations

import re

_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])(?: [\t -~\x80-\xff]*)?")
_REQUEST_LINE = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\r\n]*)?")
_MAX_HEAD = 1 << 16


class MalformedError(Exception):
    """What came is no HTTP."""


class Message:
    """One message. `start` is its first line in parts: method and target, or the status."""

    __slots__ = ("body", "fields", "start")

    def __init__(self, start: tuple[bytes, ...], fields: dict[bytes, bytes]) -> None:
        self.start = start
        self.fields = fields
        self.body = bytearray()

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.start[0])


class Reader:
    """Reads messages: requests, or the answers to them. `message` is the one whose head is here; `whole` when all of it
    is. After each, `next`."""

    __slots__ = ("_bytes", "_left", "_without_body", "is_answer", "message", "whole")

    def __init__(self, is_answer: bool) -> None:
        self.is_answer = is_answer
        self._bytes = bytearray()
        self._without_body = False
        self.next()

    def next(self, without_body: bool = False) -> None:
        """The next message follows; `without_body`: it is the answer to HEAD."""
        self.message: Message | None = None
        self.whole = False
        self._without_body = without_body
        self._left: int | None = 0  # of the body or its chunk; None: until the end; negative: chunks, a size is next

    @property
    def has_more(self) -> bool:
        """Whether there are bytes of another message, or of this one."""
        return bool(self._bytes)

    def feed(self, data: bytes) -> bool:
        """Bytes have come, or none: what is left of those before is looked at. Whether the message is whole.

        :raises MalformedError: it is none."""
        self._bytes += data
        while self.message is None:
            end = self._bytes.find(b"\r\n\r\n")
            if end < 0:
                if len(self._bytes) > _MAX_HEAD or (self._bytes and not self._begins_well()):
                    raise MalformedError("no head")
                return False
            head = bytes(self._bytes[:end])
            del self._bytes[: end + 4]
            self._begin(head)
        if not self.whole:
            self._take(self.message)
        return self.whole

    def end(self) -> bool:
        """No more will come. Whether the message is whole now."""
        if self.message is not None and self._left is None:
            self.whole = True
        return self.whole

    def _begins_well(self) -> bool:
        begun = bytes(self._bytes[:7])
        return not self.is_answer or b"HTTP/1."[: len(begun)] == begun

    def _begin(self, head: bytes) -> None:
        line, *rest = head.split(b"\r\n")
        found = (_STATUS_LINE if self.is_answer else _REQUEST_LINE).fullmatch(line)
        if found is None:
            raise MalformedError(f"first line {line[:60]!r}")
        fields: dict[bytes, bytes] = {}
        for text in rest:
            field = _FIELD.fullmatch(text)
            if field is None:
                raise MalformedError(f"field line {text[:60]!r}")
            name = field[1].lower()
            if name in fields and name in (b"content-length", b"transfer-encoding"):
                raise MalformedError(f"{name.decode()} twice")
            fields[name] = field[2]
        message = Message(found.groups(), fields)
        if self.is_answer and message.status < 200:
            return  # an interim one: the final one follows
        self.message = message
        self._left = self._framing(message)

    def _framing(self, message: Message) -> int | None:
        length, coding = message.fields.get(b"content-length"), message.fields.get(b"transfer-encoding")
        if length is not None and coding is not None:
            raise MalformedError("two framings")
        if self.is_answer and (self._without_body or message.status in (204, 304)):
            return 0
        if coding is not None:
            if coding.lower() != b"chunked":
                raise MalformedError(f"transfer coding {coding!r}")
            return -1
        if length is not None:
            if not re.fullmatch(rb"[0-9]{1,15}", length):
                raise MalformedError(f"length {length!r}")
            return int(length)
        return None if self.is_answer else 0

    def _take(self, message: Message) -> None:
        if self._left is None:
            message.body += self._bytes
            self._bytes.clear()
            return
        if self._left >= 0:
            taken = self._bytes[: self._left]
            message.body += taken
            del self._bytes[: len(taken)]
            self._left -= len(taken)
            self.whole = not self._left
            return
        self._take_chunks(message)

    def _take_chunks(self, message: Message) -> None:
        while (end := self._bytes.find(b"\r\n")) >= 0:
            found = _SIZE.fullmatch(bytes(self._bytes[:end]))
            if found is None:
                raise MalformedError(f"chunk size {bytes(self._bytes[:20])!r}")
            size = int(found[1], 16)
            if size == 0:
                self._take_trailers(end + 2)
                return
            if len(self._bytes) < end + 2 + size + 2:
                return
            message.body += self._bytes[end + 2 : end + 2 + size]
            if self._bytes[end + 2 + size : end + 4 + size] != b"\r\n":
                raise MalformedError("a chunk does not end where it says")
            del self._bytes[: end + 4 + size]

    def _take_trailers(self, at: int) -> None:
        while (end := self._bytes.find(b"\r\n", at)) >= 0:
            if end == at:
                del self._bytes[: end + 2]
                self.whole = True
                return
            at = end + 2
