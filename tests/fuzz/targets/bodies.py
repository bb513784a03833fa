"""Bodies: where one ends is the same however its bytes come, and what is sent on ends where what came ended."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.wire.body import reader_for
from sidecar.wire.chunked import ChunkedBody
from sidecar.wire.errors import BAD_REQUEST, HEADERS_TOO_LARGE, BadMessage
from sidecar.wire.framing import downstream_framing
from sidecar.wire.head import parse_request, parse_response
from sidecar.wire.message import CHUNKED, UNTIL_CLOSE, HeadLimits, RequestHead, ResponseHead
from sidecar.wire.trailers import forwardable_trailers
from sidecar.wire.writer import CHUNK_END, chunk_start, last_chunk, request_head, response_head
from tests.fuzz.claims import OF_ONE_HOP, SAID_ANEW, lines_of, refused
from tests.fuzz.targets.heads import LIMITS, METHODS, WIDE, meaning

TRAILER_LIMITS = HeadLimits(max_bytes=512, max_fields=12, max_target=64)
_MOST_MESSAGES = 8


def _fed(data: bytes, step: int) -> tuple[object, ...]:
    body = ChunkedBody(TRAILER_LIMITS, BAD_REQUEST)
    pieces: list[bytes] = []
    at = 0
    try:
        while at < len(data) and not body.finish_at_close():
            piece = data[at : at + step]
            pieces.append(body.feed(piece))
            assert 0 <= body.consumed <= len(piece), "never more than there is"
            at += body.consumed
            assert body.finish_at_close() or body.consumed == len(piece), "all of it, while it is not the end"
    except BadMessage as error:
        return refused(error)
    payload = b"".join(pieces)
    assert body.received == len(payload), "what is counted is what came"
    whole = body.finish_at_close()
    assert whole is body.done, "a close ends no chunked body"
    return ("taken", payload, whole, at if whole else -1, body.trailers)


def chunked(data: bytes) -> object:
    """A chunked body: in whatever pieces it comes, it is the same one; sent on, it is still the same one."""
    at_once = _fed(data, max(1, len(data)))
    for step in (1, 2, 7):
        found = _fed(data, step)
        assert found[0] == at_once[0], "pieces are taken where the whole is"
        if found[0] != "refused":
            assert found == at_once, "and are the same body"
    if at_once[0] == "refused":
        return at_once[:2]
    _, payload, done, end, trailers = at_once
    assert isinstance(payload, bytes)
    assert isinstance(trailers, bytes)
    assert len(payload) <= len(data), "a body is no longer than what it came in"
    lines_of(trailers)
    if done:
        sent = (chunk_start(len(payload)) + payload + CHUNK_END if payload else b"") + last_chunk(trailers)
        assert _fed(sent, len(sent)) == ("taken", payload, True, len(sent), trailers), "sent on, it is the same"
        assert isinstance(end, int)
        assert _fed(data[:end], 3) == at_once, "what follows a body changes nothing"
    return at_once


def trailers(data: bytes) -> object:
    """A trailer section: lines that may travel, in their order, as they came."""
    section = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    try:
        kept = forwardable_trailers(section, TRAILER_LIMITS, BAD_REQUEST, HEADERS_TOO_LARGE)
    except BadMessage as error:
        return refused(error)
    lines = lines_of(kept)
    for name, _ in lines:
        plain = name.replace(b"_", b"-")
        assert plain not in OF_ONE_HOP | SAID_ANEW, "no trailer steers a hop"
        assert plain not in (b"host", b"content-length", b"authorization", b"cookie"), "nor whom a request is from"
    came = iter(section.split(b"\r\n"))
    assert all(line in came for line in kept.split(b"\r\n")[:-1]), "a part of what came, in its order"
    assert len(lines) <= TRAILER_LIMITS.max_fields, "the lines are bounded"
    return kept


Head = RequestHead | ResponseHead
Message = tuple[tuple[object, ...], bytes, bytes]
# From bytes, how many messages came before, and limits: the next head, what it means, and whether no other follows.
Next = Callable[[bytes, int, HeadLimits], tuple[Head | None, tuple[object, ...], bool]]


def requests(data: bytes) -> object:
    """Requests one after another: sent on, they are as many, and the same ones. The opposite is smuggling."""

    def following(rest: bytes, index: int, limits: HeadLimits) -> tuple[Head | None, tuple[object, ...], bool]:
        head = parse_request(rest, limits)
        return (None, (), False) if head is None else (head, meaning(head), bool(head.upgrade))

    try:
        heads, came = _messages(data, following, LIMITS)
    except BadMessage as error:
        return refused(error)
    sent = b"".join(
        request_head(head, b"") + _sent_body(head.framing, body, trailers)
        for head, (_, body, trailers) in zip(heads, came, strict=True)
        if isinstance(head, RequestHead)
    )
    assert _messages(sent, following, WIDE)[1] == came, "as many, and each means the same"
    return came


def answers(data: bytes) -> object:
    """Answers one after another, each to a request with the method that its place in the first byte chooses."""
    methods, data = (data[0] if data else 0), data[1:]

    def following(rest: bytes, index: int, limits: HeadLimits) -> tuple[Head | None, tuple[object, ...], bool]:
        head = parse_response(rest, limits, METHODS[methods >> 2 * (index & 3) & 3])
        if head is None:
            return None, (), False
        # A tunnel begins, or this connection is over: nothing is read as an answer after it.
        return head, (head.status, head.reason, head.content_length), head.status == 101 or not head.keep_alive

    try:
        heads, came = _messages(data, following, LIMITS)
    except BadMessage as error:
        return refused(error)
    sent = b""
    for head, (_, body, trailers) in zip(heads, came, strict=True):
        if isinstance(head, ResponseHead):
            framing = downstream_framing(head.framing, 1)
            sent += response_head(head, framing, True, 1) + _sent_body(framing, body, trailers)
    assert _messages(sent, following, WIDE)[1] == came, "as many, and each means the same"
    return came


def _messages(data: bytes, following: Next, limits: HeadLimits) -> tuple[list[Head], list[Message]]:
    """The complete messages at the beginning of `data`, with their bodies."""
    heads: list[Head] = []
    found: list[Message] = []
    at = 0
    while at < len(data) and len(found) < _MOST_MESSAGES:
        head, says, last = following(data[at:], len(found), limits)
        if head is None:
            break
        body = reader_for(head.framing, head.content_length, TRAILER_LIMITS)
        at += head.size
        payload = b""
        if not body.done:
            payload = body.feed(data, at)
            assert at <= body.consumed <= len(data), "never more than there is"
            at = body.consumed
        if head.framing == UNTIL_CLOSE:
            assert body.finish_at_close(), "the close is its end"
        if not body.done:
            break
        heads.append(head)
        found.append((says, payload, body.trailers))
        if last:
            break
    return heads, found


def _sent_body(framing: int, payload: bytes, trailers: bytes) -> bytes:
    if framing != CHUNKED:
        return payload
    middle = len(payload) // 2
    chunks = [chunk_start(len(piece)) + piece + CHUNK_END for piece in (payload[:middle], payload[middle:]) if piece]
    return b"".join((*chunks, last_chunk(trailers)))
