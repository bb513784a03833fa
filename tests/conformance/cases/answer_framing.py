"""How long an answer is, and heads of answers that are none (RFC 9112 sections 4 to 7)."""

from __future__ import annotations

from tests.conformance.case import CHUNKED, MUST, SECURITY, SHOULD, Case, Do, Judge, Level, Step, get, length, ok
from tests.conformance.judge import answered, bad_gateway, cut, either, error_502, every, kept

_END = b"0\r\n\r\n"
_STOLEN = ok(length(b"stolen"), b"stolen")
_TOO_LONG = "Bytes after the end of an answer are nobody's: they are dropped with their connection."
_MANY = "What has several readings is a 502, or passed on with a single one."


def _answer(
    name: str, *answer: Step, duty: str, judge: Judge, level: Level = SECURITY, clause: str = "RFC 9112 §6.3"
) -> Case:
    return Case(f"answer-framing/{name}", clause, level, duty, (get(),), judge, answer)


def _bad(name: str, answer: bytes, duty: str, clause: str = "RFC 9112 §4", level: Level = SECURITY) -> Case:
    return _answer(name, answer, Do.CLOSE, duty=duty, judge=bad_gateway, level=level, clause=clause)


def _lengths(name: str, value: bytes, data: bytes = b"abc") -> Case:
    return _answer(
        f"length-{name}", ok(b"Content-Length: " + value + b"\r\n", data), Do.CLOSE,
        duty="An invalid length in an answer: close, discard, 502.", judge=error_502, clause="RFC 9112 §6.3",
    )  # fmt: skip


LENGTHS = (
    _answer("length", ok(length(b"abc"), b"abc"), duty="A body of Content-Length bytes is passed on.",
            judge=every(answered(body=b"abc"), kept), level=MUST),
    _answer("chunked", ok(CHUNKED, b"3\r\nabc\r\n" + _END), duty="A chunked body is passed on.",
            judge=every(answered(body=b"abc"), kept), level=MUST),
    _answer("until-close", ok(b"X-A: b\r\n", b"abc"), Do.CLOSE, duty="A body may last until the close.",
            judge=answered(body=b"abc"), level=MUST),
    _answer("until-close-empty", ok(b"X-A: b\r\n"), Do.CLOSE, duty="A body that lasts until the close may be empty.",
            judge=answered(body=b""), level=MUST),
    _answer("http-1.0", b"HTTP/1.0 200 OK\r\n\r\nabc", Do.CLOSE, duty="An answer of HTTP/1.0 is understood.",
            judge=answered(body=b"abc"), level=MUST),
    _answer("both", ok(length(b"x" * 5) + CHUNKED, b"3\r\nabc\r\n" + _END), duty=
            "With both framings a 502; or Transfer-Encoding counts and Content-Length is removed.",
            judge=either(bad_gateway, answered(body=b"abc", lacks=("content-length",)))),
    _answer("both-splits", ok(CHUNKED + length(_END + _STOLEN), _END + _STOLEN), duty=
            "With both framings a 502; or Transfer-Encoding counts and Content-Length is removed.",
            judge=either(bad_gateway, answered(body=b"", lacks=("content-length",)))),
    _answer("two-lengths", ok(b"Content-Length: 3\r\nContent-Length: 5\r\n", b"abcde"), Do.CLOSE,
            duty="Differing lengths in an answer: close, discard, 502.", judge=error_502),
    _answer("two-lengths-list", ok(b"Content-Length: 3, 5\r\n", b"abcde"), Do.CLOSE,
            duty="Differing lengths in an answer: close, discard, 502.", judge=error_502),
    _answer("equal-lengths", ok(length(b"abc") * 2, b"abc"), Do.CLOSE, duty="Equal lengths: a single one, or a 502.",
            judge=either(bad_gateway, answered(body=b"abc"))),
    *[
        _lengths(name, value)
        for name, value in (
            ("negative", b"-1"),
            ("plus", b"+3"),
            ("hexadecimal", b"0x3"),
            ("letters", b"3x"),
            ("empty", b""),
            ("inner-space", b"1 0"),
        )
    ],
    _answer("length-past-64-bits", ok(b"Content-Length: 18446744073709551619\r\n", b"abc"), Do.CLOSE,
            duty="A large length is a 502, or means what it says: the answer is not whole.", judge=cut),
    _answer("te-unknown", ok(b"Transfer-Encoding: xyz\r\n", b"abc"), Do.CLOSE,
            duty="Without chunked at the end the body lasts until the close: passed on so, or a 502.",
            judge=either(bad_gateway, answered(body=b"abc"))),
    _answer("te-chunked-first", ok(b"Transfer-Encoding: chunked, xyz\r\n", b"3\r\nabc\r\n" + _END), Do.CLOSE,
            duty="Without chunked at the end the body lasts until the close: passed on so, or a 502.",
            judge=either(bad_gateway, answered())),
    _answer("te-two-lines", ok(CHUNKED * 2, b"3\r\nabc\r\n" + _END), Do.CLOSE, duty=_MANY,
            judge=either(bad_gateway, answered(body=b"abc"))),
    _answer("te-http-1.0", b"HTTP/1.0 200 OK\r\n" + CHUNKED + b"\r\n3\r\nabc\r\n" + _END, Do.CLOSE,
            duty="Transfer-Encoding in HTTP/1.0 is faulty framing: a 502, or read once and closed.",
            judge=either(bad_gateway, answered()), clause="RFC 9112 §6.1"),
    _answer("te-space-before-colon", ok(b"Transfer-Encoding : chunked\r\n" + length(b"x" * 13), b"3\r\nabc\r\n" + _END),
            Do.CLOSE, duty="Whitespace before a colon is removed from an answer, or it is a 502.",
            judge=either(bad_gateway, answered(body=b"abc", lacks=("content-length",))), clause="RFC 9112 §5.1"),
)  # fmt: skip

