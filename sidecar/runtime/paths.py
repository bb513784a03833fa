"""The path of a request as rules are compared with it: what a backend might take it for, not what was written.

`/public/../admin`, `/%61dmin`, `//admin`, `/x%2f..%2fadmin` and `/admin;v=1` all reach `/admin` in some backend, and
would otherwise dodge the rule of `/admin`. So they are made equal here, for matching and for keys only: the bytes that
are forwarded stay as they came.

The rules, in their order: percent-escapes are decoded once (RFC 3986 6.2.2.2, and %2F too); a backslash counts as a
slash (WHATWG URL); what follows `;` in a segment is cut off (path parameters, RFC 3986 3.3); empty segments and `.` go,
`..` takes the one before it and stops at the root (RFC 3986 5.2.4). A slash at the end stays. Letters keep their case.
Decoding happens once: `%252e` is `%2e`, which a backend that decodes once does not take for a dot either.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")


def matching_path(path: bytes) -> bytes:
    """The path to compare with rules; most are returned as they are."""
    if b"%" not in path and b"//" not in path and b"/." not in path and b";" not in path and b"\\" not in path:
        return path
    return _normalised(path)


def segments(path: bytes) -> list[bytes]:
    """The segments of a matching path: `/users/7` gives two; one slash at the end adds none."""
    inner = path.removeprefix(b"/").removesuffix(b"/")
    return inner.split(b"/") if inner else []


def _normalised(path: bytes) -> bytes:
    if not path.startswith(b"/"):
        return path  # `*` of OPTIONS, or the authority of CONNECT: not a path
    decoded = _ESCAPE.sub(_decode, path).replace(b"\\", b"/")
    kept: list[bytes] = []
    last = b""
    for piece in decoded[1:].split(b"/"):
        last = piece.partition(b";")[0]
        if last == b"..":
            if kept:
                kept.pop()
        elif last not in (b"", b"."):
            kept.append(last)
    ends_in_slash = last in (b"", b".", b"..") and bool(kept)
    return b"/" + b"/".join(kept) + (b"/" if ends_in_slash else b"")


def _decode(escape: re.Match[bytes]) -> bytes:
    return bytes((int(escape[1], 16),))
