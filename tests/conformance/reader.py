"""Reads HTTP/1.1 as RFC 9112 writes it, strictly, from one end of a connection: what a careful peer would understand.

Owns the judgement of bytes that a proxy sent, to the backend and to the client. Written from the RFC alone; may not
import the product, whose own reader is among what is judged. Whatever two readers could understand in two ways is
`MalformedError` here: a proxy must never send it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\xff]+) HTTP/1\.([01])")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?: ([\t\x20-\xff]*))?")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*(.*?)[ \t]*", re.DOTALL)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;.*)?", re.DOTALL)
_LONGEST_LINE = 1 << 20


class MalformedError(Exception):
    """The sender broke the grammar, or left more than one way to read it."""


class EndedError(Exception):
    """The connection ended before the message did."""


class Flow:
    """The bytes from one peer; `raw` keeps all of them. `heard` is called when some have come."""

    def __init__(self, reader: asyncio.StreamReader, heard: Callable[[], None] = lambda: None) -> None:
        self._reader = reader
        self._heard = heard
        self.raw = bytearray()
        self.at = 0
        self.ended = False

    async def more(self) -> bool:
        """Waits for further bytes; False at the end of the connection, however it ended."""
        try:
            data = b"" if self.ended else await self._reader.read(65536)
        except OSError:
            data = b""
        self.raw += data
        self.ended = not data
        self._heard()
        return not self.ended

    async def line(self) -> bytes:
        """The next line without its CRLF. No bare CR or LF, and no NUL (RFC 9112 section 2.2, RFC 9110 section 5.5)."""
        begin = searched = self.at
        while (end := self.raw.find(b"\n", searched)) < 0:
            searched = len(self.raw)
            if searched - begin > _LONGEST_LINE:
                raise MalformedError("a line without an end")
            if not await self.more():
                raise EndedError
        line = bytes(self.raw[begin:end])
        self.at = end + 1
        if not line.endswith(b"\r"):
            raise MalformedError(f"a line that ends in a bare LF: {shown(line)}")
        if b"\r" in line[:-1] or b"\0" in line:
            raise MalformedError(f"a bare CR or NUL in a line: {shown(line)}")
        return line[:-1]

    async def some(self, most: int) -> bytes:
        """At least one byte, at most so many."""
        while self.at == len(self.raw):
            if not await self.more():
                raise EndedError
        piece = bytes(self.raw[self.at : self.at + most])
        self.at += len(piece)
        return piece


@dataclass
class Message:
    """One request or answer, as far as it has come."""

    first: bytes = b""
    minor_version: int = 1
    method: bytes = b""
    target: bytes = b""
    status: int = 0
    fields: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    framing: str = "none"
    complete: bool = False
    connection: int = 0

    def all(self, name: str) -> list[bytes]:
        """Every value of a field, in order."""
        wanted = name.lower().encode()
        return [value for key, value in self.fields if key.lower() == wanted]

    def members(self, name: str) -> list[bytes]:
        """The members of a field that is a list, in lower case."""
        return [part.strip().lower() for value in self.all(name) for part in value.split(b",") if part.strip()]


def shown(data: bytes | bytearray, most: int = 90) -> str:
    """Bytes for a human: escaped, and cut in the middle."""
    text = repr(bytes(data))[2:-1].replace('\\"', '"').replace("\\'", "'")
    return text if len(text) <= most else f"{text[: most - 25]} … {text[-20:]}"


def listed(values: Sequence[bytes | bytearray]) -> str:
    """The values of a field for a human."""
    return ", ".join(filter(None, map(shown, values))) or "nothing"


async def request_head(flow: Flow) -> Message:
    """The next request's line and fields."""
    line = await flow.line()
    found = _REQUEST_LINE.fullmatch(line)
    if found is None:
        raise MalformedError(f"no request line: {shown(line)}")
    message = Message(line, int(found[3]), found[1], found[2])
    message.fields = await _fields(flow)
    if message.minor_version == 1 and len(message.all("host")) != 1:
        raise MalformedError(f"a request with {len(message.all('host'))} Host fields")
    message.framing = _framing(message)
    return message


async def answer_head(flow: Flow, method: bytes) -> Message:
    """The next answer's line and fields; `method` is that of the request it answers."""
    line = await flow.line()
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise MalformedError(f"no status line: {shown(line)}")
    message = Message(line, int(found[1]), method, status=int(found[2]))
    message.fields = await _fields(flow)
    # RFC 9112 section 6.3, items 1 and 8. What these answers say of a body is judged where a case asks.
    if message.status < 200 or message.status in (204, 304) or method == b"HEAD":
        message.framing = "none"
    else:
        message.framing = _framing(message)
        if message.framing == "none" and not message.all("content-length"):
            message.framing = "close"
    return message


async def body(flow: Flow, message: Message) -> None:
    """Reads the body into the message, piece by piece."""
    if message.framing == "length":
        left = int(message.all("content-length")[0])
        while left:
            piece = await flow.some(left)
            message.body += piece
            left -= len(piece)
    elif message.framing == "chunked":
        await _chunks(flow, message)
    elif message.framing == "close":
        try:
            while True:
                message.body += await flow.some(65536)
        except EndedError:
            pass
    message.complete = True


async def _chunks(flow: Flow, message: Message) -> None:
    while True:
        line = await flow.line()
        found = _CHUNK.fullmatch(line)
        if found is None:
            raise MalformedError(f"no chunk size: {shown(line)}")
        left = int(found[1], 16)
        if not left:
            break
        while left:
            piece = await flow.some(left)
            message.body += piece
            left -= len(piece)
        if line := await flow.line():
            raise MalformedError(f"a chunk longer than its size: {shown(line)}")
    message.trailers = await _fields(flow)


async def _fields(flow: Flow) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    while line := await flow.line():
        found = _FIELD.fullmatch(line)
        if found is None:
            raise MalformedError(f"no field line: {shown(line)}")
        fields.append((found[1], found[2]))
    return fields


def _framing(message: Message) -> str:
    lengths = message.all("content-length")
    codings = message.members("transfer-encoding")
    if message.all("transfer-encoding"):
        if lengths:
            raise MalformedError("both Transfer-Encoding and Content-Length")
        if codings[-1:] != [b"chunked"] or codings.count(b"chunked") > 1:
            raise MalformedError(f"Transfer-Encoding: {shown(b', '.join(message.all('transfer-encoding')))}")
        if message.minor_version == 0:
            raise MalformedError("Transfer-Encoding in HTTP/1.0")
        return "chunked"
    # RFC 9110 section 8.6 sets no bound; Python's numbers have none either.
    if len(lengths) > 1 or not all(re.fullmatch(rb"[0-9]{1,4000}", one) for one in lengths):
        raise MalformedError(f"Content-Length: {shown(b' and '.join(lengths))}")
    return "length" if lengths and int(lengths[0]) else "none"
