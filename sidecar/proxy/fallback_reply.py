"""What a route's fallback answers, as bytes; and what its store of last good answers is shown of heads.

Owns the way between the wire's heads and the store's questions and answers. Whether to fall back the decision says;
what may be kept and served the store does.
"""

from __future__ import annotations

from sidecar.model.status import BODILESS
from sidecar.policies.cacheability import Answer, Question
from sidecar.policies.fallback import Fallback
from sidecar.policies.stale_store import Capture, StaleStore
from sidecar.proxy.head_edits import HeadEdits
from sidecar.proxy.local_reply import LocalReply, quoted
from sidecar.wire.caching import age_seconds, cache_directives, ends_itself, replayable, vary_names
from sidecar.wire.dates import parse_http_date
from sidecar.wire.message import NO_BODY, RequestHead, ResponseHead
from sidecar.wire.origin import Origin
from sidecar.wire.writer import status_line

STATIC = "static"
STALE = "stale"


class FallbackReply:
    """A LocalReply and which kind of fallback it is."""

    __slots__ = ("kind", "reply")

    def __init__(self, kind: str, reply: LocalReply) -> None:
        self.kind = kind
        self.reply = reply


def fallback_reply(
    fallback: Fallback,
    head: RequestHead,
    origin: Origin,
    now: float,
    cause: str,
    ours: bytes,
    edits: HeadEdits | None = None,
    secure: bool = False,
) -> FallbackReply | None:
    """The answer instead of `cause` (a reason's word, or the upstream's status); None when there is nothing to say.

    `ours` are the lines that every own answer ends with: identifiers and Connection among them. `edits` are the
    route's, made to an answer that was kept as they would have been to the same answer when it came: what a rule takes
    out must not come back during an outage. A fixed reply is what the rules say already, and gets what every answer of
    the route's gets. `secure`: the client uses https.
    """
    without_body = head.method == b"HEAD"
    if fallback.stale is None:
        fields = fallback.fields if edits is None else edits.to_own(fallback.fields, secure)
        block = fields + _proxy_status(STATIC, cause) + ours + b"\r\n"
        body = b"" if without_body or fallback.status in BODILESS else fallback.body
        return FallbackReply(STATIC, LocalReply(fallback.status, status_line(fallback.status) + block, body))
    kept = fallback.stale.find(question(head, origin), now)
    if kept is None:
        return None
    lines = b"Age: %d\r\nContent-Length: %d\r\n" % (int(kept.age(now)), len(kept.body))
    made = None if edits is None else edits.of_answer(secure)
    fields = kept.fields if made is None else made.apply(kept.fields)
    block = fields + lines + _proxy_status(STALE, cause) + ours + b"\r\n"
    return FallbackReply(STALE, LocalReply(kept.status, status_line(kept.status) + block, kept.body))


def capture(
    store: StaleStore, head: RequestHead, answer: ResponseHead, origin: Origin, sent_at: float, now: float, wall: float
) -> Capture | None:
    """Begins to remember an answer that is relayed, where it may be kept. To be ended by `commit` or `abandon`."""
    return store.begin(question(head, origin), _answer(answer, wall), sent_at, now, wall)


def question(head: RequestHead, origin: Origin) -> Question:
    """A request as the store sees it. A certificate that the upstream is told of may choose the answer."""
    directives = cache_directives(head.header(b"cache-control"), head.header(b"pragma"))
    told = origin.certificate != b""
    return Question(head, origin.scheme, head.origin_target, directives, head.framing == NO_BODY, told)


def _answer(head: ResponseHead, wall: float) -> Answer:
    directives = cache_directives(head.header(b"cache-control"), head.header(b"pragma"))
    answer = Answer(head.status, replayable(head.fields, wall), directives)
    answer.vary = vary_names(head.header(b"vary"))
    answer.sets_cookie = head.header(b"set-cookie") is not None
    answer.ends_itself = ends_itself(head.framing, head.header(b"content-type"))
    answer.length = head.content_length
    answer.age = age_seconds(head.header(b"age"))
    answer.date = parse_http_date(head.header(b"date"), wall)
    answer.expires = parse_http_date(head.header(b"expires"), wall)
    return answer


def _proxy_status(kind: str, cause: str) -> bytes:
    # RFC 9209 section 2: without `error` it says that the intermediary made the response, and why.
    return f"Proxy-Status: sidecar; details={quoted(f'fallback={kind}; {cause}')}\r\n".encode("latin-1")
