"""How long a request is: Content-Length and Transfer-Encoding, and every way in which two readers could differ."""

from __future__ import annotations

from tests.conformance.case import (
    CHUNKED,
    HIDDEN,
    MUST,
    SECURITY,
    Case,
    Do,
    Judge,
    Level,
    get,
    length,
    post,
    span,
)
from tests.conformance.judge import aborted, at_most, closed, either, every, forwarded, refused

_HIDDEN_LENGTH = b"%d" % span(HIDDEN)


# What is wrong with the line, and not with what it says.
_SYNTAX = {
    "space-before-colon": "RFC 9112 §5.1",
    "tab-before-colon": "RFC 9112 §5.1",
    "folded": "RFC 9112 §5.2",
    "bare-": "RFC 9112 §2.2",
    "leading-space": "RFC 9112 §5.2",
    "-name": "RFC 9110 §5.1",
}


def _clause(name: str, meant: str) -> str:
    return next((clause for part, clause in _SYNTAX.items() if part in name), meant)


def _length(name: str, line: bytes, duty: str, judge: Judge, data: bytes = b"abc", level: Level = SECURITY) -> Case:
    clause = _clause(name, "RFC 9110 §8.6, RFC 9112 §6.3")
    return Case(f"request-framing/{name}", clause, level, duty, (post(line, data),), judge)


def _coding(
    name: str, lines: bytes, duty: str, judge: Judge, data: bytes = b"0\r\n\r\n" + HIDDEN, level: Level = SECURITY
) -> Case:
    clause = _clause(name, "RFC 9112 §6.1, §6.3")
    return Case(f"request-framing/{name}", clause, level, duty, (post(lines, data),), judge)


_BAD_LENGTH = "A length that is no list of equal decimal numbers is an unrecoverable error: 400 and close."
_BAD_CODING = "Where chunked is not the final coding the length of a request is unknown: 400 and close."
_BOTH = "With both framings, refuse; or go by Transfer-Encoding, drop Content-Length, and close after the answer."
_LOOKALIKE = "What only looks like Transfer-Encoding is refused or carries no meaning; no reader may lose its place."
_TE_ONLY = every(forwarded(b""), closed)

