"""h11 as a server: an independent reader that knows no mercy for what it was not told."""

from __future__ import annotations

import h11

from tests.differential.reading import Reading, UnreadableError


def h11_reads(data: bytes) -> Reading:
    """The one request that these bytes are. Raises `UnreadableError` where h11 refuses them, finds less, or more."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    server.receive_data(data)
    try:
        head = server.next_event()
        if not isinstance(head, h11.Request):
            raise UnreadableError(f"h11 finds no request: {head!r}")
        body = b""
        while isinstance(event := server.next_event(), h11.Data):
            body += event.data
    except h11.RemoteProtocolError as fault:
        raise UnreadableError(f"h11 refuses it: {fault}") from fault
    if not isinstance(event, h11.EndOfMessage):
        raise UnreadableError(f"h11 finds no end: {event!r}")
    left, _ = server.trailing_data
    if left:
        raise UnreadableError(f"h11 has bytes left over: {left[:80]!r}")
    fields = tuple([(bytes(name), bytes(value)) for name, value in head.headers])
    return Reading(bytes(head.method), bytes(head.target), fields, body, data)
