"""What a shared cache may keep, for whom it may serve it stale, and how old it is: RFC 9111 as pure decisions.

Owns the rules of sections 3, 4.2.3 and 4.2.4, and what a store is shown of a request and of an answer. May not know how
heads are written (a `Question` and an `Answer` bring what was read from them) nor where answers are kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sidecar.model.facts import RequestFacts

NO_DATE = -1.0
NO_LENGTH = -1

# What an answer means for what is kept of its target.
IGNORED = 0
KEPT = 1
FORGOTTEN = 2  # it is the last word on the target: what is kept is no longer true, or no longer to be kept

# Response directives after which nothing is kept. `s-maxage` implies proxy-revalidate (RFC 9111 section 5.2.2.10);
# `must-understand` asks for more knowledge of statuses than we claim to have.
_FORBIDDING = (
    b"no-store", b"private", b"no-cache", b"must-revalidate", b"proxy-revalidate", b"s-maxage", b"must-understand"
)  # fmt: skip
# RFC 9110 section 9.2.1, and QUERY. A safe method missing here costs a kept answer; an unsafe one listed, its truth.
_SAFE = (b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"QUERY")


class Question:
    """A request as the store sees it. `directives` maps Cache-Control's words in lower case to their seconds, and is
    None where it is malformed; `bodiless` is whether the request has no body. `scheme` is the one the client used.
    `certified`: the upstream is told of the client's certificate, and may answer as suits its owner."""

    __slots__ = ("bodiless", "certified", "directives", "facts", "key", "scheme")

    def __init__(
        self,
        facts: RequestFacts,
        scheme: bytes,
        target: bytes,
        directives: Mapping[bytes, int] | None,
        bodiless: bool,
        certified: bool = False,
    ) -> None:
        """`target` is path and query as they arrived: one that is spelt otherwise is another one."""
        self.certified = certified
        self.facts = facts
        self.scheme = scheme
        self.key = target_key(facts.authority, target)
        self.directives = directives
        self.bodiless = bodiless


class Answer:
    """An upstream's answer as the store sees it, its head only.

    `fields` are the lines to replay: without Age and Content-Length, with a Date. `vary` is None where it fits nobody
    else. `age` in seconds, 0 without one; `date` and `expires` in seconds since 1970 or `NO_DATE`. `length` is that of
    the body or `NO_LENGTH`. `ends_itself`: its end is not the close of the connection, which a crash looks like too.
    """

    __slots__ = (
        "age",
        "date",
        "directives",
        "ends_itself",
        "expires",
        "fields",
        "length",
        "sets_cookie",
        "status",
        "vary",
    )

    def __init__(self, status: int, fields: bytes, directives: Mapping[bytes, int] | None) -> None:
        self.status = status
        self.fields = fields
        self.directives = directives
        self.vary: tuple[bytes, ...] | None = ()
        self.sets_cookie = False
        self.ends_itself = True
        self.length = NO_LENGTH
        self.age = 0
        self.date = NO_DATE
        self.expires = NO_DATE


def invalidates(method: bytes, status: int) -> bool:
    """Whether this answer makes what is kept of its target untrue: an unsafe method, an unknown one included, that
    did not fail (RFC 9111 section 4.4)."""
    return method not in _SAFE and 200 <= status < 400


def target_key(authority: bytes, target: bytes) -> bytes:
    """What is kept of one target is kept under. The port stays: whoever may write `Host: other:443` must not answer
    for `other`."""
    return authority.lower() + b" " + target  # neither half can hold a space


def may_be_served_for(question: Question) -> bool:
    """Whether a stored answer may stand in for the answer to this request.

    `max-age` and `min-fresh` say what a client prefers (RFC 9111 section 5.2.1), and so does every browser's reload;
    the choice here is between an old answer and none. `only-if-cached` is satisfied by being served from a store.
    """
    facts = question.facts
    return (
        _may_be_kept_for(question)
        and b"no-cache" not in (question.directives or ())
        # RFC 9111 section 4.3.2: these are for the origin to evaluate.
        and facts.header(b"if-match") is None
        and facts.header(b"if-unmodified-since") is None
    )


def meaning(question: Question, answer: Answer) -> int:
    """What this answer to this request means for what is kept: `KEPT`, `IGNORED` or `FORGOTTEN`."""
    if not _may_be_kept_for(question):
        return IGNORED
    has_cookie = question.facts.header(b"cookie") is not None
    gone = answer.status in (404, 410)
    if gone or (answer.status == 200 and not _may_be_kept(answer)):
        # Unless it was said to one person only, as far as anyone can tell.
        return IGNORED if has_cookie else FORGOTTEN
    if answer.status != 200 or answer.sets_cookie or not answer.ends_itself or answer.vary is None:
        # Not 203 either: somebody on the way altered that one. Set-Cookie is not forbidden by RFC 9111 (section 7.3),
        # but a session handed to the next caller cannot be taken back.
        return IGNORED
    if has_cookie and b"public" not in (answer.directives or ()) and b"cookie" not in answer.vary:
        # Most applications with sessions say nothing of caching at all, and rely on nobody doing it.
        return IGNORED
    return KEPT


def initial_age(answer: Answer, requested_at: float, now: float, wall: float) -> float:
    """Seconds of age on arrival: corrected_initial_age of RFC 9111 section 4.2.3 in its careful form, so a Date counts
    where there is one. `requested_at` and `now` in monotonic seconds, `wall` is `now` in seconds since 1970."""
    apparent = max(0.0, wall - answer.date) if answer.date >= 0 else 0.0
    return max(apparent, answer.age + max(0.0, now - requested_at))


def age_limit(answer: Answer, wall: float) -> float:
    """Seconds of age beyond which the upstream does not want it served: its `stale-if-error` (RFC 5861 section 4) on
    top of its freshness, infinity where it says none."""
    directives = answer.directives or {}
    if b"stale-if-error" not in directives:
        return math.inf
    lifetime = 0.0
    if b"max-age" in directives:
        lifetime = max(0.0, directives[b"max-age"])
    elif answer.expires >= 0:
        lifetime = max(0.0, answer.expires - (answer.date if answer.date >= 0 else wall))
    return lifetime + max(0, directives[b"stale-if-error"])


def _may_be_kept_for(question: Question) -> bool:
    facts = question.facts
    directives = question.directives
    return (
        facts.method == b"GET"
        and question.bodiless  # a body may choose the answer, and is part of no key
        and directives is not None
        and b"no-store" not in directives
        and facts.header(b"authorization") is None  # RFC 9111 section 3.5, without its exceptions
        and not question.certified  # a certificate says who asks as well as Authorization does
        and facts.header(b"range") is None
        and facts.header(b"upgrade") is None
    )


def _may_be_kept(answer: Answer) -> bool:
    directives = answer.directives
    if directives is None:
        return False
    return not any(directive in directives for directive in _FORBIDDING)
