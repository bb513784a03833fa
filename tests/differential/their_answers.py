"""What Sidecar makes of an endpoint's answer, in process, and whether h11 as a client reads the same of it.

Owns the order: interim answers, final head, body, what the client gets. An answer cut short must look cut short to the
client too; one that Sidecar refuses becomes a 502 of its own and is no matter here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h11

from sidecar.proxy.heads import answer_framing, answer_head, informational_head
from sidecar.wire.body import reader_for
from sidecar.wire.errors import UPSTREAM_PROTOCOL_ERROR, BadMessage
from sidecar.wire.head import parse_request, parse_response
from sidecar.wire.message import CHUNKED, RequestHead, ResponseHead
from sidecar.wire.writer import CHUNK_END, chunk_start, last_chunk
from tests.differential.judging import OF_THE_WAY, fields_difference
from tests.differential.ours import LIMITS
from tests.differential.reading import Fields, UnreadableError

_SWITCHED = 101
_OF_THE_WAY = OF_THE_WAY | frozenset(
    {b"proxy-authenticate", b"proxy-authentication-info", b"http2-settings", b"date", b"server"}
)


@dataclass(slots=True)
class Passed:
    """An answer on its way to the client: its final head, the body, all bytes sent; `whole` unless it was cut short."""

    head: ResponseHead
    body: bytes
    sent: bytes
    whole: bool


@dataclass(frozen=True, slots=True)
class Read:
    """An answer as a client has read it."""

    status: int
    fields: Fields = field(default=())
    body: bytes = b""
    whole: bool = True


def passed(data: bytes, method: bytes) -> Passed | None:
    """What becomes of all that an endpoint sends before it closes; None where it is refused, or no answer comes."""
    request = parse_request(method + b" / HTTP/1.1\r\nHost: h\r\n\r\n", LIMITS)
    assert request is not None
    sent = b""
    try:
        while (head := parse_response(data, LIMITS, method)) is not None:
            if head.status >= 200:
                return _final(head, data, request, sent)
            if head.status == _SWITCHED:
                return None  # nobody asked for it
            sent += informational_head(head)
            data = data[head.size :]
    except BadMessage:
        return None
    return None


def _final(head: ResponseHead, data: bytes, request: RequestHead, sent: bytes) -> Passed:
    reader = reader_for(head.framing, head.content_length, LIMITS, UPSTREAM_PROTOCOL_ERROR)
    framing = answer_framing(head, request)
    sent += answer_head(head, request, framing, False)
    body, whole = b"", True
    try:
        body = reader.feed(data, head.size)
        whole = reader.done or reader.finish_at_close()
    except BadMessage:
        whole = False
    if framing != CHUNKED:
        return Passed(head, body, sent + body, whole)
    sent += chunk_start(len(body)) + body + CHUNK_END if body else b""
    return Passed(head, body, sent + last_chunk(reader.trailers) if whole else sent, whole)


def h11_reads(data: bytes, method: bytes) -> Read:
    """What a client that asked with `method` reads, the connection being closed behind it. Raises `UnreadableError`."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    client.send(h11.Request(method=method, target=b"/", headers=[(b"Host", b"h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    body = b""
    try:
        while isinstance(head := client.next_event(), h11.InformationalResponse):
            pass
    except h11.RemoteProtocolError as fault:
        raise UnreadableError(f"h11 refuses it: {fault}") from fault
    if not isinstance(head, h11.Response):
        raise UnreadableError(f"h11 finds no answer: {head!r}")
    fields = tuple([(bytes(name), bytes(value)) for name, value in head.headers])
    try:
        while (event := client.next_event()) is not h11.NEED_DATA and isinstance(event, h11.Data):
            body += event.data
        if event is h11.NEED_DATA:
            client.receive_data(b"")
            event = client.next_event()
    except h11.RemoteProtocolError as fault:
        if "peer closed connection" in str(fault):
            return Read(head.status_code, fields, body, whole=False)
        raise UnreadableError(f"h11 refuses it: {fault}") from fault
    return Read(head.status_code, fields, body, isinstance(event, h11.EndOfMessage))


def fault(data: bytes, method: bytes) -> str:
    """What differs between what Sidecar reads of an answer and what h11 reads of what the client gets."""
    ours = passed(data, method)
    if ours is None:
        return ""
    try:
        theirs = h11_reads(ours.sent, method)
    except UnreadableError as unreadable:
        return str(unreadable)
    mine = Read(ours.head.status, _fields_of(ours.head), ours.body, ours.whole)
    return answer_difference(mine, theirs)


def _fields_of(head: ResponseHead) -> Fields:
    split = [line.partition(b":") for line in head.fields.split(b"\r\n")[:-1]]
    return tuple([(name.lower(), value.strip(b" \t")) for name, _, value in split])


def answer_difference(ours: Read, theirs: Read, also: frozenset[bytes] = frozenset()) -> str:
    """What differs, or an empty string; of a body that was cut short, as much as came may have come."""
    if ours.status != theirs.status:
        return f"status {ours.status}, read as {theirs.status}"
    if ours.whole != theirs.whole:
        return f"a body that is {'whole' if ours.whole else 'cut short'} was read as the other"
    if theirs.body != ours.body if ours.whole else not ours.body.startswith(theirs.body):
        return f"body {ours.body!r}, read as {theirs.body!r}"
    return fields_difference(ours.fields, theirs.fields, _OF_THE_WAY | also)
