"""What heads say about being kept: Cache-Control, Vary, Age, and the block of fields that may be replayed.

Owns the syntax: bytes in, plain values out. May not know what is kept, for how long, or what for; the wall clock is
an argument. Whatever cannot be read in one way only is answered with the value that forbids keeping.
"""

from __future__ import annotations

import re

from sidecar.wire.dates import http_date
from sidecar.wire.fieldnames import TOKEN_BYTES
from sidecar.wire.hop import list_items, without_fields
from sidecar.wire.message import UNTIL_CLOSE

NO_SECONDS = -1  # of a directive: it has no argument, or one that is no number of seconds

# RFC 9111 section 1.2.2: more than a recipient can hold counts as 2^31.
MAX_SECONDS = 1 << 31

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# One member of the list, or nothing between two commas (RFC 9110 section 5.6.1), up to its comma or the end.
_DIRECTIVE = re.compile(
    rb"[ \t]*(?:(" + _TOKEN + rb'+)(?:=(?:"((?:[^"\\]|\\.)*)"|(' + _TOKEN + rb"*)))?[ \t]*)?(?:,|\Z)", re.DOTALL
)

# What belongs to the one exchange that fetched an answer, or is written anew when it is replayed. `Trailer` announces
# fields that are not kept; an upstream's X-Request-Id names a request of somebody else.
_NOT_REPLAYED = frozenset({b"age", b"content-length", b"trailer", b"x-request-id"})


def cache_directives(control: bytes | None, pragma: bytes | None) -> dict[bytes, int] | None:
    """The directives of a Cache-Control value by lower-case name, each with its seconds; None when it is malformed.

    The first of duplicates counts (RFC 9111 section 4.2.1). The qualified forms of `private` and `no-cache` read as
    the plain ones, as sections 5.2.2.4 and 5.2.2.7 let a cache do. `Pragma: no-cache` counts where there is no
    Cache-Control (section 5.4).
    """
    if control is None:
        return {b"no-cache": NO_SECONDS} if pragma is not None and b"no-cache" in pragma.lower() else {}
    found: dict[bytes, int] = {}
    at = 0
    while at < len(control):
        match = _DIRECTIVE.match(control, at)
        if match is None:
            return None
        name, quoted, plain = match.groups()
        if name is not None:
            found.setdefault(name.lower(), delta_seconds(plain if quoted is None else quoted))
        at = match.end()
    return found


def delta_seconds(value: bytes | None) -> int:
    """Whole seconds (RFC 9111 section 1.2.2), at most `MAX_SECONDS`; `NO_SECONDS` for anything else."""
    if value is None or not value.isdigit():
        return NO_SECONDS
    # Ten digits hold 2^31; more would only be the work of a huge integer.
    return min(int(value), MAX_SECONDS) if len(value.lstrip(b"0")) <= 10 else MAX_SECONDS


def age_seconds(value: bytes | None) -> int:
    """The seconds of an Age value, 0 where it says none: of a list the first, one that is no number is ignored (RFC
    9111 section 5.1)."""
    if value is None:
        return 0
    return max(0, delta_seconds(value.partition(b",")[0].strip(b" \t")))


def vary_names(value: bytes | None) -> tuple[bytes, ...] | None:
    """The request fields that chose an answer, lower case, sorted, each once. None: no other request may have it, as
    with `*` (RFC 9111 section 4.1), or the value cannot be read."""
    if value is None:
        return ()
    names = list_items(value.lower())
    for name in names:
        if name == b"*" or name.translate(None, TOKEN_BYTES):
            return None
    return tuple(sorted(set(names)))


def ends_itself(framing: int, content_type: bytes | None) -> bool:
    """Whether an answer's body has an end of its own: not the close of the connection, which a crash looks like too
    (RFC 9112 section 8), and no event stream, which is over when somebody hangs up."""
    if framing == UNTIL_CLOSE:
        return False
    return content_type is None or content_type[:17].lower() != b"text/event-stream"


def replayable(fields: bytes, wall: float) -> bytes:
    """A response's field lines as they may be sent again: without what belongs to one exchange, and with the Date of
    its arrival where it had none (RFC 9110 section 6.6.1). `wall` is that instant in seconds since 1970."""
    kept = without_fields(fields, _NOT_REPLAYED)
    if kept[:5].lower() == b"date:" or b"\r\ndate:" in kept.lower():
        return kept
    return kept + b"Date: " + http_date(wall) + b"\r\n"