CUTS = (
    _answer("length-cut", ok(length(b"x" * 10), b"abc"), Do.CLOSE, duty="An answer cut short never looks whole.",
            judge=cut, clause="RFC 9112 §8"),
    _answer("length-cut-reset", ok(length(b"x" * 10), b"abc"), Do.RESET, duty="An answer cut short never looks whole.",
            judge=cut, clause="RFC 9112 §8"),
    _answer("chunked-cut", ok(CHUNKED, b"3\r\nabc\r\n"), Do.CLOSE, duty="An answer cut short never looks whole.",
            judge=cut, clause="RFC 9112 §8"),
    _answer("chunked-cut-inside", ok(CHUNKED, b"5\r\nabc"), Do.CLOSE, duty="An answer cut short never looks whole.",
            judge=cut, clause="RFC 9112 §8"),
    _answer("chunked-cut-before-end", ok(CHUNKED, b"3\r\nabc\r\n0\r\n"), Do.CLOSE,
            duty="The last chunk without the empty line is not the end.", judge=cut, clause="RFC 9112 §8"),
    _answer("until-close-reset", ok(b"X-A: b\r\n", b"abc"), Do.RESET, duty=
            "A reset is no end of a body that lasts until the close.", judge=cut, clause="RFC 9112 §8", level=SHOULD),
    _bad("nothing", b"", "A close without an answer is a 502.", "RFC 9110 §15.6.3", MUST),
    _bad("head-cut", b"HTTP/1.1 200 OK\r\nX-A: b\r\n", "A head cut short is a 502, never an answer.", "RFC 9112 §8"),
    _bad("head-cut-in-length", b"HTTP/1.1 200 OK\r\nContent-Length: 1", "A head cut short is a 502.", "RFC 9112 §8"),
)  # fmt: skip

