"""Connections that live on, and requests that do not wait for their turn (RFC 9112 section 9)."""

from __future__ import annotations

from tests.conformance.case import CHUNKED, HIDDEN, MUST, SECURITY, SHOULD, Case, Do, Seen, get, length, ok, post
from tests.conformance.judge import answered, closed, every, forwarded, kept

_OK = ok(length(b"ok"), b"ok")
_OLD = b"GET /~ HTTP/1.0\r\nHost: a\r\n"


def _says_close(seen: Seen) -> str:
    return "" if b"close" in seen.answers[0].members("connection") else "closed without saying so"


def _old_keeps(seen: Seen) -> str:
    says = b"keep-alive" in seen.answers[0].members("connection")
    if seen.closed:
        return "said keep-alive, and closed" if says else ""
    return "" if says else "kept a connection of HTTP/1.0 open without saying so"


def _no_coding(seen: Seen) -> str:
    return "sent Transfer-Encoding to HTTP/1.0" if seen.answers[0].all("transfer-encoding") else ""


def _two(first: bytes, second: bytes) -> Case:
    name = f"{first.split(b' ')[0].decode().lower()}-{second.split(b' ')[0].decode().lower()}"
    methods = tuple(request.split(b" ")[0] for request in (first, second))
    return Case(f"pipelining/{name}", "RFC 9112 §9.3.2", MUST, "Requests that come together are answered in order.",
                (first + second,), forwarded(count=2), answers=2, methods=methods)  # fmt: skip


