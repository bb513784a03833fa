"""Fields that speak of one connection only, and Via, which speaks of them all (RFC 9110 section 7.6)."""

from __future__ import annotations

from tests.conformance.case import HOST, MUST, SECURITY, SHOULD, Case, Judge, Level, Seen, get, length, ok, post
from tests.conformance.judge import answered, either, every, forwarded, refused
from tests.conformance.reader import listed, shown

_NAMED = "Fields that Connection names are removed before a message is forwarded."
_CLAUSE = "RFC 9110 §7.6.1"


def _request(name: str, lines: bytes, duty: str, judge: Judge, level: Level = MUST, clause: str = _CLAUSE) -> Case:
    return Case(f"hop-by-hop/{name}", clause, level, duty, (get(lines),), judge)


def _answer(name: str, lines: bytes, duty: str, judge: Judge, level: Level = MUST, clause: str = _CLAUSE) -> Case:
    answer = (ok(lines + b"Content-Length: 2\r\n", b"ok"),)
    return Case(f"hop-by-hop/answer-{name}", clause, level, duty, (get(),), judge, answer)


def _unnamed(name: str) -> Judge:
    """The option does not reach the backend: neither as a field nor as an option of the next connection."""

    def judge(seen: Seen) -> str:
        named = seen.requests[0].members("connection")
        return f"forwarded Connection: {listed(named)}" if name.encode() in named else ""

    return every(forwarded(lacks=(name,)), judge)


def _te(seen: Seen) -> str:
    return "forwarded TE: gzip" if b"gzip" in b"".join(seen.requests[0].members("te")) else ""


def _no_upgrade(seen: Seen) -> str:
    request = seen.requests[0]
    if b"upgrade" in request.members("connection") or request.all("upgrade"):
        return f"forwarded Upgrade: {listed(request.all('upgrade'))}"
    return ""


def _addressed(seen: Seen) -> str:
    """The last address is not what the client said: whose it is, is the proxy's affair."""
    members = seen.requests[0].members("x-forwarded-for")
    return "" if members and members[-1] != b"6.6.6.6" else f"forwarded X-Forwarded-For as {listed(members)}"


def _via(*received: bytes) -> Judge:
    """Via has what came, in order, and one element more."""

    def judge(seen: Seen) -> str:
        members = seen.requests[0].members("via")
        if members[: len(received)] != list(received):
            return f"forwarded Via as {listed(members)}"
        added = len(members) == len(received) + 1
        return "" if added else f"forwarded Via: {listed(members)}, without an element of its own"

    return every(forwarded(), judge)


def _via_version(seen: Seen) -> str:
    last = (seen.requests[0].members("via") or [b""])[-1]
    return "" if last.split(b" ")[0] in (b"1.0", b"http/1.0") else f"wrote Via: {shown(last)} for a request of HTTP/1.0"