CHUNKS = (
    *[
        _answer(f"chunk-{name}", ok(CHUNKED, b"2\r\nok\r\n" + data), duty="A bad chunk cuts the answer.", judge=cut,
                clause="RFC 9112 §7.1")
        for name, data in (
            ("no-hex", b"zz\r\n" + _END),
            ("plus", b"+3\r\nabc\r\n" + _END),
            ("minus", b"-3\r\nabc\r\n" + _END),
            ("0x", b"0x3\r\nabc\r\n" + _END),
            ("empty-size", b"\r\nabc\r\n" + _END),
            ("past-64-bits", b"10000000000000003\r\nabc\r\n" + _END),
            ("too-long", b"3\r\nabcd\r\n" + _END),
            ("too-short", b"5\r\nabc\r\n" + _END),
            ("space-before", b" 3\r\nabc\r\n" + _END),
        )
    ],
    *[
        _answer(f"chunk-{name}", ok(CHUNKED, b"2\r\nok\r\n" + data),
                duty="Odd line ends cut the answer, or mean one thing.",
                judge=either(cut, answered(body=b"okabc")), clause="RFC 9112 §7.1")
        for name, data in (
            ("size-lf", b"3\nabc\r\n" + _END),
            ("data-lf", b"3\r\nabc\n" + _END),
            ("size-space", b"3 \r\nabc\r\n" + _END),
            ("extension-lf", b"3;a\nb\r\nabc\r\n" + _END),
            ("extension-cr", b"3;a\rb\r\nabc\r\n" + _END),
            ("end-lf", b"3\r\nabc\r\n0\r\n\n"),
            ("trailer-bad", b"3\r\nabc\r\n0\r\nno colon\r\n\r\n"),
            ("trailer-length", b"3\r\nabc\r\n0\r\nContent-Length: 99\r\n\r\n"),
        )
    ],
    _answer("chunk-extension", ok(CHUNKED, b'3;a="b"\r\nabc\r\n' + _END), duty="Extensions are ignored.",
            judge=answered(body=b"abc"), level=MUST, clause="RFC 9112 §7.1.1"),
    _answer("trailer", ok(CHUNKED + b"Trailer: X-T\r\n", b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),
            duty="A trailer is passed on or dropped; it never becomes a field of the head.",
            judge=every(answered(body=b"abc", lacks=("x-t",)), kept), level=MUST, clause="RFC 9110 §6.5"),
)  # fmt: skip

