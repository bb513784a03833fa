"""Heads and chunks to bytes, in the usual case one join of parts that exist already.

Owns what this hop says for itself: Connection, Upgrade, TE, Transfer-Encoding and Via. May not know sockets, or why a
connection is to be closed. Every line handed in must end in CRLF; nothing here checks the insides of blocks that the
parser or the composition made.
"""

from http import HTTPStatus

from sidecar.wire.edits import FieldEdits
from sidecar.wire.hop import with_host
from sidecar.wire.message import CHUNKED, UNTIL_CLOSE, RequestHead, ResponseHead

LAST_CHUNK = b"0\r\n\r\n"
CHUNK_END = b"\r\n"

_REQUEST_END = b" HTTP/1.1\r\n"
_CODING = b"Transfer-Encoding: chunked\r\n"
_VIA_11 = b"Via: 1.1 sidecar\r\n"
_VIA_10 = b"Via: 1.0 sidecar\r\n"
_KEEP_ALIVE = b"Connection: keep-alive\r\n"
_CLOSE = b"Connection: close\r\n"

_REASONS = {status.value: status.phrase.encode("ascii") for status in HTTPStatus}
_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, reason) for status, reason in _REASONS.items()}


def status_line(status: int, reason: bytes | None = None) -> bytes:
    """`HTTP/1.1 status reason` and CRLF; without a reason, the registered one or none."""
    if reason is None or _REASONS.get(status) == reason:
        line = _LINES.get(status)
        if line is not None:
            return line
    return b"HTTP/1.1 %d %b\r\n" % (status, reason or b"")


def request_head(head: RequestHead, extra: bytes, more: bytes = b"", authority: bytes = b"") -> bytes:
    """The head to send upstream: always HTTP/1.1, the block as it came, then `extra` and what this hop adds.

    `extra` is the block from `forwarding.py`, `more` the lines of this attempt; `authority` is the endpoint's own.
    """
    fields = _hosted(head, authority)
    return b"".join((head.method, b" ", head.origin_target, _REQUEST_END, fields, extra, more, _request_tail(head)))


def edited_request_head(
    head: RequestHead, target: bytes, extra: bytes, edits: FieldEdits | None, authority: bytes = b""
) -> bytes:
    """As `request_head`, with another target and, where there are `edits`, with those made to the whole block."""
    block = _hosted(head, authority) + extra
    if edits is not None:
        block = edits.apply(block)
    return b"".join((head.method, b" ", target, _REQUEST_END, block, _request_tail(head)))


def _hosted(head: RequestHead, authority: bytes) -> bytes:
    if head.minor_version == 0 and not head.authority:
        # RFC 9112 section 3.2: HTTP/1.1 upstream needs a Host, which HTTP/1.0 may have left out. It may be empty, but
        # nginx and others then answer 400.
        return with_host(head.fields, authority)
    return head.fields


def _request_tail(head: RequestHead) -> bytes:
    tail = CHUNK_END
    if head.framing == CHUNKED:
        tail = _CODING + tail
    if head.upgrade or head.te_trailers:
        tail = _request_connection(head) + tail
    return tail


def _request_connection(head: RequestHead) -> bytes:
    # RFC 9110 sections 7.8 and 10.1.4: each field of this hop is named in Connection.
    if not head.upgrade:
        return b"Connection: TE\r\nTE: trailers\r\n"
    if not head.te_trailers:
        return b"Connection: Upgrade\r\nUpgrade: " + head.upgrade + b"\r\n"
    return b"Connection: Upgrade, TE\r\nTE: trailers\r\nUpgrade: " + head.upgrade + b"\r\n"


def response_head(
    head: ResponseHead,
    framing: int,
    keep_alive: bool,
    minor_version: int,
    extra: bytes = b"",
    edits: FieldEdits | None = None,
) -> bytes:
    """The head to send downstream, with this proxy's own Via entry after those received.

    `framing` is what `framing.downstream_framing` answered, `keep_alive` whether the connection to the client stays
    open afterwards, `minor_version` the client's. Interim heads go through here too, except to an HTTP/1.0 client,
    which must not be sent any (RFC 9110 section 15.2). `extra` are lines of our own; `edits` are made to the whole
    block with them.
    """
    status = head.status
    line = _LINES.get(status)
    if line is None or _REASONS.get(status) != head.reason:
        line = status_line(status, head.reason)
    tail = CHUNK_END
    if head.upgrade and (status == 101 or status == 426):
        # RFC 9110 section 15.5.22: a 426 names what to upgrade to, and is an ordinary answer otherwise.
        close = b", close" if status == 426 and not keep_alive else b""
        tail = b"Connection: Upgrade" + close + b"\r\nUpgrade: " + head.upgrade + b"\r\n\r\n"
    elif status >= 200:
        if not keep_alive or framing == UNTIL_CLOSE:
            tail = _CLOSE + tail
        elif minor_version == 0:
            tail = _KEEP_ALIVE + tail
    if framing == CHUNKED:
        tail = _CODING + tail
    via = _VIA_11 if head.minor_version else _VIA_10
    if edits is not None:
        return b"".join((line, edits.apply(b"".join((head.fields, via, extra))), tail))
    return b"".join((line, head.fields, via, extra, tail))


def chunk_start(size: int) -> bytes:
    """The size line of a chunk; payload of that size and `CHUNK_END` follow. Never for 0, which would end the body."""
    return b"%x\r\n" % size


def last_chunk(trailers: bytes = b"") -> bytes:
    """The end of a chunked body with its trailer block (RFC 9112 section 7.1.2)."""
    return b"0\r\n" + trailers + b"\r\n" if trailers else LAST_CHUNK
