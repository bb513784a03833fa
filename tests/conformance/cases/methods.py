"""Methods: passed on as they are, and the few that concern an intermediary itself (RFC 9110 sections 7.6.2 and 9)."""

from __future__ import annotations

from tests.conformance.case import HIDDEN, MUST, SECURITY, SHOULD, Case, Do, Judge, Level, Seen, get, length
from tests.conformance.judge import at_most, either, forwarded, refused
from tests.conformance.reader import shown

_ZERO = "At Max-Forwards 0 a TRACE or OPTIONS is not forwarded: the intermediary answers."
_LESS = "Max-Forwards of a TRACE or OPTIONS is forwarded one less."


def _passed(method: bytes, level: Level = MUST, judge: Judge | None = None) -> Case:
    return Case(f"methods/{method.decode()}", "RFC 9110 §9.1", level, "A method is passed on as it is.",
                (get(method=method),), judge or forwarded(method=method))  # fmt: skip


def _forwards(name: str, method: bytes, value: bytes, duty: str, judge: Judge, level: Level = MUST) -> Case:
    request = get(b"Max-Forwards: " + value + b"\r\n", method=method)
    return Case(f"methods/{name}", "RFC 9110 §7.6.2", level, duty, (request,), judge)


def _answered_here(seen: Seen) -> str:
    if seen.requests:
        return "forwarded it"
    return "" if seen.answers and seen.answers[0].status < 600 else "did not answer"


def _no_tunnel(seen: Seen) -> str:
    if any(b"tunnelled" in data for data in seen.connections):
        return "opened a tunnel to the backend"
    return ""


CASES = (
    *[_passed(method) for method in (b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS")],
    *[_passed(method, SHOULD) for method in (b"QUERY", b"PROPFIND", b"PURGE", b"M-SEARCH", b"X!#$%&'*+-.^_`|")],
    Case("methods/get-small", "RFC 9110 §9.1", MUST, "Methods know case: `get` is not GET.", (get(method=b"get"),),
         either(refused(), forwarded(method=b"get"))),
    Case("methods/head", "RFC 9110 §9.3.2", MUST, "HEAD is passed on as HEAD, or asked with GET.",
         (get(method=b"HEAD"),), forwarded(), methods=(b"HEAD",)),
    Case("methods/delete-with-body", "RFC 9110 §9.3.5", SHOULD, "The body of a DELETE is forwarded, or refused.",
         (get(length(b"abc"), method=b"DELETE") + b"abc",), either(refused(), forwarded(b"abc"))),
    Case("methods/unknown-with-body", "RFC 9112 §6.3", SECURITY, "The body of an unknown method is a body.",
         (get(b"Content-Length: 3\r\n", method=b"FOO") + b"abc",), either(refused(), forwarded(b"abc"))),
    Case("methods/options-asterisk", "RFC 9112 §3.2.4", MUST, "OPTIONS * is answered, or forwarded with `*`.",
         (get(b"X-Key: ~\r\n", b"*", b"OPTIONS"),),
         lambda seen: f"forwarded {shown(seen.requests[0].first)}" if seen.requests and seen.requests[0].target != b"*"
         else "" if seen.answers else "did not answer"),
    Case("methods/options-absolute-empty", "RFC 9112 §3.2.4", MUST,
         "OPTIONS for an absolute URI without a path is answered, or forwarded with `*`.",
         (get(b"X-Key: ~\r\n", b"http://a", b"OPTIONS"),),
         lambda seen: f"forwarded {shown(seen.requests[0].first)}" if seen.requests and seen.requests[0].target != b"*"
         else "" if seen.answers else "did not answer"),
    Case("methods/absolute-empty", "RFC 9112 §3.2.1", MUST, "An absolute URI without a path is forwarded with `/`.",
         (get(b"X-Key: ~\r\n", b"http://a"),), either(refused(), forwarded(target=b"/"))),
    Case("methods/absolute-empty-query", "RFC 9112 §3.2.1", MUST,
         "An absolute URI with a query and no path is forwarded with `/`.",
         (get(target=b"http://a?~"),), either(refused(), forwarded(target=b"/?~"))),
    _forwards("trace-max-forwards-0", b"TRACE", b"0", _ZERO, _answered_here),
    _forwards("options-max-forwards-0", b"OPTIONS", b"0", _ZERO, _answered_here),
    _forwards("trace-max-forwards-7", b"TRACE", b"7", _LESS, either(refused(), forwarded(has={"max-forwards": b"6"}))),
    _forwards("options-max-forwards-7", b"OPTIONS", b"7", _LESS, forwarded(has={"max-forwards": b"6"})),
    _forwards("options-max-forwards-10", b"OPTIONS", b"10", _LESS, forwarded(has={"max-forwards": b"9"})),
    _forwards("options-max-forwards-bad", b"OPTIONS", b"x", "A Max-Forwards that is no number is refused or passed on.",
              either(refused(), forwarded()), SHOULD),
    _forwards("get-max-forwards-0", b"GET", b"0", "For other methods Max-Forwards may be ignored.",
              either(_answered_here, forwarded())),
    Case("methods/trace-secrets", "RFC 9110 §9.3.8", SECURITY,
         "A TRACE that is answered here does not show credentials.",
         (get(b"Max-Forwards: 0\r\nCookie: secret=1\r\nAuthorization: Basic c2VjcmV0\r\n", method=b"TRACE"),),
         lambda seen: "showed credentials" if b"c2VjcmV0" in seen.received or b"secret=1" in seen.received else ""),
    Case("methods/connect", "RFC 9110 §9.3.6", SECURITY, "A gateway opens no tunnel for whoever asks.",
         (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nX-Key: ~\r\n\r\ntunnelled\r\n\r\n",), _no_tunnel, answers=2),
    Case("methods/connect-smuggles", "RFC 9110 §9.3.6", SECURITY, "What follows a refused CONNECT is no way around.",
         (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 5\r\n\r\n" + HIDDEN,),
         lambda seen: "", answers=2),
    Case("methods/connect-path", "RFC 9112 §3.2.3", SHOULD, "CONNECT with a path is refused.",
         (get(method=b"CONNECT"),), refused()),
    Case("methods/post-once", "RFC 9110 §9.2.2", SECURITY,
         "A POST that the backend took and did not answer is not sent again.",
         (b"POST /~ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",), at_most(1), answer=(Do.CLOSE,)),
    Case("methods/post-once-reused", "RFC 9110 §9.2.2", SECURITY,
         "A POST on a connection used before is not sent again either, once the backend took it.",
         (b"POST /~ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",), at_most(1), answer=(Do.CLOSE,), warm=True),
    Case("methods/patch-once-reset", "RFC 9110 §9.2.2", SECURITY, "A PATCH that met a reset is not sent again.",
         (b"PATCH /~ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",), at_most(1), answer=(Do.RESET,), warm=True),
    Case("methods/post-cut-answer-once", "RFC 9110 §9.2.2", SECURITY,
         "A POST whose answer broke off is not sent again.",
         (b"POST /~ HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",), at_most(1),
         answer=(b"HTTP/1.1 200 OK\r\nContent-Le", Do.CLOSE)),
)  # fmt: skip
