"""Reason → the answer that the sidecar gives by itself. The only place where such an answer is made.

RFC 9209 (Proxy-Status) for programs, RFC 9457 (problem+json) for people; both carry the same word.
"""

from __future__ import annotations

import json
import math
import time

from sidecar.model.reason import Reason
from sidecar.model.status import BODILESS
from sidecar.policies.contract import NO_TIME
from sidecar.transport.stream import DownstreamStream
from sidecar.wire.dates import DateLine
from sidecar.wire.message import LENGTH, NO_BODY
from sidecar.wire.writer import status_line

# What stands in place of a rule's name when no rule of the file is to blame.
NO_RULE = ""

# RFC 9110 section 6.6.1: for these answers the sidecar is the origin server, and has a clock.
_DATE = DateLine()

# Sentences for people. They say whose limit it was; never an address or a byte of the request.
_TITLES: dict[Reason, str] = {
    Reason.RATE_LIMITED: "Too many requests",
    Reason.CONCURRENCY_LIMITED: "Too many requests at once",
    Reason.CIRCUIT_OPEN: "The service is failing and is given time to recover",
    Reason.NO_ENDPOINT: "No endpoint of the service is available",
    Reason.DRAINING: "The proxy is shutting down",
    Reason.OVERLOADED: "The proxy or the service has no room for this request",
    Reason.CONNECT_FAILURE: "The service could not be reached",
    Reason.TLS_HANDSHAKE_FAILED: "The service and the proxy could not agree on TLS",
    Reason.CERTIFICATE_EXPIRED: "The service's certificate has expired",
    Reason.CERTIFICATE_WRONG_NAME: "The service's certificate is for another name",
    Reason.CERTIFICATE_UNTRUSTED: "The service's certificate is not trusted",
    Reason.RESET: "The service closed the connection before its answer was complete",
    Reason.UPSTREAM_PROTOCOL_ERROR: "The service gave an answer that is not valid HTTP",
    Reason.ATTEMPT_TIMEOUT: "The service did not answer in time",
    Reason.REQUEST_TIMEOUT: "The request did not finish in time",
    Reason.CONNECT_TIMEOUT: "The service did not accept a connection in time",
    Reason.BAD_REQUEST: "The request is not valid HTTP",
    Reason.HEADER_TIMEOUT: "The request's head did not arrive in time",
    Reason.BODY_TIMEOUT: "The request's body did not arrive in time",
    Reason.BODY_TOO_LARGE: "The request's body is too large",
    Reason.HEADERS_TOO_LARGE: "The request's header fields are too large",
    Reason.URI_TOO_LONG: "The request's target is too long",
    Reason.NO_ROUTE: "No route matches this request",
    Reason.MAX_FORWARDS: "This is as far as Max-Forwards lets the request go",
    Reason.INTERNAL_ERROR: "The proxy failed at this request",
    Reason.FAULT_INJECTED: "A fault was made on purpose",
    Reason.DOWNSTREAM_GONE: "The client left",
}

# The keys of the rules file that set the bounds of these.
_KEYS: dict[Reason, str] = {
    Reason.ATTEMPT_TIMEOUT: "timeout.attempt",
    Reason.REQUEST_TIMEOUT: "timeout.request",
    Reason.CONNECT_TIMEOUT: "connect_timeout",
    Reason.OVERLOADED: "pool.max_connections",
}


def rule_name(route: str, reason: Reason) -> str:
    """The rule that refused, as `ROUTE/KEY`, where a key of the rules file is what set the bound; else empty."""
    key = _KEYS.get(reason)
    return f"{route}/{key}" if key and route else NO_RULE


class LocalReply:
    """A whole answer: its head's bytes and its body's, ready to be sent."""

    __slots__ = ("body", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status = status
        self.head = head
        self.body = body


def local_reply(
    reason: Reason,
    detail: str,
    rule: str,
    *,
    close: bool,
    without_body: bool,
    keep_alive_token: bool = False,
    request_id: bytes = b"",
    retry_after: float = NO_TIME,
    status: int = 0,
    extra: bytes = b"",
) -> LocalReply:
    """The answer for `reason`. `detail` is a sentence that the client may read; `rule` names the rule that refused.

    `without_body`: the request was HEAD, so the body is announced and not sent. `keep_alive_token`: the client speaks
    HTTP/1.0 and asked for the connection to stay. `retry_after` in seconds, rounded up and at least 1. `status`: in
    place of the reason's own. `extra`: lines that every answer of the route carries.
    """
    status = status or reason.status
    body = _problem(reason, status, detail, rule, request_id)
    details = f"{reason.code}; rule={rule}" if rule else reason.code
    lines = [
        *_framing(status, len(body)),
        f"Proxy-Status: sidecar; error={reason.proxy_error}; details={quoted(details)}",
        "Cache-Control: no-store",
    ]
    if retry_after >= 0:
        lines.append(f"Retry-After: {max(1, math.ceil(retry_after))}")
    if request_id:
        lines.append(f"X-Request-Id: {request_id.decode('latin-1')}")
    if close:
        lines.append("Connection: close")
    elif keep_alive_token:
        lines.append("Connection: keep-alive")
    head = b"".join(
        (status_line(status), extra, "\r\n".join(lines).encode("latin-1"), b"\r\n", _DATE.of(time.time()), b"\r\n")
    )
    return LocalReply(status, head, b"" if without_body or status in BODILESS else body)


def _problem(reason: Reason, status: int, detail: str, rule: str, request_id: bytes) -> bytes:
    problem: dict[str, object] = {
        "type": f"urn:sidecar:problem:{reason.code}",
        "title": _TITLES[reason],
        "status": status,
        "reason": reason.code,
    }
    if detail:
        problem["detail"] = detail
    if rule:
        problem["rule"] = rule
    if request_id:
        problem["request_id"] = request_id.decode("latin-1")
    return json.dumps(problem, ensure_ascii=True).encode() + b"\n"


def _framing(status: int, length: int) -> tuple[str, ...]:
    if status in BODILESS:
        return ("Content-Length: 0",) if status == 205 else ()
    return ("Content-Type: application/problem+json", f"Content-Length: {length}")


def send_reply(stream: DownstreamStream, reply: LocalReply, close: bool) -> None:
    """Gives the whole answer; the stream's receiver hears nothing more."""
    body = reply.body
    stream.send_head(reply.head, LENGTH if body else NO_BODY, close, bool(body), len(body))
    if body:
        stream.send_data(body)
    stream.send_end()


def quoted(text: str) -> str:
    """A structured field's string."""
    # RFC 8941 section 3.3.3: a string holds printable ASCII, with `"` and `\` escaped.
    printable = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"' + printable.replace("\\", "\\\\").replace('"', '\\"') + '"'