HEADS = (
    _bad("no-http", b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "What is no answer is a 502."),
    _bad("bare-body", b"hello\n", "There is no HTTP/0.9: what has no status line is a 502."),
    _bad("http-2", b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n", "Another major version is a 502.", "RFC 9110 §2.5"),
    _bad("no-status", b"HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n", "A status has three digits."),
    _bad("status-four-digits", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "A status has three digits."),
    _bad("status-two-digits", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "A status has three digits."),
    _bad("status-minus", b"HTTP/1.1 -20 OK\r\nContent-Length: 0\r\n\r\n", "A status has three digits."),
    _bad("status-099", b"HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", "A status below 100 is invalid.",
         "RFC 9110 §15", SHOULD),
    _answer("status-999", b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", level=SHOULD, clause="RFC 9110 §15",
            duty="A status above 599 is passed on, or taken for a 5xx.", judge=either(bad_gateway, answered(999))),
    _answer("status-unknown", b"HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n", level=MUST, clause="RFC 9110 §15",
            duty="An unknown status is passed on.", judge=answered(299)),
    _answer("no-reason", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", level=MUST, clause="RFC 9112 §4",
            duty="The reason may be empty.", judge=answered()),
    _answer("no-colon", ok(b"nonsense\r\nContent-Length: 0\r\n"), Do.CLOSE, clause="RFC 9112 §5",
            duty="A line that is no field is a 502, or dropped.", judge=either(bad_gateway, answered(body=b""))),
    _answer("no-name", ok(b": b\r\nContent-Length: 0\r\n"), Do.CLOSE, clause="RFC 9112 §5",
            duty="A line that is no field is a 502, or dropped.", judge=either(bad_gateway, answered(body=b""))),
    _answer("nul-in-name", ok(b"X\x00A: b\r\nContent-Length: 0\r\n"), Do.CLOSE, clause="RFC 9112 §5",
            duty="A line that is no field is a 502, or dropped.", judge=either(bad_gateway, answered(body=b""))),
    *[
        _answer(f"field-{name}", ok(lines + b"Content-Length: 2\r\n", b"ok"), Do.CLOSE, duty=duty, clause=clause,
                judge=either(bad_gateway, answered(body=b"ok")))
        for name, lines, duty, clause in (
            ("nul", b"X-A: b\x00c\r\n", "NUL is a 502, or replaced.", "RFC 9110 §5.5"),
            ("bare-cr", b"X-A: b\rSet-Cookie: evil=1\r\n", "A bare CR is a 502, or replaced.", "RFC 9112 §2.2"),
            ("bare-lf", b"X-A: b\nX-C: d\r\n", "A bare LF ends a line for both readers, or is a 502.", "RFC 9112 §2.2"),
            ("folded", b"X-A: b\r\n c\r\n", "A folded line is a 502, or made one line.", "RFC 9112 §5.2"),
            ("space-before-colon", b"X-A : b\r\n", "Whitespace before a colon is removed, or a 502.", "RFC 9112 §5.1"),
            ("leading-space", b" X-A: b\r\n", "A first line that begins with whitespace is a 502, or dropped.",
             "RFC 9112 §2.2"),
            ("bad-name", b"X(A): b\r\n", "A name that is no token is a 502, or dropped.", "RFC 9110 §5.1"),
        )
    ],
    _answer("all-lf", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", Do.CLOSE, clause="RFC 9112 §2.2",
            duty="Bare LFs end lines for both readers, or are a 502.", judge=either(bad_gateway, answered(body=b"ok"))),
    _answer("splitting", ok(b"X-A: b\r\r\n\r\n" + length(b"ok"), b"ok"), Do.CLOSE, clause="RFC 9112 §2.2",
            duty="A stray CR splits no answer in two.", judge=either(bad_gateway, answered(body=b"ok"), answered())),
    _answer("empty-line-first", b"\r\n" + ok(length(b"ok"), b"ok"), Do.CLOSE, clause="RFC 9112 §2.2", level=SHOULD,
            duty="An empty line before an answer is no answer: a 502, or ignored.",
            judge=either(bad_gateway, answered(body=b"ok"))),
)  # fmt: skip

SURPLUS = (
    _answer("surplus", ok(length(b"ok"), b"okXYZ"), duty=_TOO_LONG, judge=either(bad_gateway, answered(body=b"ok"))),
    _answer("surplus-answer", ok(length(b"ok"), b"ok") + _STOLEN, duty=_TOO_LONG,
            judge=either(bad_gateway, answered(body=b"ok"))),
    _answer("surplus-after-chunks", ok(CHUNKED, b"2\r\nok\r\n" + _END + _STOLEN), duty=_TOO_LONG,
            judge=either(bad_gateway, answered(body=b"ok"))),
    _answer("surplus-after-zero", ok(b"Content-Length: 0\r\n", _STOLEN), duty=_TOO_LONG,
            judge=either(bad_gateway, answered(body=b""))),
    _answer("surplus-line-end", ok(length(b"ok"), b"ok\r\n"), duty=_TOO_LONG,
            judge=either(bad_gateway, answered(body=b"ok")), level=SHOULD),
    Case("answer-framing/surplus-later", "RFC 9112 §9.2", SECURITY,
         "An answer on an idle connection answers nobody.", (get(), Do.AWAIT_ANSWER, Do.GO, Do.AWAIT_GONE),
         answered(body=b"ok"),
         (ok(length(b"ok"), b"ok"), Do.AWAIT_GO, _STOLEN)),
    Case("answer-framing/surplus-interim-later", "RFC 9112 §9.2", SECURITY,
         "An interim answer on an idle connection is for nobody.", (get(), Do.AWAIT_ANSWER, Do.GO, Do.AWAIT_GONE),
         every(answered(body=b"ok"), lambda seen: "sent it on" if seen.interim else ""),
         (ok(length(b"ok"), b"ok"), Do.AWAIT_GO, b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")),
)  # fmt: skip

CASES = LENGTHS + CUTS + CHUNKS + HEADS + SURPLUS
