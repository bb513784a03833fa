"""What the upstream is told about the request's way here: X-Forwarded-*, Via, and the identifiers.

Owns those lines. May not know how they are sent or what an attempt is beyond its number. Everything that stays the
same through all attempts of a request is one block, made once; an attempt adds at most two lines.
"""

from collections.abc import Callable

from sidecar.wire.clientip import TrustedNetworks, client_ip, client_key
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin

__all__ = [
    "DeadlineLine",
    "IdSource",
    "Origin",
    "RequestIds",
    "TrustedNetworks",
    "attempt_line",
    "client_ip",
    "client_key",
    "request_ids",
    "stable_fields",
]

_POOL_BYTES = 2560  # 64 requests that bring neither identifier
_VISIBLE = bytes(range(0x21, 0x7F))
_LOWER_HEX = b"0123456789abcdef"
_ODD = frozenset((b"1", b"3", b"5", b"7", b"9", b"b", b"d", b"f"))
_ZERO_TRACE = b"0" * 32
_ZERO_SPAN = b"0" * 16
_NEVER = 1e9  # seconds; whoever has that long needs no telling


class IdSource:
    """Makes identifiers from random bytes taken in bulk: `random_bytes(n)` is os.urandom or Random(seed).randbytes."""

    __slots__ = ("_at", "_pool", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._pool = b""
        self._at = 0

    def hexadecimal(self, digits: int) -> bytes:
        """`digits` fresh hexadecimal digits, at most 5120 at a time."""
        start = self._at
        end = start + digits
        if end > len(self._pool):
            self._pool = self._random_bytes(_POOL_BYTES).hex().encode("ascii")
            start = 0
            end = digits
        self._at = end
        pool = self._pool
        return pool[start:end]


class RequestIds:
    """The identifiers of one request through all its attempts, for the fields, the log and the reply alike."""

    __slots__ = ("request_id", "sampled", "trace_id", "traceparent")

    def __init__(self, request_id: bytes, traceparent: bytes) -> None:
        self.request_id = request_id
        self.traceparent = traceparent
        self.trace_id = traceparent[3:35]
        self.sampled = traceparent[54:55] in _ODD


def request_ids(head: RequestHead, source: IdSource) -> RequestIds:
    """The identifiers the request came with where they are usable, else new ones.

    X-Request-Id is kept when it is 1 to 128 visible ASCII bytes; two of them joined hold a space and are not.
    A started trace is marked as not sampled: whether to sample is for someone who records spans.
    """
    request_id = head.request_id
    if request_id is None or not 0 < len(request_id) <= 128 or request_id.translate(None, _VISIBLE):
        request_id = source.hexadecimal(32)
    traceparent = head.traceparent
    if traceparent is None or not valid_traceparent(traceparent):
        traceparent = b"".join((b"00-", source.hexadecimal(32), b"-", source.hexadecimal(16), b"-00"))
    return RequestIds(request_id, traceparent)


def valid_traceparent(value: bytes) -> bool:
    """W3C Trace Context section 3.2: version ff is invalid, zero identifiers are, and later versions may be longer."""
    if len(value) < 55 or len(value) > 512 or value[2:3] != b"-" or value[35:36] != b"-" or value[52:53] != b"-":
        return False
    version = value[:2]
    trace = value[3:35]
    span = value[36:52]
    if (version + trace + span + value[53:55]).translate(None, _LOWER_HEX) or version == b"ff":
        return False
    if trace == _ZERO_TRACE or span == _ZERO_SPAN:
        return False
    if len(value) == 55:
        return True
    return version != b"00" and value[55:56] == b"-" and not value.translate(None, _VISIBLE)


def stable_fields(head: RequestHead, origin: Origin, ids: RequestIds) -> bytes:
    """The lines that every attempt of this request carries.

    A chain that came is kept and the peer appended even when the peer is not trusted: its right-most entry is then
    ours, and readers count from the right. Proto and Host have no such order, so a stranger's are replaced.
    """
    chain = head.forwarded_for
    if not chain:
        peer = origin.peer_line
    elif origin.peer_token:
        peer = b"X-Forwarded-For: " + chain + b", " + origin.peer_token + b"\r\n"
    else:
        peer = b"X-Forwarded-For: " + chain + b"\r\n"
    proto = origin.proto_line
    host = head.authority
    if origin.trusted:
        if head.forwarded_proto:
            proto = b"X-Forwarded-Proto: " + head.forwarded_proto + b"\r\n"
        if head.forwarded_host:
            host = head.forwarded_host
    # RFC 9110 section 7.6.3: the version is the one the message was received in.
    via = b"\r\nVia: 1.1 sidecar" if head.minor_version else b"\r\nVia: 1.0 sidecar"
    if head.via:
        via = b"\r\nVia: " + head.via + b", " + via[7:]
    return b"".join(
        (
            peer,
            proto,
            b"X-Forwarded-Host: " if host else b"",
            host,
            via if host else via[2:],
            b"\r\nX-Request-Id: ",
            ids.request_id,
            b"\r\ntraceparent: ",
            ids.traceparent,
            b"\r\n",
        )
    )


class DeadlineLine:
    """`X-Request-Timeout-Ms` with what is left of a deadline. Remembers the line it made last: most requests ask for
    the same one, and to make it takes as long as to write a whole short head."""

    __slots__ = ("_line", "_milliseconds")

    def __init__(self) -> None:
        self._line = b""
        self._milliseconds = -1

    def of(self, remaining: float) -> bytes:
        """The line for `remaining` seconds; empty for infinity, which is no deadline."""
        if remaining >= _NEVER:
            return b""
        milliseconds = int(remaining * 1000) if remaining > 0 else 0
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._line = b"X-Request-Timeout-Ms: %d\r\n" % milliseconds
        return self._line


def attempt_line(attempt: int) -> bytes:
    """The number of an attempt (1-based), told from the second on."""
    return b"X-Sidecar-Attempt: %d\r\n" % attempt if attempt > 1 else b""
