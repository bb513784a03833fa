"""What the upstream is told about the request's way here: X-Forwarded-*, Forwarded, Via, and the identifiers.

Owns those lines. May not know how they are sent, which identifiers a request has, or what an attempt is beyond its
number and its span. An attempt adds at most two lines to the block that is made here.
"""

from sidecar.wire.b3 import B3
from sidecar.wire.clientip import TrustedNetworks, client_ip, client_key
from sidecar.wire.forwarded import forwarded_line, last_proto, x_chain
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from sidecar.wire.trace_context import RequestIds

__all__ = [
    "DeadlineLine",
    "Origin",
    "TrustedNetworks",
    "attempt_line",
    "client_ip",
    "client_key",
    "client_scheme",
    "forwarded_fields",
]

_NEVER = 1e9  # seconds; whoever has that long needs no telling


def forwarded_fields(head: RequestHead, origin: Origin, ids: RequestIds, span: bytes) -> bytes:
    """The lines that an attempt carries. `span` is its own in the trace, empty where the fields of traces are left
    alone.

    A chain that came is kept and the peer appended even when the peer is not trusted: its right-most entry is then
    ours, and readers count from the right. Proto and Host have no such order, so a stranger's are replaced.
    """
    chain = head.forwarded_for
    if not chain and origin.trusted and head.forwarded:
        chain = x_chain(head)
    if not chain:
        peer = origin.peer_line
    elif origin.peer_token:
        peer = b"X-Forwarded-For: " + chain + b", " + origin.peer_token + b"\r\n"
    else:
        peer = b"X-Forwarded-For: " + chain + b"\r\n"
    proto = origin.proto_line
    host = head.authority
    if origin.trusted:
        proto = _proto_line(head, origin)
        if head.forwarded_host:
            host = head.forwarded_host
    if not origin.x_forwarded:
        peer = proto = host = b""
    # RFC 9110 section 7.6.3: the version is the one the message was received in.
    via = b"\r\nVia: 1.1 sidecar" if head.minor_version else b"\r\nVia: 1.0 sidecar"
    if head.via:
        via = b"\r\nVia: " + head.via + b", " + via[7:]
    # Version 00 whatever came: W3C Trace Context section 4.3, for who may not know all of a later one.
    block = b"".join(
        (
            peer,
            proto,
            b"X-Forwarded-Host: " if host else b"",
            host,
            via if host else via[2:],
            b"\r\nX-Request-Id: ",
            ids.request_id,
            b"\r\ntraceparent: 00-" if span else b"\r\n",
            ids.trace_id if span else b"",
            b"-" if span else b"",
            span,
            ids.ending,
        )
    )
    if origin.forwarded or head.forwarded is not None:
        block = block + forwarded_line(head, origin)
    if origin.certificate:
        # What a client says of a certificate never comes this far: fieldnames.REWRITTEN.
        block = block + b"X-Forwarded-Client-Cert: " + origin.certificate + b"\r\n"
    if ids.fields:
        block = block + ids.fields
    return block if ids.b3 is None else block + _b3_lines(ids, ids.b3, span)


def _proto_line(head: RequestHead, origin: Origin) -> bytes:
    if head.forwarded_proto:
        return b"X-Forwarded-Proto: " + head.forwarded_proto + b"\r\n"
    if head.forwarded is not None:
        return b"X-Forwarded-Proto: " + client_scheme(head, origin) + b"\r\n"
    return origin.proto_line


def _b3_lines(ids: RequestIds, forms: list[B3], span: bytes) -> bytes:
    parent = ids.span_id or ids.parent_id
    return b"".join([form.lines(ids.trace_id, span, parent, bool(ids.span_id)) for form in forms])


def client_scheme(head: RequestHead, origin: Origin) -> bytes:
    """The scheme that the client uses, `http` or `https`: of the connection here, or of the one that ends at a trusted
    proxy in front."""
    if origin.trusted:
        said = head.forwarded_proto
        if said is None and head.forwarded is not None:
            said = last_proto(head.forwarded)
        if said == b"https" or said == b"http":
            return said
    return origin.scheme


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
