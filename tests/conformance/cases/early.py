"""Answers that come before the request is whole, and who leaves in the middle (RFC 9112 sections 8 and 9.5)."""

from __future__ import annotations

from tests.conformance.case import (
    CHUNKED,
    HIDDEN,
    MUST,
    SECURITY,
    SHOULD,
    Case,
    Do,
    Judge,
    Seen,
    get,
    length,
    ok,
    post,
    span,
)
from tests.conformance.judge import aborted, answered, at_most, every, forwarded

_NO = ok(length(b"no"), b"no", b"413 Content Too Large")
_NO_CLOSE = ok(b"Connection: close\r\n" + length(b"no"), b"no", b"413 Content Too Large")
_LATE = "After an early answer the rest of the body is still a body, for every reader."


def _streamed(seen: Seen) -> str:
    return "" if not seen.missed else "held the answer back until it was whole"


_GOT: Judge = answered(413, b"no")

CASES = (
    Case("early/answer", "RFC 9110 §15, RFC 9112 §9.5", SHOULD,
         "An answer before the end of the body reaches the client.",
         (post(length(b"x" * 10), b"abc"), Do.AWAIT_ANSWER, b"x" * 7), _GOT, (_NO,), early=True),
    Case("early/answer-and-close", "RFC 9112 §9.5", SHOULD, "Even where the backend closes at once.",
         (post(length(b"x" * 10), b"abc"), Do.AWAIT_ANSWER, b"x" * 7), _GOT, (_NO_CLOSE, Do.CLOSE), early=True),
    Case("early/rest-like-a-request", "RFC 9112 §9.3", SECURITY, _LATE,
         (post(b"Content-Length: %d\r\n" % span(HIDDEN)), Do.AWAIT_ANSWER, HIDDEN), _GOT, (_NO,), early=True),
    Case("early/rest-like-a-request-closed", "RFC 9112 §9.3", SECURITY, _LATE,
         (post(b"Content-Length: %d\r\n" % span(HIDDEN)), Do.AWAIT_ANSWER, HIDDEN), _GOT, (_NO_CLOSE, Do.CLOSE),
         early=True),
    Case("early/rest-chunked", "RFC 9112 §9.3", SECURITY, _LATE,
         (post(CHUNKED, b"3\r\nabc\r\n"), Do.AWAIT_ANSWER, b"%x\r\n" % span(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"), _GOT,
         (_NO,), early=True),
    Case("early/rest-never-comes", "RFC 9112 §9.3", SECURITY,
         "A connection to the backend on which a body is missing serves no other request.",
         (post(b"Content-Length: %d\r\n" % span(HIDDEN), b"abc"), Do.AWAIT_ANSWER, Do.LEAVE), aborted,
         (_NO,), early=True),
    Case("early/unread-body-poisons", "RFC 9112 §9.3", SECURITY,
         "A backend that answers and does not read leaves no bytes for the next reader.",
         (post(length(b"x" * 70_000), b"x" * 35_000), Do.AWAIT_ANSWER, b"x" * 35_000), _GOT, (_NO,), early=True),
    Case("early/client-leaves", "RFC 9112 §8", SECURITY, "A body that stops is not made whole.",
         (post(b"Content-Length: 10\r\n", b"abc"), Do.AWAIT_REQUEST, Do.LEAVE), aborted),
    Case("early/client-leaves-chunked", "RFC 9112 §8", SECURITY, "A chunked body that stops gets no last chunk.",
         (post(CHUNKED, b"3\r\nabc\r\n"), Do.AWAIT_REQUEST, Do.LEAVE), aborted),
    Case("early/client-leaves-answer", "RFC 9112 §9.3", SECURITY,
         "What is left of an answer nobody reads reaches no other client.",
         (get(), Do.AWAIT_REQUEST, Do.GO, Do.LEAVE), at_most(1),
         (ok(length(b"x" * 100_000), b"x" * 50_000), Do.AWAIT_GO, b"x" * 50_000)),
    Case("early/answer-streamed", "RFC 9112 §7.1", SHOULD, "Pieces of an answer are passed on as they come.",
         (get(), Do.AWAIT_BODY, Do.GO), every(_streamed, answered(body=b"abcdef")),
         (ok(CHUNKED, b"3\r\nabc\r\n"), Do.AWAIT_GO, b"3\r\ndef\r\n0\r\n\r\n")),
    Case("early/body-streamed", "RFC 9112 §7.1", SHOULD, "Pieces of a body are forwarded as they come.",
         (post(length(b"abcdef"), b"abc"), Do.AWAIT_REQUEST, b"def"),
         every(lambda seen: "held the request back until it was whole" if seen.missed else "", forwarded(b"abcdef"))),
    Case("early/large-answer", "RFC 9112 §6", MUST, "A large answer is passed on whole.", (get(),),
         answered(body=b"x" * 300_000), (ok(length(b"x" * 300_000), b"x" * 300_000),)),
    Case("early/large-body", "RFC 9112 §6", MUST, "A large body is forwarded whole.",
         (post(length(b"x" * 300_000), b"x" * 300_000),), forwarded(b"x" * 300_000)),
    Case("early/large-chunked-body", "RFC 9112 §7.1", MUST, "A large chunked body is forwarded whole.",
         (post(CHUNKED, b"2710\r\n" + b"y" * 10_000 + b"\r\n") ,
         (b"2710\r\n" + b"y" * 10_000 + b"\r\n") * 20 + b"0\r\n\r\n"),
         forwarded(b"y" * 210_000)),
)  # fmt: skip
