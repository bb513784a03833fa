"""The chunked coding of requests: sizes, extensions, line ends and trailers (RFC 9112 section 7.1)."""

from __future__ import annotations

from tests.conformance.case import HIDDEN, MUST, SECURITY, SHOULD, Case, Do, Judge, Level, chunks, span
from tests.conformance.judge import aborted, either, every, forwarded, met, refused, unfinished

_END = b"0\r\n\r\n"
_SIZE = "A chunk size is hexadecimal digits and nothing else; what else comes is refused."
_LINE = "Lines of the coding end in CRLF; what else comes is refused, or read in one way."
_EITHER = either(refused(), forwarded(b"abc"))


def _case(
    name: str, data: bytes, duty: str, judge: Judge, level: Level = SECURITY, clause: str = "RFC 9112 §7.1"
) -> Case:
    return Case(f"chunked/{name}", clause, level, duty, (chunks(data),), judge)


def _trailer(name: str, lines: bytes, duty: str, judge: Judge, level: Level = SECURITY) -> Case:
    return _case(name, b"3\r\nabc\r\n0\r\n" + lines + b"\r\n", duty, judge, level, "RFC 9110 §6.5, RFC 9112 §7.1.2")


def _lacking(*names: str) -> Judge:
    return forwarded(b"abc", lacks=names)


SIZES = (
    _case("several", b"1\r\na\r\n2\r\nbc\r\n" + _END, "Chunks are joined.", forwarded(b"abc"), MUST),
    _case("empty", _END, "A body may be empty.", forwarded(b""), MUST),
    _case("capital-size", b"A\r\n0123456789\r\n" + _END, "Digits know no case.", forwarded(b"0123456789"), MUST),
    _case("small-size", b"a\r\n0123456789\r\n" + _END, "Digits know no case.", forwarded(b"0123456789"), MUST),
    _case("size-zeros", b"0003\r\nabc\r\n000\r\n\r\n", "Sizes may begin with zeros.", forwarded(b"abc"), MUST),
    _case("size-many-zeros", b"0" * 40 + b"3\r\nabc\r\n" + _END, "However many zeros: one meaning, or none.", _EITHER),
    _case("like-the-end", b"5\r\n0\r\n\r\n\r\n" + _END, "Data may look like the end.", forwarded(b"0\r\n\r\n"), MUST),
    _case("like-a-request", b"%x\r\n" % span(HIDDEN) + HIDDEN + b"\r\n" + _END, "Data may look like a request.",
          forwarded(HIDDEN)),
    *[
        _case(f"size-{name}", line + b"\r\n" + data + b"\r\n" + _END + HIDDEN, _SIZE, refused())
        for name, line, data in (
            ("plus", b"+3", b"abc"),
            ("minus", b"-3", b"abc"),
            ("0x", b"0x3", b"abc"),
            ("underscore", b"0_3", b"abc"),
            ("letter", b"g", b"abc"),
            ("empty", b"", b"abc"),
            ("space-before", b" 3", b"abc"),
            ("tab-before", b"\t3", b"abc"),
            ("space-inside", b"0 3", b"abc"),
            ("comma", b"3,", b"abc"),
            ("point", b"3.0", b"abc"),
            ("nul", b"3\x00", b"abc"),
            ("vertical-tab", b"3\x0b", b"abc"),
            ("high-byte", b"3\xa0", b"abc"),
            ("past-64-bits", b"10000000000000003", b"abc"),
            ("past-64-bits-far", b"f" * 32 + b"3", b"abc"),
        )
    ],
    Case("chunked/size-large", "RFC 9112 §7.1", SECURITY,
         "A large size is refused, or means what it says: the body is not whole.",
         (chunks(b"fffffffffffffffd\r\nabc\r\n" + _END + HIDDEN), Do.AWAIT_REQUEST, Do.HALF_CLOSE), aborted),
    _case("size-space-after", b"3 \r\nabc\r\n" + _END, "Whitespace after a size is refused, or has no meaning.",
          _EITHER),
    _case("size-tab-after", b"3\t\r\nabc\r\n" + _END, "Whitespace after a size is refused, or has no meaning.",
            _EITHER),
    _case("last-space-after", b"3\r\nabc\r\n0 \r\n\r\n", "Whitespace after a size is refused, or has no meaning.",
          _EITHER),
    _case("last-plus", b"3\r\nabc\r\n+0\r\n\r\n" + HIDDEN, _SIZE, refused()),
    _case("last-minus", b"3\r\nabc\r\n-0\r\n\r\n" + HIDDEN, _SIZE, refused()),
)  # fmt: skip