LENGTHS = (
    _length("length", length(b"abc"), "A body of Content-Length bytes is forwarded.", forwarded(b"abc"), level=MUST),
    _length("length-zero", b"Content-Length: 0\r\n", "A length of zero is no body.", forwarded(b""), b"", MUST),
    _length("length-case", b"cOnTeNt-LeNgTh: 3\r\n", "Field names know no case.", forwarded(b"abc"), level=MUST),
    _length("length-spaces", b"Content-Length: \t 3 \t\r\n", "Whitespace around a value is no part of it.",
            forwarded(b"abc"), level=MUST),
    _length("length-leading-zeros", b"Content-Length: 0003\r\n", "1*DIGIT may begin with zeros.",
            either(refused(), forwarded(b"abc"))),
    _length("length-many-leading-zeros", b"Content-Length: " + b"0" * 300 + b"3\r\n",
            "However many zeros: one meaning, or none.", either(refused(), forwarded(b"abc"))),
    _length("length-octal", b"Content-Length: 010\r\n", "010 is ten, and never eight.",
            either(refused(), forwarded(b"0123456789")), b"0123456789"),
    _length("two-lengths", b"Content-Length: 0\r\nContent-Length: " + _HIDDEN_LENGTH + b"\r\n", _BAD_LENGTH,
            refused(400, close=True), HIDDEN),
    _length("two-lengths-reversed", b"Content-Length: " + _HIDDEN_LENGTH + b"\r\nContent-Length: 0\r\n", _BAD_LENGTH,
            refused(400, close=True), HIDDEN),
    _length("two-lengths-apart", b"Content-Length: 0\r\nX-A: 1\r\ncontent-length: " + _HIDDEN_LENGTH + b"\r\n",
            _BAD_LENGTH, refused(400, close=True), HIDDEN),
    _length("length-list", b"Content-Length: 0, " + _HIDDEN_LENGTH + b"\r\n", _BAD_LENGTH, refused(400, close=True),
            HIDDEN),
    _length("equal-lengths", length(b"abc") * 2, "Equal lengths: refuse, or forward a single one.",
            either(refused(), forwarded(b"abc"))),
    _length("equal-lengths-list", b"Content-Length: 3, 3\r\n", "Equal lengths: refuse, or forward a single one.",
            either(refused(), forwarded(b"abc"))),
    *[
        _length(f"length-{name}", b"Content-Length: " + value + b"\r\n", _BAD_LENGTH, refused(400, close=True), data)
        for name, value, data in (
            ("plus", b"+0", HIDDEN),
            ("minus", b"-1", HIDDEN),
            ("minus-zero", b"-0", HIDDEN),
            ("hexadecimal", b"0x3", b"abc"),
            ("letters", b"3abc", b"abc"),
            ("underscore", b"1_0", b"0123456789"),
            ("inner-space", b"1 0", b"0123456789"),
            ("empty", b"", HIDDEN),
            ("point", b"3.0", b"abc"),
            ("exponent", b"3e0", b"abc"),
            ("semicolon", b"3;q=1", b"abc"),
            ("quoted", b'"3"', b"abc"),
            ("past-32-bits-negative", b"-4294967293", b"abc"),
            ("endless", b"9" * 400, b"abc"),
            ("wide-digits", "\uff13".encode(), b"abc"),
            ("vertical-tab", b"\x0b3", b"abc"),
            ("form-feed", b"3\x0c", b"abc"),
            ("nul", b"3\x00", b"abc"),
        )
    ],
    *[
        Case(f"request-framing/length-past-{bits}-bits", "RFC 9110 §8.6", SECURITY,
             "A large length is refused, or means what it says: the body is not whole.",
             (post(b"Content-Length: %d\r\n" % (2**bits + 3), b"abc"), Do.AWAIT_REQUEST, Do.HALF_CLOSE), aborted)
        for bits in (31, 32, 63, 64)
    ],
    _length("length-comma", b"Content-Length: 3,\r\n", "A list with an empty member: refuse, or one meaning.",
            either(refused(), forwarded(b"abc"))),
    _length("length-folded", b"Content-Length:\r\n 3\r\n", "A folded line is refused, or made one line.",
            either(refused(), forwarded(b"abc"))),
    _length("length-space-before-colon", b"Content-Length : " + _HIDDEN_LENGTH + b"\r\n",
            "Whitespace between a name and the colon is answered with 400.", refused(400), HIDDEN),
    _length("length-tab-before-colon", b"Content-Length\t: " + _HIDDEN_LENGTH + b"\r\n",
            "Whitespace between a name and the colon is answered with 400.", refused(400), HIDDEN),
    _length("length-underscore-name", b"Content-Length: 3\r\nContent_Length: 99\r\n",
            "A field that only looks like Content-Length has no say.", either(refused(), forwarded(b"abc"))),
    _length("length-bare-cr", b"X-A: b\rContent-Length: 0\r\nContent-Length: " + _HIDDEN_LENGTH + b"\r\n",
            "A bare CR is refused or replaced by a space; it never ends a line.", either(refused(), forwarded(HIDDEN)),
            HIDDEN),
)  # fmt: skip

