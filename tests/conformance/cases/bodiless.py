"""Answers that have no body whatever they say: to HEAD, 1xx, 204 and 304 (RFC 9112 section 6.3)."""

from __future__ import annotations

from tests.conformance.case import CHUNKED, MUST, SECURITY, Case, Do, Judge, Level, Seen, get, length, ok, post
from tests.conformance.judge import answered, bad_gateway, either, every, kept
from tests.conformance.reader import listed

_STOLEN = ok(length(b"stolen"), b"stolen")
_NO_SURPLUS = "What a backend sends after a bodiless answer reaches nobody."


def _head(name: str, answer: bytes, duty: str, judge: Judge, level: Level = MUST) -> Case:
    return Case(f"bodiless/head-{name}", "RFC 9110 §9.3.2, RFC 9112 §6.3", level, duty, (get(method=b"HEAD"),), judge,
                (answer,), methods=(b"HEAD",))  # fmt: skip


def _status(name: str, answer: bytes, duty: str, judge: Judge, level: Level = MUST) -> Case:
    return Case(f"bodiless/{name}", "RFC 9110 §15, RFC 9112 §6.3", level, duty, (get(),), judge, (answer,))


def _lean(seen: Seen) -> str:
    first = seen.answers[0]
    for name in ("content-length", "transfer-encoding"):
        if first.all(name):
            return f"sent {name} with {first.status}"
    return ""


BODILESS: tuple[Case, ...] = (
    _head("length", ok(length(b"x" * 5000)), "The answer to HEAD has the length of what GET would get, and no body.",
          every(answered(has={"content-length": b"5000"}), kept)),
    _head("chunked", ok(CHUNKED), "An answer to HEAD that would be chunked has no body.", every(answered(), kept)),
    _head("no-framing", ok(b"X-A: b\r\n"), "An answer to HEAD without framing ends with its head.",
          every(answered(has={"x-a": b"b"}), kept)),
    _head("404", ok(length(b"no"), b"", b"404 Not Found"), "Errors to HEAD have no body either.",
          every(answered(404), kept)),
    _head("body-sent", ok(length(b"oops"), b"oops"), _NO_SURPLUS, either(bad_gateway, answered(body=b"")), SECURITY),
    _head("body-sent-chunked", ok(CHUNKED, b"4\r\noops\r\n0\r\n\r\n"), _NO_SURPLUS,
          either(bad_gateway, answered(body=b"")), SECURITY),
    _head("answer-smuggled", ok(length(_STOLEN), _STOLEN), _NO_SURPLUS, either(bad_gateway, answered(body=b"")),
          SECURITY),
    _status("204", ok(b"X-A: b\r\n", b"", b"204 No Content"), "A 204 ends with its head.",
            every(answered(204, b"", has={"x-a": b"b"}), kept)),
    _status("204-length", ok(b"Content-Length: 0\r\n", b"", b"204 No Content"),
            "A 204 is sent without Content-Length, and without Transfer-Encoding.", every(answered(204), _lean)),
    _status("204-chunked", ok(CHUNKED, b"", b"204 No Content"),
            "A 204 is sent without Content-Length, and without Transfer-Encoding.",
            either(bad_gateway, every(answered(204), _lean)), SECURITY),
    _status("204-length-no-body", ok(b"Content-Length: 6\r\n", b"", b"204 No Content"),
            "Nobody waits for a body of a 204.", either(bad_gateway, every(answered(204), _lean)), SECURITY),
    _status("204-body-sent", ok(b"Content-Length: 4\r\n", b"oops", b"204 No Content"), _NO_SURPLUS,
            either(bad_gateway, answered(204, b"")), SECURITY),
    _status("204-answer-smuggled", ok(length(_STOLEN), _STOLEN, b"204 No Content"), _NO_SURPLUS,
            either(bad_gateway, answered(204, b"")), SECURITY),
    _status("304", ok(b'ETag: "a"\r\n', b"", b"304 Not Modified"), "A 304 ends with its head.",
            every(answered(304, b"", has={"etag": b'"a"'}), kept)),
    _status("304-length", ok(b"Content-Length: 5000\r\n", b"", b"304 Not Modified"),
            "A 304 may tell the length of what it does not send.", every(answered(304, b""), kept)),
    _status("304-chunked", ok(CHUNKED, b"", b"304 Not Modified"), "A 304 has no body, and needs no framing.",
            either(bad_gateway, answered(304, b"")), SECURITY),
    _status("304-answer-smuggled", ok(length(_STOLEN), _STOLEN, b"304 Not Modified"), _NO_SURPLUS,
            either(bad_gateway, answered(304, b"")), SECURITY),
    _status("205", ok(b"Content-Length: 0\r\n", b"", b"205 Reset Content"), "A 205 of no length is passed on.",
            every(answered(205, b""), kept)),
    _status("200-zero", ok(b"Content-Length: 0\r\n"), "A length of zero is a whole answer.",
            every(answered(200, b""), kept)),
    Case("bodiless/head-http-1.0", "RFC 9112 §6.3", MUST, "HEAD of HTTP/1.0 has no body either.",
         (b"HEAD /~ HTTP/1.0\r\nHost: a\r\n\r\n",), answered(body=b""), (ok(length(b"abc")),), methods=(b"HEAD",)),
    Case("bodiless/head-then-get", "RFC 9112 §9.3.2", SECURITY, "After a HEAD the next answer is read as one.",
         (get(method=b"HEAD") + get(target=b"/~/2"),),
         every(answered(count=2), lambda seen: "" if seen.answers[1].body == b"saw " + seen.path(b"/2")
               else "the second got another's answer"),
         (ok(length(b"x" * 77)),), answers=2, methods=(b"HEAD",)),
)  # fmt: skip

UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
UPGRADE += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
_SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
_SWITCHED += b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
_HIDDEN_IN_TUNNEL = b"GET /~/inside HTTP/1.1\r\nHost: a\r\n\r\n"


def _tunnelled(data: bytes) -> Judge:
    def judge(seen: Seen) -> str:
        if not seen.answers:
            return "did not answer"
        said = f"answered {seen.answers[0].status}, and the tunnel gave {listed([seen.tunnel])}"
        return "" if seen.tunnel == data else said

    return judge


def _through_the_front(seen: Seen) -> str:
    """A request after a refused upgrade went the way of every request."""
    inside = [request for request in seen.requests if request.target.endswith(b"/inside")]
    if inside and not inside[0].all("x-forwarded-for"):
        return "took the connection for a tunnel that the backend had refused"
    return ""


def _no_h2c(seen: Seen) -> str:
    if any(b"h2c" in request.members("upgrade") for request in seen.requests):
        return "offered the backend h2c on the client's behalf: a tunnel past every rule"
    return ""


UPGRADES = (
    Case("upgrade/websocket", "RFC 9110 §7.8, RFC 6455", MUST, "A 101 opens a tunnel, bytes as they are, both ways.",
         (get(UPGRADE), Do.AWAIT_ANSWER, b"\x81\x03abc", Do.AWAIT_BYTES),
         _tunnelled(b"\x81\x03abc"), (_SWITCHED, Do.ECHO), early=True),
    Case("upgrade/backend-speaks-first", "RFC 9110 §7.8", MUST, "Bytes that come with the 101 are of the tunnel.",
         (get(UPGRADE), Do.AWAIT_BYTES),
         _tunnelled(b"hello"),
         (_SWITCHED + b"hello", Do.ECHO), early=True),
    Case("upgrade/refused", "RFC 9110 §7.8", MUST, "An upgrade that the backend ignores is an ordinary request.",
         (get(UPGRADE),), every(answered(body=b"ok"), kept), (ok(length(b"ok"), b"ok"),)),
    Case("upgrade/refused-is-no-tunnel", "RFC 9110 §7.8", SECURITY,
         "After a refused upgrade the connection speaks HTTP, under every rule.",
         (get(UPGRADE), Do.AWAIT_ANSWER, _HIDDEN_IN_TUNNEL), _through_the_front,
         (ok(length(b"no"), b"no", b"426 Upgrade Required"),), answers=2),
    Case("upgrade/bad-version-is-no-tunnel", "RFC 6455 §4.4", SECURITY,
         "Whether a tunnel is open the backend says with 101, not the client's wish.",
         (get(UPGRADE.replace(b"13", b"1337")) + _HIDDEN_IN_TUNNEL,), _through_the_front,
         (ok(length(b"no"), b"no", b"426 Upgrade Required"),), answers=2),
    Case("upgrade/http-1.0", "RFC 9110 §7.8", MUST, "Upgrade is ignored in HTTP/1.0.",
         (b"GET /~ HTTP/1.0\r\nHost: a\r\n" + UPGRADE + b"\r\n",),
         lambda seen: "forwarded the upgrade" if seen.requests and seen.requests[0].all("upgrade") else ""),
    Case("upgrade/h2c", "RFC 9113 §3.1", SECURITY, "h2c is not passed on: what is inside would evade every rule.",
         (get(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"),),
         _no_h2c),
    Case("upgrade/h2c-without-settings", "RFC 9113 §3.1", SECURITY, "Nor in part.",
         (get(b"Connection: Upgrade\r\nUpgrade: h2c\r\n"),), _no_h2c),
    Case("upgrade/with-body", "RFC 9110 §7.8", SECURITY, "A request that upgrades may have a body, or is refused.",
         (post(UPGRADE + length(b"abc"), b"abc"),),
         lambda seen: "" if not seen.requests or bytes(seen.requests[0].body) == b"abc" else "lost the body"),
    Case("upgrade/other-protocol-in-answer", "RFC 9110 §15.2.2", SECURITY,
         "A 101 to a request without Upgrade opens no tunnel.", (get(), _HIDDEN_IN_TUNNEL), _through_the_front,
         (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",), answers=2),
)  # fmt: skip

CASES = BODILESS + UPGRADES
