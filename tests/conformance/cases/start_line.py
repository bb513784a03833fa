"""The request line: its spaces and line ends, versions, methods and odd targets (RFC 9112 sections 2 and 3)."""

from __future__ import annotations

from tests.conformance.case import HIDDEN, HOST, MUST, SECURITY, SHOULD, Case, Judge, Level, get
from tests.conformance.judge import either, every, forwarded, refused

_GRAMMAR = "A malformed request line is refused, or read in one way only."
_FORWARDED = forwarded()
_ANY = either(refused(), forwarded())


def _line(
    name: str, line: bytes, duty: str, judge: Judge, level: Level = SECURITY, clause: str = "RFC 9112 §3"
) -> Case:
    return Case(f"start-line/{name}", clause, level, duty, (line + b"\r\n" + HOST + b"\r\n",), judge)


def _verbatim(name: str, target: bytes) -> Case:
    return Case(
        f"start-line/target-{name}", "RFC 9110 §7.7", MUST,
        "Path and query are forwarded as they came; they are not normalised on the way.",
        (get(target=target),), forwarded(target=target),
    )  # fmt: skip


def _odd(name: str, target: bytes) -> Case:
    return Case(
        f"start-line/target-{name}", "RFC 9112 §3.2", SHOULD,
        "What is no URI is refused, or forwarded as it came; it is not corrected on the way.",
        (get(target=target),), either(refused(), forwarded(target=target)),
    )  # fmt: skip


SPACES = (
    _line("two-spaces", b"GET  /~ HTTP/1.1", _GRAMMAR, _ANY),
    _line("two-spaces-before-version", b"GET /~  HTTP/1.1", _GRAMMAR, _ANY),
    _line("tab", b"GET\t/~ HTTP/1.1", _GRAMMAR, _ANY),
    _line("tab-before-version", b"GET /~\tHTTP/1.1", _GRAMMAR, _ANY),
    _line("leading-space", b" GET /~ HTTP/1.1", _GRAMMAR, _ANY),
    _line("trailing-space", b"GET /~ HTTP/1.1 ", _GRAMMAR, _ANY),
    _line("vertical-tab", b"GET\x0b/~ HTTP/1.1", _GRAMMAR, _ANY),
    _line("space-in-target", b"GET /~/a b HTTP/1.1", "Whitespace in a target is refused, never repaired.", refused()),
    _line("version-in-target", b"GET /~ HTTP/1.1 HTTP/1.1",
          "Whitespace in a target is refused, never repaired.", refused()),
    _line("bare-cr", b"GET /~\rHTTP/1.1", "A bare CR is refused or taken for a space; it ends no line.", _ANY),
    _line("bare-cr-splits", b"GET /~ HTTP/1.1\rX-A: b", "A bare CR is refused or taken for a space; it ends no line.",
          refused()),
    _line("nul", b"GET /~\x00 HTTP/1.1", "A NUL in the target is refused.", refused()),
    _line("nul-in-method", b"GE\x00T /~ HTTP/1.1", "A method is a token.", refused()),
    _line("control-in-target", b"GET /~/a\x01b HTTP/1.1", "A control byte in the target is refused.", refused()),
    _line("delete-in-target", b"GET /~/a\x7fb HTTP/1.1", "A control byte in the target is refused.", refused(), SHOULD),
    _line("utf-8-in-target", "GET /~/é HTTP/1.1".encode(), "Bytes beyond ASCII are refused, or forwarded.", _ANY,
          SHOULD),
    _line("colon-after-method", b"GET: /~ HTTP/1.1", "A method is a token.", refused()),
    _line("no-method", b"/~ HTTP/1.1", _GRAMMAR, refused(), SHOULD),
    _line("method-with-brackets", b"GET[] /~ HTTP/1.1", "A method is a token.", refused(), SHOULD),
    Case("start-line/folded", "RFC 9112 §2.2", SECURITY,
         "A line that begins with whitespace after the request line is refused, or dropped.",
         (b"GET /~ HTTP/1.1\r\n X-A: b\r\n" + HOST + b"\r\n",), either(refused(), forwarded(lacks=("x-a",)))),
    Case("start-line/folded-length", "RFC 9112 §2.2", SECURITY,
         "A line that begins with whitespace after the request line is refused, or dropped.",
         (b"POST /~ HTTP/1.1\r\n Content-Length: 33\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc",),
         either(refused(), forwarded(b"abc"))),
    Case("start-line/empty-line-before", "RFC 9112 §2.2", SHOULD, "One empty line before the request line is ignored.",
         (b"\r\n" + get(),), _FORWARDED),
    Case("start-line/many-empty-lines", "RFC 9112 §2.2", SHOULD, "Many empty lines are ignored or refused.",
         (b"\r\n" * 500 + get(),), _ANY),
    Case("start-line/bare-lf", "RFC 9112 §2.2", SECURITY, "A bare LF ends the line for both readers, or is refused.",
         (b"GET /~ HTTP/1.1\nHost: a\r\n\r\n",), _ANY),
    Case("start-line/all-lf", "RFC 9112 §2.2", SECURITY, "Bare LFs end lines for both readers, or are refused.",
         (b"GET /~ HTTP/1.1\nHost: a\n\n",), _ANY),
    Case("start-line/empty-line-lf", "RFC 9112 §2.2", SECURITY,
         "A bare LF ends the head for both readers, or is refused.",
         (b"GET /~ HTTP/1.1\r\nHost: a\r\n\n",), _ANY),
)  # fmt: skip