CODINGS = (
    _coding("cl-te", b"Content-Length: %d\r\n" % (5 + span(HIDDEN)) + CHUNKED, _BOTH, either(refused(), _TE_ONLY)),
    _coding("te-cl", CHUNKED + b"Content-Length: %d\r\n" % (5 + span(HIDDEN)), _BOTH, either(refused(), _TE_ONLY)),
    _coding("cl-te-short", b"Content-Length: 5\r\n" + CHUNKED, _BOTH, either(refused(), _TE_ONLY)),
    _coding("te-cl-short", CHUNKED + b"Content-Length: 4\r\n", _BOTH,
            either(refused(), every(forwarded(HIDDEN), closed)),
            b"%x\r\n" % span(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n"),
    _coding("cl-zero-te", b"Content-Length: 0\r\n" + CHUNKED, _BOTH,
            either(refused(), every(forwarded(b"abc"), closed)), b"3\r\nabc\r\n0\r\n\r\n"),
    _coding("cl-bad-te", b"Content-Length: x\r\n" + CHUNKED, _BOTH, either(refused(), _TE_ONLY)),
    _coding("chunked", CHUNKED, "A chunked body is forwarded.", forwarded(b"abc"), b"3\r\nabc\r\n0\r\n\r\n", MUST),
    _coding("chunked-capitals", b"Transfer-Encoding: CHUNKED\r\n", "Names of codings know no case.",
            either(refused(), forwarded(b"abc")), b"3\r\nabc\r\n0\r\n\r\n", MUST),
    _coding("chunked-spaces", b"Transfer-Encoding: \t chunked \t\r\n", "Whitespace around a value is no part of it.",
            forwarded(b"abc"), b"3\r\nabc\r\n0\r\n\r\n", MUST),
    *[
        _coding(f"te-{name}", b"Transfer-Encoding: " + value + b"\r\n", _BAD_CODING, refused(400, 501, close=True))
        for name, value in (
            ("xchunked", b"xchunked"),
            ("chunkedx", b"chunkedx"),
            ("chunked-first", b"chunked, gzip"),
            ("chunked-identity", b"chunked, identity"),
            ("identity", b"identity"),
            ("gzip", b"gzip"),
            ("empty", b""),
            ("quoted", b'"chunked"'),
            ("single-quoted", b"'chunked'"),
            ("vertical-tab", b"\x0bchunked"),
            ("form-feed-after", b"chunked\x0c"),
            ("nul", b"chunked\x00"),
            ("high-byte", b"\xa0chunked"),
            ("space-inside", b"chun ked"),
            ("chunked-space-x", b"chunked x"),
            ("without-comma", b"chunked identity"),
        )
    ],
    _coding("te-parameter", b"Transfer-Encoding: chunked;q=1\r\n", "chunked has no parameters: refuse, or one meaning.",
            either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-gzip-chunked", b"Transfer-Encoding: gzip, chunked\r\n",
            "A coding that is not known is answered with 501 or 400, or passed on as it is.",
            either(refused(), forwarded()), b"3\r\nabc\r\n0\r\n\r\n"),
    _coding("te-identity-chunked", b"Transfer-Encoding: identity, chunked\r\n",
            "identity is no coding any more: refuse, or one meaning.", either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-chunked-twice", b"Transfer-Encoding: chunked, chunked\r\n", "chunked must not be applied twice.",
            either(refused(), forwarded()), b"0\r\n\r\n"),
    _coding("te-two-lines", CHUNKED + b"Transfer-Encoding: identity\r\n", _BAD_CODING, refused(400, 501, close=True)),
    _coding("te-two-lines-reversed", b"Transfer-Encoding: identity\r\n" + CHUNKED,
            "Two lines are one list: refuse, or one meaning.", either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-two-lines-cow", CHUNKED + b"Transfer-encoding: cow\r\n", _BAD_CODING, refused(400, 501, close=True)),
    _coding("te-empty-member", b"Transfer-Encoding: , chunked\r\n", "Empty members are ignored, or refused.",
            either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-empty-member-after", b"Transfer-Encoding: chunked,\r\n", "Empty members are ignored, or refused.",
            either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-space-before-colon", b"Transfer-Encoding : chunked\r\n",
            "Whitespace between a name and the colon is answered with 400.", refused(400)),
    _coding("te-space-before-colon-cl", b"Content-Length: 5\r\nTransfer-Encoding : chunked\r\n",
            "Whitespace between a name and the colon is answered with 400.", refused(400)),
    _coding("te-folded", b"Transfer-Encoding:\r\n chunked\r\n", "A folded line is refused, or made one line.",
            either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-folded-into-another", b"X-A: b\r\n Transfer-Encoding: chunked\r\n" + length(b"abc"),
            "A folded line is refused, or made one line.", either(refused(), forwarded(b"abc")), b"abc"),
    _coding("te-bare-cr", b"X-A: b\rTransfer-Encoding: chunked\r\n" + length(b"abc"),
            "A bare CR is refused or replaced by a space; it never ends a line.", either(refused(), forwarded(b"abc")),
            b"abc"),
    _coding("te-bare-lf", b"X-A: b\nTransfer-Encoding: chunked\r\n",
            "A bare LF may end a line or be refused; both readers must see the same.",
            either(refused(), forwarded(b"")), b"0\r\n\r\n"),
    _coding("te-underscore-name", length(b"abc") + b"Transfer_Encoding: chunked\r\n", _LOOKALIKE,
            either(refused(), forwarded(b"abc")), b"abc"),
    _coding("te-nul-name", length(b"abc") + b"Transfer-Encoding\x00: chunked\r\n", _LOOKALIKE,
            either(refused(), forwarded(b"abc")), b"abc"),
    _coding("te-leading-space", length(b"abc") + b" Transfer-Encoding: chunked\r\n", _LOOKALIKE,
            either(refused(), forwarded(b"abc")), b"abc"),
    _coding("te-non-token-name", length(b"abc") + b"Transfer-Encoding\xff: chunked\r\n", _LOOKALIKE,
            either(refused(), forwarded(b"abc")), b"abc"),
)  # fmt: skip

OTHERS = (
    Case("request-framing/te-http-1.0", "RFC 9112 §6.1", SECURITY,
         "Transfer-Encoding in HTTP/1.0 is faulty framing: refuse, or close after the answer.",
         (b"POST /~ HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,),
         either(refused(close=True), every(either(forwarded(), forwarded(b"")), closed))),
    Case("request-framing/te-cl-http-1.0", "RFC 9112 §6.1", SECURITY,
         "Transfer-Encoding in HTTP/1.0 is faulty framing, even with Content-Length.",
         (b"POST /~ HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 3\r\n" + CHUNKED + b"\r\nabc",),
         either(refused(close=True), every(forwarded(), closed))),
    Case("request-framing/get-with-body", "RFC 9112 §6.3", SECURITY,
         "The body of a GET is a body (CL.0): forwarded as such, or refused; never a request.",
         (get(b"Content-Length: " + _HIDDEN_LENGTH + b"\r\n") + HIDDEN,),
         either(refused(), forwarded(HIDDEN))),
    Case("request-framing/head-with-body", "RFC 9112 §6.3", SECURITY,
         "The body of a HEAD is a body: forwarded as such, or refused; never a request.",
         (get(b"Content-Length: " + _HIDDEN_LENGTH + b"\r\n", method=b"HEAD") + HIDDEN,),
         either(refused(), forwarded(HIDDEN)), methods=(b"HEAD",)),
    Case("request-framing/get-chunked", "RFC 9112 §6.3", SECURITY,
         "A chunked GET is forwarded with its body, or refused.",
         (get(CHUNKED) + b"%x\r\n" % span(HIDDEN) + HIDDEN + b"\r\n0\r\n\r\n",), either(refused(), forwarded(HIDDEN))),
    Case("request-framing/body-like-a-request", "RFC 9112 §6.3", SECURITY, "A body may look like a request.",
         (post(b"Content-Length: " + _HIDDEN_LENGTH + b"\r\n", HIDDEN),), forwarded(HIDDEN)),
    Case("request-framing/no-length", "RFC 9112 §6.3", MUST,
         "A request without framing has no body; what follows is the next request.",
         (post(b"") + get(target=b"/~/2"),), either(refused(411), forwarded(b"", count=2)), answers=2),
    Case("request-framing/surplus", "RFC 9112 §6.3", SECURITY,
         "Bytes after the body belong to the next request, whatever they are.",
         (post(length(b"abc"), b"abcdef\r\n\r\n"),), every(at_most(1), either(refused(), forwarded(b"abc"))),
         answers=2),
    Case("request-framing/length-short-of-body", "RFC 9112 §8", SECURITY,
         "A body cut short is no whole request: the backend must be able to tell.",
         (post(b"Content-Length: 10\r\n", b"abc"), Do.HALF_CLOSE), refused()),
)  # fmt: skip

CASES = LENGTHS + CODINGS + OTHERS