LINES = (
    _case("size-lf", b"3\nabc\r\n" + _END, _LINE, _EITHER),
    _case("size-cr", b"3\rabc\r\n" + _END + HIDDEN, _LINE, refused()),
    _case("size-cr-cr-lf", b"3\r\r\nabc\r\n" + _END, _LINE, _EITHER),
    _case("data-lf", b"3\r\nabc\n" + _END, _LINE, _EITHER),
    _case("data-cr", b"3\r\nabc\r" + _END + HIDDEN, _LINE, refused()),
    _case("data-no-end", b"3\r\nabc" + _END + HIDDEN, _LINE, refused()),
    _case("data-longer", b"3\r\nabcde\r\n" + _END + HIDDEN, "A chunk is as long as its size says.", refused()),
    _case("data-longer-by-two", b"3\r\nabcXX" + _END + HIDDEN,
          "What stands after a chunk's data is CRLF, and not any two bytes.", refused()),
    _case("last-lf", b"3\r\nabc\r\n0\n\r\n", _LINE, _EITHER),
    _case("end-lf", b"3\r\nabc\r\n0\r\n\n", _LINE, either(_EITHER, unfinished)),
    _case("end-lf-lf", b"3\r\nabc\r\n0\n\n", _LINE, either(_EITHER, unfinished)),
    _case("end-missing", b"3\r\nabc\r\n0\r\n" + HIDDEN, "Without the empty line what follows is a trailer.",
          _EITHER),
    Case("chunked/cut-short", "RFC 9112 §8", SECURITY,
         "A body without its last chunk is no whole request: the backend must be able to tell.",
         (chunks(b"3\r\nabc\r\n"), Do.HALF_CLOSE), refused()),
    Case("chunked/cut-inside", "RFC 9112 §8", SECURITY,
         "A body cut inside a chunk is no whole request: the backend must be able to tell.",
         (chunks(b"5\r\nabc"), Do.AWAIT_REQUEST, Do.LEAVE), every(met, aborted)),
    Case("chunked/byte-by-byte", "RFC 9112 §7.1", MUST, "However the bytes arrive, they mean the same.",
         (chunks(b"3"), b";a", b"=b\r", b"\na", b"bc", b"\r", b"\n", b"0\r", b"\nX-T", b": 1\r\n\r", b"\n"),
         forwarded(b"abc")),
)  # fmt: skip

EXTENSIONS = (
    _case("extension", b"3;a=b;c\r\nabc\r\n0;d\r\n\r\n", "Extensions that are not known are ignored.",
          forwarded(b"abc"), MUST, "RFC 9112 §7.1.1"),
    _case("extension-quoted", b'3;a="b;\\"c"\r\nabc\r\n' + _END, "An extension's value may be quoted.",
          forwarded(b"abc"), MUST, "RFC 9112 §7.1.1"),
    _case("extension-spaces", b"3 ; a = b\r\nabc\r\n" + _END, "Whitespace around `;` and `=` may be accepted.",
            _EITHER),
    _case("extension-lf", b"3;a\nb\r\nabc\r\n" + _END + HIDDEN,
          "A bare LF in an extension ends no line for one reader only (TERM.EXT).", refused(),
          clause="RFC 9112 §7.1.1"),
    _case("extension-lf-hides", b"2;\nxx\r\n%x\r\n0\r\n\r\n" % (4 + span(HIDDEN)) + HIDDEN + b"\r\n" + _END,
          "A bare LF in an extension ends no line for one reader only (EXT.TERM).",
          either(refused(), forwarded()), clause="RFC 9112 §7.1.1"),
    _case("extension-cr", b"3;a\rb\r\nabc\r\n" + _END + HIDDEN, "A bare CR in an extension is refused.", refused(),
          clause="RFC 9112 §7.1.1"),
    _case("extension-nul", b"3;a\x00b\r\nabc\r\n" + _END, "A NUL in an extension is refused, or dropped with it.",
          _EITHER, clause="RFC 9112 §7.1.1"),
    _case("extension-long", b"3;" + b"a" * 100_000 + b"\r\nabc\r\n" + _END,
          "The length of extensions is limited, or they are read and dropped.", _EITHER, clause="RFC 9112 §7.1.1"),
    _case("extensions-many", b"".join(b"1;" + b"e" * 200 + b"\r\nx\r\n" for _ in range(2000)) + _END,
          "The total length of extensions ought to be limited.", either(refused(), forwarded(b"x" * 2000)), SHOULD,
          "RFC 9112 §7.1.1"),
)  # fmt: skip

TRAILERS = (
    _trailer("trailer", b"X-T: 1\r\n", "A trailer is forwarded or dropped; it never becomes a field of the head.",
             _lacking("x-t"), MUST),
    *[
        _trailer(f"trailer-{name}", line + b"\r\n",
                 "A trailer for framing, routing or authentication is dropped or stays a trailer.", _lacking(field))
        for name, line, field in (
            ("authorization", b"Authorization: Basic eDp5", "authorization"),
            ("x-forwarded-host", b"X-Forwarded-Server: evil", "x-forwarded-server"),
        )
    ],
    _trailer("trailer-content-length", b"Content-Length: 99\r\n", "A trailer does not change the framing.",
             either(refused(), forwarded(b"abc"))),
    _trailer("trailer-transfer-encoding", b"Transfer-Encoding: identity\r\n", "A trailer does not change the framing.",
             either(refused(), forwarded(b"abc"))),
    _trailer("trailer-host", b"Host: evil\r\n", "A trailer does not change the host.",
             either(refused(), forwarded(b"abc", has={"host": b"a"}))),
    _trailer("trailer-folded", b"X-T: 1\r\n  more\r\n", "A folded trailer is refused, dropped, or made one line.",
            _EITHER),
    _trailer("trailer-no-colon", b"GET /~/hidden HTTP/1.1\r\n", "A trailer without a colon is refused, or dropped.",
             _EITHER),
    _trailer("trailer-space-before-colon", b"X-T : 1\r\n", "Whitespace before the colon is refused, or dropped.",
            _EITHER),
    _trailer("trailer-lf", b"X-T: 1\nX-U: 2\r\n", _LINE, _EITHER),
    _trailer("trailer-cr", b"X-T: 1\rX-U: 2\r\n", "A bare CR is refused, replaced, or dropped.", _EITHER),
    _trailer("trailer-nul", b"X-T: 1\x00\r\n", "A NUL is refused, replaced, or dropped.", _EITHER),
    _trailer("trailers-endless", b"X-T: 1234567890\r\n" * 20_000,
             "Trailers are limited as fields are, or read and dropped.", _EITHER),
)  # fmt: skip

CASES = SIZES + LINES + EXTENSIONS + TRAILERS
