"""What the bytes of a connection mean, by the letter of RFC 9112: the judge between two readers.

Owns a reader of requests that is as plain as can be: it splits at CRLF and nothing else, knows a length and chunks,
and takes nothing that is not written exactly so. It may not know the product: a mistake that both had made would not
be seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Fields = tuple[tuple[bytes, bytes], ...]

_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_LINE = re.compile(rb"(" + _TOKEN + rb") ([\x21-\x7e\x80-\xff]+) HTTP/1\.([01])")
_FIELD = re.compile(rb"(" + _TOKEN + rb"):[ \t]*((?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)[ \t]*")
_SIZE = re.compile(rb"([0-9A-Fa-f]+)(?:;[\t\x20-\x7e\x80-\xff]*)?")


class UnreadableError(Exception):
    """These bytes are no request, or could be two."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One request: names in lower case, values without the spaces around them, the body without its framing."""

    method: bytes
    target: bytes
    fields: Fields
    body: bytes
    raw: bytes

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a field, in order."""
        return [value for key, value in self.fields if key == name]


def requests_in(data: bytes) -> tuple[list[Reading], bytes]:
    """The requests in what one connection carried, and what is left of an unfinished one. Raises `UnreadableError`."""
    found: list[Reading] = []
    while (one := request_at(data)) is not None:
        found.append(one)
        data = data[len(one.raw) :]
    return found, data


def request_at(data: bytes) -> Reading | None:
    """The request that `data` begins with; None while it is not complete. Raises `UnreadableError`."""
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    line, *lines = head.split(b"\r\n")
    start = _LINE.fullmatch(line)
    if start is None:
        raise UnreadableError(f"not a request line: {line!r}")
    fields = fields_of(lines)
    if len([name for name, _ in fields if name == b"host"]) != 1:
        raise UnreadableError("not one Host")
    framed = _body(fields, rest)
    if framed is None:
        return None
    body, size = framed
    return Reading(start[1], start[2], fields, body, data[: len(head) + 4 + size])


def fields_of(lines: list[bytes]) -> Fields:
    """Field lines taken apart. Raises `UnreadableError` for one that is none."""
    found = []
    for one in lines:
        field = _FIELD.fullmatch(one)
        if field is None:
            raise UnreadableError(f"not a field line: {one!r}")
        found.append((field[1].lower(), field[2]))
    return tuple(found)


def _body(fields: Fields, rest: bytes) -> tuple[bytes, int] | None:
    """The body in `rest` and how many of its bytes it takes up."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        raise UnreadableError("two framings")
    if codings:
        if codings[0].lower() != b"chunked":
            raise UnreadableError(f"a coding of its own: {codings[0]!r}")
        return chunks(rest)
    if not lengths:
        return b"", 0
    if not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise UnreadableError(f"not a length: {lengths[0]!r}")
    size = int(lengths[0])
    return None if len(rest) < size else (rest[:size], size)


def chunks(data: bytes) -> tuple[bytes, int] | None:
    """A chunked body and how many bytes it takes up; None while it is not complete. Raises `UnreadableError`."""
    body, at = b"", 0
    while True:
        end = data.find(b"\r\n", at)
        if end < 0:
            return None
        size = _SIZE.fullmatch(data[at:end])
        if size is None:
            raise UnreadableError(f"not a chunk's size: {data[at:end]!r}")
        count, at = int(size[1], 16), end + 2
        if count == 0:
            break
        if len(data) < at + count + 2:
            return None
        if data[at + count : at + count + 2] != b"\r\n":
            raise UnreadableError("a chunk that does not end where it says")
        body, at = body + data[at : at + count], at + count + 2
    end = data.find(b"\r\n\r\n", at - 2)
    if end < 0:
        return None
    fields_of(data[at:end].split(b"\r\n") if end > at else [])
    return body, end + 4