PERSISTENCE = (
    Case("persistence/kept", "RFC 9112 §9.3", SHOULD, "A connection of HTTP/1.1 serves the next request.", (get(),),
         every(forwarded(), kept)),
    Case("persistence/kept-after-body", "RFC 9112 §9.3", SHOULD, "After a body, too.",
         (post(length(b"abc"), b"abc"),), every(forwarded(b"abc"), kept)),
    Case("persistence/kept-after-chunks", "RFC 9112 §9.3", SHOULD, "After a chunked body, too.",
         (post(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n"),), every(forwarded(b"abc"), kept)),
    Case("persistence/kept-after-trailers", "RFC 9112 §9.3", SHOULD, "After trailers, too.",
         (post(CHUNKED, b"3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"),), every(forwarded(b"abc"), kept)),
    Case("persistence/kept-after-error", "RFC 9112 §9.3", SHOULD, "A 404 of the backend ends no connection.", (get(),),
         every(answered(404), kept), answer=(ok(length(b"no"), b"no", b"404 Not Found"),)),
    Case("persistence/kept-though-backend-closes", "RFC 9112 §9.3", SHOULD,
         "The backend's close is of its connection; the client's may stay.", (get(),), every(answered(body=b"ok"),
         kept),
         answer=(ok(b"Connection: close\r\n" + length(b"ok"), b"ok"), Do.CLOSE)),
    Case("persistence/close", "RFC 9112 §9.6", MUST, "After `close` the connection is closed.",
         (get(b"Connection: close\r\n"),), every(forwarded(), closed)),
    Case("persistence/close-said", "RFC 9112 §9.6", SHOULD, "The last answer says `close`.",
         (get(b"Connection: close\r\n"),), every(forwarded(), _says_close)),
    Case("persistence/close-among-others", "RFC 9112 §9.6", MUST, "`close` may stand in a list, and in capitals.",
         (get(b"Connection: X-Hop, CLOSE\r\nX-Hop: 1\r\n"),), every(forwarded(), closed)),
    Case("persistence/close-then-more", "RFC 9112 §9.6", SECURITY, "Nothing is processed after `close`.",
         (get(b"Connection: close\r\n") + HIDDEN,), every(forwarded(), closed)),
    Case("persistence/old", "RFC 9112 §9.3", MUST, "A connection of HTTP/1.0 is closed after the answer.",
         (_OLD + b"\r\n",), every(forwarded(), closed)),
    Case("persistence/old-keep-alive", "RFC 9112 §9.3, §C.2.2", MUST,
         "With keep-alive it is closed, or kept and said so.", (_OLD + b"Connection: keep-alive\r\n\r\n",),
         every(forwarded(), _old_keeps)),
    Case("persistence/old-keep-alive-and-close", "RFC 9112 §9.3", MUST, "close outweighs keep-alive.",
         (_OLD + b"Connection: keep-alive, close\r\n\r\n",), every(forwarded(), closed)),
    Case("persistence/old-no-chunks", "RFC 9112 §6.1", MUST, "HTTP/1.0 gets no chunked answer; the body is whole.",
         (_OLD + b"\r\n",), every(answered(body=b"abcdef"), _no_coding),
         answer=(ok(CHUNKED, b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),)),
    Case("persistence/old-no-chunks-keep-alive", "RFC 9112 §6.1", MUST,
         "Not even where HTTP/1.0 asked for keep-alive.", (_OLD + b"Connection: keep-alive\r\n\r\n",),
         every(answered(body=b"abcdef"), _no_coding),
         answer=(ok(CHUNKED, b"3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n"),)),
    Case("persistence/own-version-down", "RFC 9110 §2.5, §7.6", MUST,
         "An intermediary sends its own version, whatever the backend's.", (get(),),
         every(answered(body=b"ok"), lambda seen: "" if seen.answers[0].minor_version == 1 else "answered as HTTP/1.0"),
         answer=(b"HTTP/1.0 200 OK\r\n" + length(b"ok") + b"\r\nok", Do.CLOSE)),
    Case("persistence/backend-gone-meanwhile", "RFC 9112 §9.5", SHOULD,
         "A connection that the backend has closed meanwhile is nobody's: another one is taken.", (get(),), forwarded(),
         warm=True, left=True),
    Case("persistence/get-again", "RFC 9110 §9.2.2", SHOULD,
         "A GET that met a reset on a connection used before may be sent again; the client gets an answer.", (get(),),
         answered((200, 502, 503, 504)), answer=(Do.RESET,), warm=True),
)  # fmt: skip

PIPELINING = (
    _two(get(), get(target=b"/~/2")),
    _two(post(length(b"abc"), b"abc"), get(target=b"/~/2")),
    _two(get(), post(length(b"abc"), b"abc").replace(b"/~", b"/~/2")),
    _two(get(method=b"HEAD"), get(target=b"/~/2")),
    Case("pipelining/chunked-get", "RFC 9112 §9.3.2", MUST, "Requests that come together are answered in order.",
         (post(CHUNKED, b"3\r\nabc\r\n0\r\n\r\n") + get(target=b"/~/2"),), forwarded(b"abc", count=2), answers=2),
    Case("pipelining/five", "RFC 9112 §9.3.2", MUST, "Requests that come together are answered in order.",
         (get() + b"".join(get(target=b"/~/%d" % n) for n in range(2, 6)),), forwarded(count=5), answers=5),
    Case("pipelining/slow-first", "RFC 9112 §9.3.2", SECURITY, "A slow first answer is not overtaken.",
         (get() + get(target=b"/~/2"), Do.AWAIT_REQUEST, Do.GO),
         every(answered(body=b"ok", count=2), lambda seen: "" if seen.answers[1].body == b"saw " + seen.path(b"/2")
               else "answers out of order"), answer=(Do.AWAIT_GO, _OK), answers=2),
    Case("pipelining/after-close", "RFC 9112 §9.6", SECURITY, "A request after one with `close` is not processed.",
         (get() + get(b"Connection: close\r\n", b"/~/2") + HIDDEN,), forwarded(count=2), answers=2),
    Case("pipelining/after-bad", "RFC 9112 §9.3.2", SECURITY, "What follows a bad request is not processed.",
         (get() + b"GET /~/2 HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n" + HIDDEN,), forwarded(), answers=2),
    Case("pipelining/after-failure", "RFC 9112 §9.3.2", SECURITY, "An error for the first is not taken for the second.",
         (post(length(b"abc"), b"abc") + get(target=b"/~/2"),),
         lambda seen: "" if (seen.answers and (seen.answers[0].status >= 500 or not seen.answers[0].complete))
         or not seen.answers else "answered the first with the second's answer",
         answer=(Do.CLOSE,), answers=2),
    Case("pipelining/split-anywhere", "RFC 9112 §9.3.2", MUST, "Where the bytes are split has no meaning.",
         (get()[:-1], b"\n" + get(target=b"/~/2")[:9], get(target=b"/~/2")[9:]), forwarded(count=2), answers=2),
    Case("pipelining/surplus-line-ends", "RFC 9112 §2.2", SHOULD, "An empty line after a body is ignored.",
         (post(length(b"abc"), b"abc\r\n") + get(target=b"/~/2"),), forwarded(count=2), answers=2),
)  # fmt: skip

CASES = PERSISTENCE + PIPELINING
