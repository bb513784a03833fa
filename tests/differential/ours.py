"""What Sidecar makes of the bytes of a connection, in process: the functions that the proxy calls, without sockets.

Owns their order: head, forwarded head, body, next request. What is refused and why is the product's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sidecar.proxy.heads import attempt_head
from sidecar.wire.body import reader_for
from sidecar.wire.errors import BadMessage
from sidecar.wire.forwarding import Origin, forwarded_fields
from sidecar.wire.head import HeadLimits, parse_request
from sidecar.wire.message import CHUNKED, RequestHead
from sidecar.wire.trace_context import IdSource, TraceTerms, request_ids
from sidecar.wire.writer import CHUNK_END, chunk_start, last_chunk

LIMITS = HeadLimits()
_ORIGIN = Origin("127.0.0.1")
ENDPOINT = b"endpoint.test"  # for a request of HTTP/1.0 that names no host
_TERMS = TraceTerms(headers=False)


@dataclass(slots=True)
class Passed:
    """A request that went on whole: its head as read, and every byte sent for it."""

    head: RequestHead
    sent: bytes


@dataclass(slots=True)
class Taken:
    """What became of a connection: the requests that went on, and how it ended: `refusal` is why the next one was
    refused, empty where it was not; `rest` are the bytes of one that is not complete. A connection that a request asked
    to close is read no further."""

    passed: list[Passed] = field(default_factory=list)
    refusal: str = ""
    rest: bytes = b""
    closed: bool = False


def taken(data: bytes, endpoint: bytes = ENDPOINT) -> Taken:
    """Reads all that a client has sent on one connection. `endpoint` is its authority."""
    result = Taken()
    ids = IdSource(lambda count: b"\x2a" * count)
    while data:
        try:
            head = parse_request(data, LIMITS)
            sent = None if head is None else _forwarded(head, data, ids, endpoint)
        except BadMessage as fault:
            result.refusal = fault.detail
            return result
        if head is None or sent is None:
            break
        block, size = sent
        result.passed.append(Passed(head, block))
        data = data[size:]
        if not head.keep_alive:
            result.closed = True
            return result
    result.rest = data
    return result


def _forwarded(head: RequestHead, data: bytes, ids: IdSource, endpoint: bytes) -> tuple[bytes, int] | None:
    """The bytes that an endpoint gets, and how many of `data` they took; None while the body is not complete."""
    lines = forwarded_fields(head, _ORIGIN, request_ids(head, ids, _TERMS), b"")
    block = attempt_head(head, lines, 1, b"", None, endpoint)
    body = reader_for(head.framing, head.content_length, LIMITS)
    payload = body.feed(data, head.size)
    if not body.done:
        return None
    if head.framing == CHUNKED:
        chunk = chunk_start(len(payload)) + payload + CHUNK_END if payload else b""
        return block + chunk + last_chunk(body.trailers), body.consumed
    return block + payload, body.consumed