VERSIONS = (
    _line("http-0.9", b"GET /~", "A request without a version is refused.", refused(), SHOULD, "RFC 9112 §3"),
    _line("http-0.9-named", b"GET /~ HTTP/0.9", "Version 0.9 is refused.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("http-1.2", b"GET /~ HTTP/1.2", "A higher minor version is understood as ours, and forwarded as ours.",
          either(refused(), forwarded()), SHOULD, "RFC 9110 §2.5"),
    _line("http-2.0", b"GET /~ HTTP/2.0", "Another major version is refused.", refused(), SHOULD, "RFC 9110 §2.5"),
    _line("http-3", b"GET /~ HTTP/3", "Another major version is refused.", refused(), SHOULD, "RFC 9110 §2.5"),
    _line("http-11.1", b"GET /~ HTTP/11.1", "A version has one digit on each side.", refused(), SHOULD,
            "RFC 9112 §2.3"),
    _line("http-1.10", b"GET /~ HTTP/1.10", "A version has one digit on each side.", refused(), SHOULD,
            "RFC 9112 §2.3"),
    _line("http-1", b"GET /~ HTTP/1", "A version has one digit on each side.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("http-comma", b"GET /~ HTTP/1,1", "A version is written with a point.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("http-plus", b"GET /~ HTTP/+1.1", "A version is digits.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("http-letters", b"GET /~ HTTP/x.y", "A version is digits.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("http-lower-case", b"GET /~ http/1.1", "The protocol's name knows case.", refused(), SHOULD, "RFC 9112 §2.3"),
    _line("icy", b"GET /~ ICY/1.1", "Another protocol is refused.", refused(), SHOULD, "RFC 9112 §2.3"),
    Case("start-line/own-version-up", "RFC 9110 §2.5, §7.6", MUST,
         "An intermediary sends its own version, whatever the client's.",
         (b"GET /~ HTTP/1.0\r\nHost: a\r\n\r\n",),
         every(forwarded(), lambda seen: "" if seen.requests[0].minor_version else "forwarded it as HTTP/1.0")),
    Case("start-line/http-2-preface", "RFC 9113 §3.4", SECURITY,
         "The preface of HTTP/2 is refused where HTTP/2 is not spoken, or begins HTTP/2.",
         (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + HIDDEN,), lambda seen: "forwarded it" if seen.requests else ""),
    Case("start-line/tls", "RFC 9112 §3", SECURITY, "Bytes of another protocol are refused.",
         (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 40 + b"\r\n\r\n",), refused()),
)  # fmt: skip

TARGETS = (
    _verbatim("percent", b"/~/%7e%2F%2e%2e/%41?q=%20%2B"),
    _verbatim("dots", b"/~/a/../b/./c"),
    _verbatim("slashes", b"/~//a///b"),
    _verbatim("empty-query", b"/~?"),
    _verbatim("odd-query", b"/~?a=b&&c=?/:@!$'()*+,;="),
    _odd("percent-broken", b"/~/%zz%"),
    _verbatim("semicolons", b"/~;v=1/x;y"),
    _odd("encoded-nul", b"/~/%00"),
    _odd("backslash", b"/~/a\\b"),
    _odd("brackets", b"/~/a[1]?b[]=2"),
    _line("fragment", b"GET /~/a#b HTTP/1.1", "A target has no fragment: refused, or forwarded as it came.",
          either(refused(), forwarded(target=b"/~/a#b")), SHOULD, "RFC 9112 §3.2"),
    _line("relative", b"GET ~ HTTP/1.1", "A target begins with a slash, or has a scheme.", refused(), SHOULD,
          "RFC 9112 §3.2"),
    _line("question-first", b"GET ?~ HTTP/1.1", "A target begins with a slash, or has a scheme.", refused(), SHOULD,
          "RFC 9112 §3.2"),
    _line("asterisk-get", b"GET * HTTP/1.1", "The asterisk is for OPTIONS.", refused(), SHOULD, "RFC 9112 §3.2.4"),
    _line("authority-get", b"GET ~:80 HTTP/1.1", "The authority form is for CONNECT.", refused(), SHOULD,
          "RFC 9112 §3.2.3"),
    Case("start-line/target-8000", "RFC 9112 §3", SHOULD, "Request lines of 8000 octets are supported.",
         (get(target=b"/~/" + b"a" * 7975),), forwarded(target=b"/~/" + b"a" * 7975)),
    Case("start-line/target-too-long", "RFC 9112 §3", MUST, "A target longer than is wished for is answered with 414.",
         (get(target=b"/~/" + b"a" * 200_000),), either(refused(414), forwarded())),
    Case("start-line/method-too-long", "RFC 9112 §3", SHOULD,
         "A method longer than is known is answered with 501 or 4xx.",
         (get(method=b"A" * 5000),), either(refused(), forwarded())),
)  # fmt: skip

CASES = SPACES + VERSIONS + TARGETS
