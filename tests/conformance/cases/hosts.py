"""Host, and targets that name one: a request is for one host, for every reader (RFC 9112 section 3.2)."""

from __future__ import annotations

from tests.conformance.case import HOST, MUST, SECURITY, SHOULD, Case, Judge, Level
from tests.conformance.judge import either, forwarded, refused

_INVALID = "A Host that is no host and port is answered with 400."


def _host(name: str, lines: bytes, duty: str, judge: Judge, level: Level = MUST, clause: str = "RFC 9112 §3.2") -> Case:
    head = b"GET /~ HTTP/1.1\r\n" + lines + b"\r\n"
    return Case(f"hosts/{name}", clause, level, duty, (head,), judge)


def _absolute(
    name: str, target: bytes, duty: str, judge: Judge, host: bytes = HOST, level: Level = MUST, method: bytes = b"GET"
) -> Case:
    head = method + b" " + target + b" HTTP/1.1\r\n" + host + b"\r\n"
    return Case(f"hosts/{name}", "RFC 9112 §3.2.2", level, duty, (head,), judge)


def _is_for(host: bytes) -> Judge:
    return forwarded(has={"host": host})


HOSTS = (
    _host("none", b"X-A: b\r\n", "A request of HTTP/1.1 without Host is answered with 400.", refused(400)),
    _host("two", b"Host: a\r\nHost: b\r\n", "More than one Host is answered with 400.", refused(400), SECURITY),
    _host("two-equal", b"Host: a\r\nHost: a\r\n", "More than one Host is answered with 400.", refused(400)),
    _host("two-apart", b"Host: a\r\nX-A: b\r\nhost: b\r\n", "More than one Host is answered with 400.", refused(400),
          SECURITY),
    _host("list", b"Host: a, b\r\n", _INVALID, refused(400), SECURITY),
    _host("space-before-colon", b"Host : a\r\n", "Whitespace before the colon is answered with 400.", refused(400),
          SECURITY, "RFC 9112 §5.1"),
    _host("second-folded", b"Host: a\r\n Host: b\r\n", "A Host folded over two lines is no host: refused.", refused(),
          SECURITY, "RFC 9112 §3.2, §5.2"),
    _host("second-leading-space", b"X-A: b\r\n Host: b\r\nHost: a\r\n", "A folded line is no Host.",
          either(refused(), _is_for(b"a")), SECURITY, "RFC 9112 §5.2"),
    *[
        _host(f"with-{name}", b"Host: " + value + b"\r\n", _INVALID, refused(400))
        for name, value in (
            ("path", b"a/b"),
            ("user", b"u@a"),
            ("space", b"a b"),
            ("tab", b"a\tb"),
            ("query", b"a?b"),
            ("fragment", b"a#b"),
            ("backslash", b"a\\b"),
            ("nul", b"a\x00b"),
            ("control", b"a\x01b"),
            ("port-letters", b"a:http"),
            ("port-sign", b"a:+80"),
            ("two-ports", b"a:80:81"),
            ("scheme", b"http://a"),
            ("open-bracket", b"[::1"),
            ("bytes-beyond-ascii", "ä".encode()),
        )
    ],
    _host("port", b"Host: a:8080\r\n", "A Host may have a port.", forwarded()),
    _host("ipv6", b"Host: [::1]:8080\r\n", "A Host may be an IPv6 address.", forwarded()),
    _host("empty", b"Host:\r\n", "An empty Host is refused, or forwarded.", either(refused(), forwarded())),
    _host("last", b"X-A: b\r\nX-B: c\r\nHost: a\r\n", "Host may stand anywhere.", _is_for(b"a")),
    _host("capitals", b"HOST: A.example\r\n", "Names and hosts know no case.", forwarded()),
    Case("hosts/http-1.0-none", "RFC 9112 §3.2", MUST, "HTTP/1.0 needs no Host.", (b"GET /~ HTTP/1.0\r\n\r\n",),
         forwarded()),
    Case("hosts/http-1.0-two", "RFC 9112 §3.2", SECURITY, "More than one Host is answered with 400.",
         (b"GET /~ HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",), refused(400)),
)  # fmt: skip

ABSOLUTE = (
    _absolute("absolute", b"http://a/~", "The absolute form is accepted.", forwarded()),
    _absolute("absolute-wins", b"http://b/~",
            "Where the target names another host than Host, the target counts, or it is refused.",
              either(refused(), _is_for(b"b")), level=SECURITY),
    _absolute("absolute-port", b"http://b:8080/~",
            "Where the target names another host than Host, the target counts, or it is refused.",
              either(refused(), _is_for(b"b:8080")), level=SECURITY),
    _absolute("absolute-capitals", b"HTTP://a/~", "Schemes know no case.", forwarded()),
    _absolute("absolute-query", b"http://a/~?x=1", "Path and query are kept.", forwarded()),
    _absolute("absolute-no-host-field", b"http://a/~", "Even the absolute form needs a Host field.", refused(400), b""),
    _absolute("absolute-two-hosts", b"http://a/~", "Even the absolute form has one Host field.", refused(400),
              b"Host: a\r\nHost: b\r\n", SECURITY),
    _absolute("absolute-user", b"http://u:p@a/~", "User information is refused, or not taken for the host.",
              either(refused(), _is_for(b"a")), level=SECURITY),
    _absolute("absolute-empty-host", b"http:///~", "An http URI without a host is refused.", refused(), level=SECURITY),
    _absolute("absolute-user-hides-host", b"http://a\\@b/~", "A backslash in an authority is refused.", refused(),
              level=SECURITY),
    _absolute("absolute-bad-port", b"http://a:x/~", "A port is digits.", refused(), level=SECURITY),
    _absolute("absolute-space-host", b"http://a%20b/~", "A host stays as it was written, or is refused.",
              either(refused(), forwarded()), level=SECURITY),
    _absolute("absolute-other-scheme", b"ftp://a/~", "Another scheme is refused, or forwarded as it came.",
              either(refused(), forwarded())),
    _absolute("absolute-javascript", b"javascript:~", "What has no authority is refused.", refused(), level=SHOULD),
)  # fmt: skip

CASES = HOSTS + ABSOLUTE
