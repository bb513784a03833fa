"""The heads that an exchange sends: what the decision knows, joined with what the wire makes of a message.

Owns which facts of the exchange go into a head. How heads look is wire's.
"""

from __future__ import annotations

import time

from sidecar.proxy.head_edits import HeadEdits
from sidecar.wire.dates import DateLine
from sidecar.wire.forwarding import attempt_line
from sidecar.wire.framing import downstream_framing
from sidecar.wire.message import NO_BODY, RequestHead, ResponseHead
from sidecar.wire.writer import request_head, response_head

_DATE = DateLine()


def attempt_head(
    head: RequestHead,
    fields: bytes,
    attempt: int,
    deadline: bytes,
    edits: HeadEdits | None = None,
    authority: bytes = b"",
) -> bytes:
    """The request as one attempt carries it. `fields` are what the upstream is told of its way here; `deadline` the
    line that says what is left, perhaps empty; `authority` the endpoint's own, for a request that names none."""
    lines = deadline if attempt == 1 else attempt_line(attempt) + deadline
    if edits is None:
        return request_head(head, fields, lines, authority)
    return edits.request_head(head, fields + lines, authority)


def answer_framing(answer: ResponseHead, request: RequestHead) -> int:
    """How the answer's body goes to the client: an HTTP/1.0 one cannot read chunks."""
    return downstream_framing(answer.framing, request.minor_version)


def answer_head(
    answer: ResponseHead,
    request: RequestHead,
    framing: int,
    close: bool,
    extra: bytes = b"",
    edits: HeadEdits | None = None,
    secure: bool = False,
) -> bytes:
    """The final head as the client gets it. `extra` are lines that every answer of the route carries; `secure`: the
    client uses https."""
    made = None if edits is None else edits.of_answer(secure)
    if not answer.dated:
        # RFC 9110 section 6.6.1: whoever has a clock appends what the backend left out.
        extra = _DATE.of(time.time()) + extra
    return response_head(answer, framing, not close, request.minor_version, extra, made)


def informational_head(answer: ResponseHead) -> bytes:
    """An interim head, or a 101, as the client gets it."""
    return response_head(answer, NO_BODY, True, 1)
