"""Field lines: names, values, folding, order, and what a gateway must leave alone (RFC 9110 5, RFC 9112 5)."""

from __future__ import annotations

from tests.conformance.case import HIDDEN, MUST, SECURITY, SHOULD, Case, Judge, Level, Seen, get, ok
from tests.conformance.judge import answered, either, every, forwarded, refused
from tests.conformance.reader import listed, shown

_TOKEN = "A field name is a token; a line with another is refused or dropped, never passed on."


def _field(
    name: str, lines: bytes, duty: str, judge: Judge, level: Level = MUST, clause: str = "RFC 9110 §5, RFC 9112 §5"
) -> Case:
    return Case(f"field-syntax/{name}", clause, level, duty, (get(lines),), judge)


def _in_order(name: str, *values: bytes) -> Judge:
    def judge(seen: Seen) -> str:
        got = b", ".join(seen.requests[0].all(name))
        return "" if got == b", ".join(values) else f"forwarded {name} as {shown(got)}"

    return every(forwarded(), judge)


def _set_cookies(seen: Seen) -> str:
    got = seen.answers[0].all("set-cookie") if seen.answers else []
    return "" if got == [b"a=1", b"b=2; Expires=Wed, 21 Oct 2015 07:28:00 GMT"] else f"sent Set-Cookie as {listed(got)}"


NAMES = (
    _field("space-before-colon", b"X-A : b\r\n", "Whitespace between a name and the colon is answered with 400.",
           refused(400), SECURITY, "RFC 9112 §5.1"),
    _field("tab-before-colon", b"X-A\t: b\r\n", "Whitespace between a name and the colon is answered with 400.",
           refused(400), SECURITY, "RFC 9112 §5.1"),
    *[
        _field(name, line + b"\r\n", _TOKEN, either(refused(), forwarded()), SECURITY)
        for name, line in (
            ("no-colon", b"X-A"),
            ("no-name", b": b"),
            ("space-in-name", b"X A: b"),
            ("nul-in-name", b"X\x00A: b"),
            ("control-in-name", b"X\x01A: b"),
            ("bytes-beyond-ascii-in-name", b"X-\xe9: b"),
            ("bracket-in-name", b"X[A]: b"),
            ("slash-in-name", b"X/A: b"),
            ("at-in-name", b"X@A: b"),
            ("quote-in-name", b'"X-A": b'),
            ("vertical-tab-before-colon", b"X-A\x0b: b"),
        )
    ],
    _field("odd-token-name", b"x!#$%&'*+-.^_`|A9: b\r\n", "Every token is a name.",
           either(refused(), forwarded(has={"x!#$%&'*+-.^_`|A9": b"b"})), SHOULD),
    _field("unknown", b"X-Never-Heard-Of: b\r\n", "Fields that are not known are forwarded.",
           forwarded(has={"x-never-heard-of": b"b"})),
)  # fmt: skip

