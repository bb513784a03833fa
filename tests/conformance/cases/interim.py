"""Interim answers and Expect (RFC 9110 sections 10.1.1 and 15.2)."""

from __future__ import annotations

from tests.conformance.case import HOST, MUST, SECURITY, SHOULD, Case, Do, Judge, Seen, get, length, ok, post
from tests.conformance.judge import answered, bad_gateway, either, every, forwarded, met, refused

_OK = ok(length(b"ok"), b"ok")
_EXPECT = b"Expect: 100-continue\r\n"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def _interim(*statuses: int) -> Judge:
    def judge(seen: Seen) -> str:
        got = [message.status for message in seen.interim]
        return "" if got == list(statuses) else f"passed on {', '.join(map(str, got)) or 'none'} of the interim answers"

    return every(answered(body=b"ok"), judge)


def _none(seen: Seen) -> str:
    return f"sent {seen.interim[0].status} to HTTP/1.0" if seen.interim else ""


CASES = (
    Case("interim/103", "RFC 9110 §15.2", MUST, "A proxy forwards 1xx answers.", (get(),), _interim(103),
         answer=(_HINTS + _OK,)),
    Case("interim/103-fields", "RFC 8297 §2", MUST, "The fields of a 103 are forwarded.", (get(),),
         every(_interim(103), lambda seen: "" if seen.interim[0].all("link") else "dropped Link of a 103"),
         answer=(_HINTS + _OK,)),
    Case("interim/103-before-answer", "RFC 9110 §15.2", SHOULD,
         "A 103 is forwarded when it comes, not with the answer.",
         (get(), Do.AWAIT_INTERIM, Do.GO), every(met, _interim(103)), answer=(_HINTS, Do.AWAIT_GO, _OK)),
    Case("interim/several", "RFC 9110 §15.2", MUST, "Several 1xx answers are forwarded.", (get(),),
         _interim(103, 103, 102), answer=(_HINTS, _HINTS, b"HTTP/1.1 102 Processing\r\n\r\n" + _OK,)),
    Case("interim/unknown", "RFC 9110 §15", MUST, "An unknown 1xx is forwarded like any other.", (get(),),
         _interim(199),
         answer=(b"HTTP/1.1 199 Odd\r\n\r\n" + _OK,)),
    Case("interim/not-to-http-1.0", "RFC 9110 §15.2", MUST, "HTTP/1.0 gets no 1xx.",
         (b"GET /~ HTTP/1.0\r\n" + HOST + b"\r\n",), every(_none, answered(body=b"ok")), answer=(_HINTS + _OK,)),
    Case("interim/length", "RFC 9110 §15.2", SECURITY, "A 1xx has no body, whatever its fields say.", (get(),),
         either(bad_gateway, answered(body=b"ok")),
         answer=(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + _OK,)),
    Case("interim/length-not-sent", "RFC 9110 §8.6", MUST, "A 1xx is sent without Content-Length.", (get(),),
         lambda seen: "sent Content-Length in a 1xx" if any(m.all("content-length") for m in seen.interim) else "",
         answer=(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 0\r\n\r\n" + _OK,)),
    Case("interim/chunked", "RFC 9112 §6.1", SECURITY, "A 1xx has no Transfer-Encoding; none is passed on.", (get(),),
         every(either(bad_gateway, answered(body=b"ok")),
               lambda seen: "sent it" if any(m.all("transfer-encoding") for m in seen.interim) else ""),
         answer=(b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + _OK,)),
    Case("interim/hop-by-hop", "RFC 9110 §7.6.1", MUST, "Fields that Connection names are removed from a 1xx too.",
         (get(),), lambda seen: "forwarded X-Hop" if any(m.all("x-hop") for m in seen.interim) else "",
         answer=(b"HTTP/1.1 103 Early Hints\r\nConnection: X-Hop\r\nX-Hop: 1\r\n\r\n" + _OK,)),
    Case("interim/only", "RFC 9110 §15.2", MUST, "A 1xx and then the end is no answer: 502.", (get(),), bad_gateway,
         answer=(_HINTS, Do.CLOSE)),
    Case("interim/switching-unasked", "RFC 9110 §15.2.2", SECURITY, "A 101 that nobody asked for opens no tunnel.",
         (get(),), lambda seen: "passed on 101" if seen.answers and seen.answers[0].status == 101
         else "" if seen.answers or seen.closed else "did not answer",
         answer=(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",)),
    Case("expect/continue", "RFC 9110 §10.1.1", MUST, "The client that waits gets 100, and then its answer.",
         (post(_EXPECT + length(b"abc")), Do.AWAIT_INTERIM, b"abc"),
         every(met, forwarded(b"abc"))),
    Case("expect/continue-from-backend", "RFC 9110 §10.1.1", MUST, "100 of the backend reaches the client.",
         (post(_EXPECT + length(b"abc")), Do.AWAIT_INTERIM, b"abc"), every(met, answered(body=b"ok")),
         answer=(_CONTINUE, Do.READ, _OK), early=True),
    Case("expect/head-first", "RFC 9110 §10.1.1", MUST,
         "The head is forwarded before the body has come, or a final answer given.",
         (post(_EXPECT + length(b"abc")), Do.AWAIT_REQUEST, b"abc"), every(met, forwarded(b"abc"))),
    Case("expect/refused", "RFC 9110 §10.1.1", MUST, "A final answer instead of 100 reaches the client that waits.",
         (post(_EXPECT + length(b"abc")),), answered(417, b"no"),
         answer=(ok(length(b"no"), b"no", b"417 Expectation Failed"),), early=True),
    Case("expect/refused-then-next", "RFC 9110 §10.1.1", SECURITY,
         "After a refusal the body may come or not: the next request is not mistaken for it.",
         (post(_EXPECT + length(b"abc")), Do.AWAIT_ANSWER, b"GET"), answered(403, b"no"),
         answer=(ok(length(b"no"), b"no", b"403 Forbidden"),), early=True),
    Case("expect/not-waiting", "RFC 9110 §10.1.1", MUST, "A client may send its body at once.",
         (post(_EXPECT + length(b"abc"), b"abc"),), forwarded(b"abc")),
    Case("expect/chunked", "RFC 9110 §10.1.1", MUST, "A chunked body may be waited with, too.",
         (post(_EXPECT + b"Transfer-Encoding: chunked\r\n"), Do.AWAIT_INTERIM, b"3\r\nabc\r\n0\r\n\r\n"),
         every(met, forwarded(b"abc"))),
    Case("expect/http-1.0", "RFC 9110 §10.1.1", MUST, "In HTTP/1.0 the expectation is ignored: no 100.",
         (b"POST /~ HTTP/1.0\r\n" + HOST + _EXPECT + length(b"abc") + b"\r\nabc",), every(_none, forwarded(b"abc"))),
    Case("expect/no-body", "RFC 9110 §10.1.1", MUST, "An expectation without a body changes nothing.",
         (get(_EXPECT),), forwarded()),
    Case("expect/zero-length", "RFC 9110 §10.1.1", SECURITY, "An expectation with a body of no bytes changes nothing.",
         (post(_EXPECT + b"Content-Length: 0\r\n"),), forwarded(b"")),
    Case("expect/unknown", "RFC 9110 §10.1.1", SHOULD, "An unknown expectation is refused, or left to the backend.",
         (post(b"Expect: the-unexpected\r\n" + length(b"abc"), b"abc"),), either(refused(), forwarded(b"abc"))),
    Case("expect/obfuscated", "RFC 9110 §10.1.1", SECURITY, "An odd expectation is refused, or makes no reader wait.",
         (post(b"Expect: y 100-continue\r\n" + length(b"abc"), b"abc"),), either(refused(), forwarded(b"abc"))),
)  # fmt: skip
