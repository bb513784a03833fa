"""The heads that an exchange sends: what the decision knows, joined with what the wire makes of a message.

Owns which facts of the exchange go into a head. How heads look is wire's.
"""

from __future__ import annotations

from sidecar.wire.forwarding import attempt_line
from sidecar.wire.framing import downstream_framing
from sidecar.wire.message import NO_BODY, RequestHead, ResponseHead
from sidecar.wire.writer import request_head, response_head


def attempt_head(head: RequestHead, stable: bytes, attempt: int, deadline: bytes) -> bytes:
    """The request as one attempt carries it. `stable` is what all its attempts carry; `deadline` the line that says
    what is left, perhaps empty."""
    return request_head(head, stable, deadline if attempt == 1 else attempt_line(attempt) + deadline)


def answer_framing(answer: ResponseHead, request: RequestHead) -> int:
    """How the answer's body goes to the client: an HTTP/1.0 one cannot read chunks."""
    return downstream_framing(answer.framing, request.minor_version)


def answer_head(answer: ResponseHead, request: RequestHead, framing: int, close: bool) -> bytes:
    """The final head as the client gets it."""
    return response_head(answer, framing, not close, request.minor_version)


def informational_head(answer: ResponseHead) -> bytes:
    """An interim head, or a 101, as the client gets it."""
    return response_head(answer, NO_BODY, True, 1)