VALUES = (
    _field("folded", b"X-A: b\r\n c\r\n", "A folded line is refused, or made one line.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §5.2"),
    _field("folded-tab", b"X-A: b\r\n\tc\r\n", "A folded line is refused, or made one line.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §5.2"),
    _field("folded-empty", b"X-A: b\r\n \r\nX-B: c\r\n", "A line of whitespace does not end the head.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §5.2"),
    _field("empty-line-after", b"X-A: b\r\n\r\n", "An empty line ends the head, and one more is ignored.",
           forwarded(has={"x-a": b"b"}), SHOULD, "RFC 9112 §2.2"),
    _field("nul", b"X-A: b\x00c\r\n", "NUL is refused, or replaced by a space.", either(refused(), forwarded()),
           SECURITY, "RFC 9110 §5.5"),
    _field("bare-cr", b"X-A: b\rX-C: d\r\n", "A bare CR is refused, or replaced by a space.",
           either(refused(), forwarded(lacks=("x-c",))), SECURITY, "RFC 9112 §2.2"),
    _field("bare-cr-at-end", b"X-A: b\r\r\n", "A bare CR is refused, or replaced by a space.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §2.2"),
    _field("bare-cr-empty-line", b"X-A: b\r\n\rX: y\r\n", "A bare CR begins no empty line.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §2.2"),
    _field("bare-lf", b"X-A: b\nX-C: d\r\n", "A bare LF ends a line for both readers, or is refused.",
           either(refused(), forwarded()), SECURITY, "RFC 9112 §2.2"),
    Case("field-syntax/bare-lf-ends-head", "RFC 9112 §2.2", SECURITY,
         "Two bare LFs end the head for both readers, or are refused.",
         (b"GET /~ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\n\nabc",), either(refused(), forwarded(b"abc"))),
    _field("control", b"X-A: b\x01c\r\n", "A control byte is refused, or kept inside the value.",
           either(refused(), forwarded())),
    _field("bytes-beyond-ascii", b"X-A: \xe9\xff\r\n", "Bytes beyond ASCII are opaque: forwarded as they came.",
           forwarded(has={"x-a": b"\xe9\xff"}), SHOULD),
    _field("empty-value", b"X-A:\r\n", "A value may be empty.", forwarded(has={"x-a": b""})),
    _field("no-space", b"X-A:b\r\n", "The space after the colon is optional.", forwarded(has={"x-a": b"b"})),
    _field("spaces-around", b"X-A: \t b c\t \r\n", "Whitespace around a value is no part of it.",
           forwarded(has={"x-a": b"b c"})),
    _field("colon-in-value", b"X-A: b: c\r\n", "A value may have colons.", forwarded(has={"x-a": b"b: c"})),
    _field("order", b"X-A: 1\r\nX-B: 2\r\nX-A: 3\r\n", "Lines of one name keep their order.",
           _in_order("x-a", b"1", b"3"), clause="RFC 9110 §5.3"),
    _field("commas-kept", b"X-A: a, \"b, c\",d\r\n", "A value is not rewritten.",
           forwarded(has={"x-a": b"a, \"b, c\",d"}), clause="RFC 9110 §5.3"),
    _field("cookie", b"Cookie: a=1; b=2\r\n", "A Cookie is one value.", forwarded(has={"cookie": b"a=1; b=2"})),
    _field("authorization", b"Authorization: Bearer x.y\r\n", "Authorization is forwarded.",
           forwarded(has={"authorization": b"Bearer x.y"}), clause="RFC 9110 §11.6.2"),
    _field("accept-encoding", b"Accept-Encoding: br;q=1, identity;q=0\r\n", "What is negotiated is not rewritten.",
           forwarded(has={"accept-encoding": b"br;q=1, identity;q=0"})),
    _field("range", b"Range: bytes=0-1, 3-\r\n", "A Range is forwarded or ignored.", forwarded(), SHOULD),
    _field("conditional", b'If-None-Match: "a", W/"b"\r\n', "Conditions are forwarded.",
           forwarded(has={"if-none-match": b'"a", W/"b"'})),
    _field("long-value", b"X-A: " + b"v" * 6000 + b"\r\n", "A value of 6000 octets is forwarded.",
           forwarded(has={"x-a": b"v" * 6000}), SHOULD, "RFC 9110 §5.4"),
    _field("spoofed-underscore", b"X_Forwarded_For: 6.6.6.6\r\n",
           "What a CGI-like backend takes for X-Forwarded-For does not hide ours.",
           every(forwarded(),
           lambda seen: "" if seen.requests[0].all("x-forwarded-for") else "forwarded no X-Forwarded-For"),
           SHOULD),
    Case("field-syntax/hidden-in-value", "RFC 9112 §2.2", SECURITY, "A value is no place for a request.",
         (get(b"X-A: " + HIDDEN.replace(b"\r\n", b"\r") + b"\r\n"),), either(refused(), forwarded())),
)  # fmt: skip

ANSWERS = (
    Case("field-syntax/answer-cookies-apart", "RFC 9110 §5.3", MUST, "Lines of Set-Cookie are never joined.", (get(),),
         _set_cookies,
         answer=(ok(b"Set-Cookie: a=1\r\nSet-Cookie: b=2; Expires=Wed, 21 Oct 2015 07:28:00 GMT\r\n"
                    b"Content-Length: 0\r\n"),)),
    Case("field-syntax/answer-date-kept", "RFC 9110 §6.6.1", SHOULD, "A Date that came is passed on.", (get(),),
         answered(has={"date": b"Tue, 15 Nov 1994 08:12:31 GMT"}),
         answer=(ok(b"Date: Tue, 15 Nov 1994 08:12:31 GMT\r\nContent-Length: 0\r\n"),)),
    Case("field-syntax/answer-date-added", "RFC 9110 §6.6.1", MUST,
         "An answer without Date gets one when it is passed on by who has a clock.", (get(),),
         lambda seen: "" if seen.answers and seen.answers[0].all("date") else "added no Date",
         answer=(ok(b"Content-Length: 0\r\n"),)),
    Case("field-syntax/own-date", "RFC 9110 §6.6.1", MUST, "A 4xx of the intermediary's own has a Date.",
         (get(b"Content-Length: x\r\n"),),
         lambda seen: "answered without Date" if seen.answers and 400 <= seen.answers[0].status < 500
         and not seen.answers[0].all("date") else ""),
    Case("field-syntax/answer-unknown", "RFC 9110 §5.1", MUST, "Fields that are not known are passed on.", (get(),),
         answered(has={"x-never-heard-of": b"b"}), answer=(ok(b"X-Never-Heard-Of: b\r\nContent-Length: 0\r\n"),)),
    Case("field-syntax/answer-bytes-beyond-ascii", "RFC 9110 §5.5", SHOULD, "Bytes beyond ASCII are opaque.", (get(),),
         answered(has={"x-a": b"\xe9"}), answer=(ok(b"X-A: \xe9\r\nContent-Length: 0\r\n"),)),
    Case("field-syntax/answer-no-transform", "RFC 9110 §7.7", MUST, "no-transform: the body stays as it is.", (get(),),
         answered(body=b"<p>x</p>"),
         answer=(ok(b"Cache-Control: no-transform\r\nContent-Type: text/html\r\nContent-Length: 8\r\n", b"<p>x</p>"),)),
)  # fmt: skip

CASES = NAMES + VALUES + ANSWERS