REQUESTS = (
    _request("named", b"Connection: X-Hop\r\nX-Hop: 1\r\n", _NAMED, _unnamed("x-hop")),
    _request("named-case", b"Connection: x-HOP\r\nX-Hop: 1\r\n", _NAMED, _unnamed("x-hop")),
    _request("named-list", b"Connection: , keep-alive ,\tX-Hop,,\r\nX-Hop: 1\r\nX-Hop: 2\r\n", _NAMED,
            _unnamed("x-hop")),
    _request("named-two-lines", b"Connection: keep-alive\r\nX-Hop: 1\r\nConnection: X-Hop\r\n", _NAMED,
             _unnamed("x-hop")),
    _request("named-before", b"X-Hop: 1\r\nConnection: X-Hop\r\n", _NAMED, _unnamed("x-hop")),
    _request("named-with-close", b"Connection: close, X-Hop\r\nX-Hop: 1\r\n", _NAMED, _unnamed("x-hop")),
    _request("named-others-stay", b"Connection: X-Hop\r\nX-Hop: 1\r\nX-Hop-2: 2\r\n",
             "Fields that Connection does not name stay.", forwarded(has={"x-hop-2": b"2"})),
    _request("keep-alive", b"Keep-Alive: timeout=5\r\nConnection: keep-alive\r\n",
             "Keep-Alive is of one connection only.", forwarded(lacks=("keep-alive",))),
    _request("keep-alive-unnamed", b"Keep-Alive: timeout=5\r\n",
             "Keep-Alive is removed even where Connection does not name it.", forwarded(lacks=("keep-alive",)), SHOULD),
    _request("proxy-connection", b"Proxy-Connection: keep-alive\r\n", "Proxy-Connection is removed.",
             forwarded(lacks=("proxy-connection",)), SHOULD),
    _request("te", b"TE: gzip\r\nConnection: TE\r\n", "TE speaks of one connection: codings are not passed on.",
             every(forwarded(), _te)),
    _request("te-unnamed", b"TE: gzip\r\n", "TE is removed even where Connection does not name it.",
             every(forwarded(), _te), SHOULD),
    _request("upgrade-unnamed", b"Upgrade: websocket\r\n", "Upgrade without the option `upgrade` is not passed on.",
             every(forwarded(), _no_upgrade), clause="RFC 9110 §7.8"),
    _request("connection-close", b"Connection: close\r\n", "close is said to us, and the request is forwarded.",
             forwarded()),
    Case("hop-by-hop/names-content-length", _CLAUSE, SECURITY,
         "Naming Content-Length does not take the body's length away.",
         (post(b"Connection: Content-Length\r\n" + length(b"abc"), b"abc"),), either(refused(), forwarded(b"abc"))),
    Case("hop-by-hop/names-transfer-encoding", _CLAUSE, SECURITY,
         "Naming Transfer-Encoding does not change the framing.",
         (post(b"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n", b"3\r\nabc\r\n0\r\n\r\n"),),
         either(refused(), forwarded(b"abc"))),
    _request("names-host", b"Connection: Host\r\n", "Naming Host does not take the host away.",
             either(refused(), forwarded(has={"host": b"a"})), SECURITY),
    _request("names-x-forwarded-for", b"Connection: X-Forwarded-For\r\n",
             "Naming X-Forwarded-For does not hide where a request came from.",
             either(refused(), every(forwarded(), _addressed)), SECURITY),
    _request("names-via", b"Connection: Via\r\n", "Naming Via does not hide the way of a request.",
             either(refused(), _via()), SECURITY),
    _request("no-token", b"Connection: X-Hop\x01, close\r\nX-Hop: 1\r\n",
            "An option that is no token is refused or idle.",
             either(refused(), forwarded()), SHOULD),
    _request("x-forwarded-for-spoofed", b"X-Forwarded-For: 6.6.6.6\r\n",
             "The last address of X-Forwarded-For is the one that asked.",
             every(forwarded(), _addressed), SECURITY),
)  # fmt: skip

VIA = (
    _request("via", b"", "A gateway adds itself to Via of what it forwards.", _via(), clause="RFC 9110 §7.6.3"),
    _request("via-appended", b"Via: 1.0 fred, 1.1 p.example\r\n", "Via keeps what came, in order.",
             _via(b"1.0 fred", b"1.1 p.example"), clause="RFC 9110 §7.6.3"),
    _request("via-two-lines", b"Via: 1.0 fred\r\nVia: 1.1 p.example\r\n", "Via keeps what came, in order.",
             _via(b"1.0 fred", b"1.1 p.example"), clause="RFC 9110 §7.6.3"),
    Case("hop-by-hop/via-http-1.0", "RFC 9110 §7.6.3", MUST, "Via names the version that the message was received in.",
         (b"GET /~ HTTP/1.0\r\n" + HOST + b"\r\n",), every(_via(), _via_version)),
)  # fmt: skip

ANSWERS = (
    _answer("named", b"Connection: X-Hop\r\nX-Hop: 1\r\n", _NAMED, answered(body=b"ok", lacks=("x-hop",))),
    _answer("named-list", b"Connection: keep-alive,X-Hop , X-Hup\r\nX-Hop: 1\r\nX-Hup: 2\r\n", _NAMED,
            answered(body=b"ok", lacks=("x-hop", "x-hup"))),
    _answer("named-two-lines", b"X-Hop: 1\r\nConnection: keep-alive\r\nConnection: x-hop\r\n", _NAMED,
            answered(body=b"ok", lacks=("x-hop",))),
    _answer("keep-alive", b"Connection: keep-alive\r\nKeep-Alive: timeout=77\r\n",
            "The backend's Keep-Alive is of its connection only.",
            lambda seen: "passed on Keep-Alive" if b"timeout=77" in seen.answers[0].members("keep-alive") else ""),
    _answer("proxy-connection", b"Proxy-Connection: keep-alive\r\n", "Proxy-Connection is removed.",
            answered(lacks=("proxy-connection",)), SHOULD),
    _answer("upgrade", b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
            "An offer to upgrade is of the backend's connection.",
            answered(body=b"ok", lacks=("upgrade",)), clause="RFC 9110 §7.8"),
    _answer("close", b"Connection: close\r\n", "The backend's close is said to us; the answer is whole.",
            answered(body=b"ok")),
    _answer("names-content-length", b"Connection: Content-Length\r\n",
            "Naming Content-Length does not make an answer longer or shorter.",
            either(answered((500, 502)), answered(body=b"ok")), SECURITY),
    _answer("names-set-cookie", b"Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Other: 2\r\n",
            "Fields that Connection does not name stay.", answered(has={"x-other": b"2"}, lacks=("x-hop",))),
)  # fmt: skip

CASES = REQUESTS + VIA + ANSWERS
