"""Heads: refused, incomplete, or forwarded so that whoever reads them next reads the same message."""

from __future__ import annotations

from hashlib import blake2b

from sidecar.wire.errors import CODES, UPSTREAM_PROTOCOL_ERROR, BadMessage
from sidecar.wire.framing import downstream_framing
from sidecar.wire.head import HeadLimits, parse_request, parse_response
from sidecar.wire.message import CHUNKED, LENGTH, RequestHead, ResponseHead
from sidecar.wire.writer import request_head, response_head
from tests.fuzz.claims import SAID_ANEW, forwardable, framed, lines_of, refused, sent_request, sent_response, values_of

LIMITS = HeadLimits(max_bytes=1024, max_fields=24, max_target=256)
WIDE = HeadLimits()
METHODS = (b"GET", b"HEAD", b"POST", b"CONNECT")


def meaning(head: RequestHead) -> tuple[object, ...]:
    """What a request asks for, as whoever forwards it must leave it."""
    return (
        head.method, head.origin_target, head.path, head.query, head.authority, head.framing, head.content_length,
        head.upgrade, head.te_trailers, head.content_type, head.has_idempotency_key,
    )  # fmt: skip


_PUBLIC = {
    kind: tuple(name for name in dir(kind()) if not name.startswith("_") and name != "header")
    for kind in (RequestHead, ResponseHead)
}


def whole(head: RequestHead | ResponseHead) -> list[tuple[str, object]]:
    """Every public attribute."""
    return [(name, getattr(head, name)) for name in _PUBLIC[type(head)]]


def request(data: bytes) -> object:
    """A request head: limits kept, forwarded safely, and read back as the same request."""
    try:
        head = parse_request(data, LIMITS)
    except BadMessage as error:
        return refused(error, CODES - {UPSTREAM_PROTOCOL_ERROR})
    if head is None:
        assert len(data) < LIMITS.max_bytes + 4, "an incomplete head is not waited for without end"
        return None
    assert data[head.size - 4 : head.size] == b"\r\n\r\n", "a head ends with an empty line"
    assert head.size <= LIMITS.max_bytes + 4, "the size is bounded"
    assert len(head.target) <= LIMITS.max_target, "so is the target"
    assert head.header(b"host") in (None, head.authority), "the host that is routed by is the one that is sent"
    lines = lines_of(head.fields)
    assert len(lines) <= LIMITS.max_fields + 1, "so are the lines"
    forwardable(lines)
    assert not {name for name, _ in lines} & SAID_ANEW, "what is written anew is cut"
    sent = request_head(head, b"")
    length, chunked = framed(sent_request(sent))
    assert chunked == (head.framing == CHUNKED), "the framing that is sent is the one that was read"
    assert length == head.content_length, "and so is the length"
    assert head.framing != LENGTH or length > 0, "a body of a length has one"
    again = parse_request(sent, WIDE)
    assert again is not None, "what is sent is whole"
    assert again.size == len(sent), "nothing is left over"
    assert meaning(again) == meaning(head), "it means the same"
    assert request_head(again, b"") == sent, "a second hop changes nothing"
    wide = parse_request(data, WIDE)
    assert wide is not None, "wider limits take what narrow ones take"
    assert whole(wide) == whole(head), "and read it the same way"
    return whole(head)


def response(data: bytes) -> object:
    """A response head, as an answer to a request with the method that the first byte chooses."""
    method, data = METHODS[data[0] & 3 if data else 0], data[1:]
    try:
        head = parse_response(data, LIMITS, method)
    except BadMessage as error:
        return refused(error, {UPSTREAM_PROTOCOL_ERROR})
    if head is None:
        assert len(data) < LIMITS.max_bytes + 4, "an incomplete head is not waited for without end"
        return None
    assert 100 <= head.status <= 599, "a status"
    forwardable(lines_of(head.fields))
    for minor in (0, 1):
        if minor == 0 and head.status < 200:
            continue  # never sent to such a client: RFC 9110 section 15.2
        framing = downstream_framing(head.framing, minor)
        sent = response_head(head, framing, True, minor)
        lines = sent_response(sent)
        assert framed(lines) == (head.content_length, framing == CHUNKED), "the framing that is sent"
        assert values_of(lines, b"via"), "each hop says that it was there"
        again = parse_response(sent, WIDE, method)
        assert again is not None, "what is sent is whole"
        assert again.size == len(sent), "nothing is left over"
        assert (again.status, again.reason, again.framing) == (head.status, head.reason, framing), "it means the same"
        assert again.content_length == head.content_length, "it means the same"
    return whole(head)


def splits(data: bytes) -> object:
    """A head that comes in pieces is read as the one that came at once."""
    is_response = data[:1] == b"H"
    at_once = _outcome(data, 0, is_response)
    step = 1 if len(data) <= 192 else 1 + blake2b(data, digest_size=1).digest()[0] % 97
    seen = 0
    found: object = None
    while found is None and seen < len(data):
        more = min(len(data), seen + step)
        found = _outcome(data[:more], seen, is_response)
        seen = more
    if found is None and isinstance(at_once, tuple):
        # Pieces are not parsed anew before there is an end: what is wrong in them may be said then.
        found = _outcome(data + b"\r\n\r\n", seen, is_response)
    if isinstance(at_once, tuple) or isinstance(found, tuple):
        assert isinstance(at_once, tuple), "pieces are not refused where the whole is taken"
        assert isinstance(found, tuple), "pieces are not taken where the whole is refused"
        return at_once[:1]
    assert found == at_once, "pieces are read as the whole"
    return at_once


def _outcome(data: bytes, searched: int, is_response: bool) -> object:
    try:
        head = parse_response(data, LIMITS, b"GET", searched) if is_response else parse_request(data, LIMITS, searched)
    except BadMessage as error:
        return refused(error)
    return None if head is None else whole(head)
