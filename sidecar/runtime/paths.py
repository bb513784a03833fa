"""The path of a request as rules are compared with it: what a backend might take it for, not what was written.

`/public/../admin`, `/%61dmin`, `//admin`, `/x%2f..%2fadmin` and `/admin;v=1` all reach `/admin` in some backend, and
would otherwise dodge the rule of `/admin`. So they are made equal here, for matching and for keys only: the bytes that
are forwarded stay as they came.

The rules, in their order: percent-escapes are decoded once (RFC 3986 6.2.2.2, and %2F too); a backslash counts as a
slash (WHATWG URL); what follows `;` in a segment is cut off (path parameters, RFC 3986 3.3); empty segments and `.` go,
`..` takes the one before it and stops at the root (RFC 3986 5.2.4). A slash at the end stays. Letters keep their case.
Decoding happens once: `%252e` is `%2e`, which a backend that decodes once does not take for a dot either.

Only `..` can make a path lead elsewhere than its first segments say, and many backends do not resolve it at all: to
them `/admin/../public` is below `/admin`. So `climbs` tells of such a path, and `routing.py` has it lead somewhere only
where both readings lead to the same route.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

# Compiled, one loop over the bytes costs less than the first of five searches; interpreted, more than all of them.
_COMPILED = not __file__.endswith(".py")
_PERCENT = 0x25
_DOT = 0x2E
_SLASH = 0x2F
_SEMICOLON = 0x3B
_BACKSLASH = 0x5C

NO_CLIMB = 0
CLIMBS = 1
CLIMBS_ODDLY = 2

# What backends that resolve `..` resolve in different ways. Nobody who means well writes a `..` so, or beside it.
_ODD = re.compile(rb"%2[eEfF]|%5[cC]|%3[bB]|[\\;]|//")


def matching_path(path: bytes) -> bytes:
    """The path to compare with rules; most are returned as they are."""
    return path if _is_plain(path) else _normalised(path)


def _is_plain(path: bytes) -> bool:
    if not _COMPILED:
        # A byte is looked for at a quarter of the price of a text of one byte.
        if _PERCENT in path or _SEMICOLON in path or _BACKSLASH in path:
            return False
        return path.find(b"//") < 0 and path.find(b"/.") < 0
    data = path
    count = len(path)
    after_slash = False
    for at in range(count):
        byte = data[at]
        if byte == _SLASH:
            if after_slash:
                return False
            after_slash = True
            continue
        if byte in (_PERCENT, _SEMICOLON, _BACKSLASH) or (after_slash and byte == _DOT):
            return False
        after_slash = False
    return True


def climbs(path: bytes) -> int:
    """Whether a path has a `..` to somebody: `CLIMBS` where all who resolve it come to the same, `CLIMBS_ODDLY` where
    even they do not."""
    if b".." not in path and b"%2e" not in path and b"%2E" not in path:
        return NO_CLIMB
    if b".." not in _pieces(path):
        return NO_CLIMB
    return CLIMBS_ODDLY if _ODD.search(path) else CLIMBS


def unresolved(path: bytes) -> bytes:
    """The matching path of one that `CLIMBS`, to a backend that takes `..` for the name of a segment."""
    return b"/" + b"/".join([piece for piece in _pieces(path) if piece not in (b"", b".")])


def segments(path: bytes) -> list[bytes]:
    """The segments of a matching path: `/users/7` gives two; one slash at the end adds none."""
    inner = path.removeprefix(b"/").removesuffix(b"/")
    return inner.split(b"/") if inner else []


def _normalised(path: bytes) -> bytes:
    if not path.startswith(b"/"):
        return path  # `*` of OPTIONS, or the authority of CONNECT: not a path
    kept: list[bytes] = []
    last = b""
    for last in _pieces(path):
        if last == b"..":
            if kept:
                kept.pop()
        elif last not in (b"", b"."):
            kept.append(last)
    ends_in_slash = last in (b"", b".", b"..") and bool(kept)
    return b"/" + b"/".join(kept) + (b"/" if ends_in_slash else b"")


def _pieces(path: bytes) -> list[bytes]:
    """Between all that is a slash to somebody, decoded, without path parameters."""
    decoded = unquote_to_bytes(path).replace(b"\\", b"/")
    return [piece.partition(b";")[0] for piece in decoded[1:].split(b"/")]
