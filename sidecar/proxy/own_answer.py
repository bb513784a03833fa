"""What a route answers by itself, as bytes: its redirect, or its fixed answer. An answer of the rules, and no error.

Owns the answer's head. Whether it is given the decision says; where a redirect leads wire/location.py does.
"""

from __future__ import annotations

import time

from sidecar.model.status import BODILESS
from sidecar.policies.own_answer import RedirectSpec, RespondSpec, fixed_fields
from sidecar.proxy.head_edits import HeadEdits
from sidecar.proxy.local_reply import LocalReply
from sidecar.rules.schema import RouteRule
from sidecar.runtime.generation import Runtime
from sidecar.wire.dates import http_date
from sidecar.wire.forwarding import client_scheme
from sidecar.wire.location import Location
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin
from sidecar.wire.writer import status_line


class OwnAnswer:
    """One route's answer, made ready once. `location` is where it leads, None for a fixed answer; `fields` are its
    other header lines."""

    __slots__ = ("body", "fields", "location", "status")

    def __init__(self, status: int, fields: bytes, body: bytes = b"", location: Location | None = None) -> None:
        self.status = status
        self.fields = fields
        self.body = body
        self.location = location


def own_answer(rule: RouteRule) -> OwnAnswer | None:
    """The answer of a rule, None where the route leads to an upstream."""
    if rule.redirect is not None:
        return _redirect(rule.redirect)
    return None if rule.respond is None else _fixed(rule.respond)


def attach_answers(runtime: Runtime) -> None:
    """Gives each route of a runtime that is not current yet what it answers by itself."""
    for route in runtime.routes:
        route.answer = own_answer(runtime.rules.routes[route.rule_index])


def _redirect(spec: RedirectSpec) -> OwnAnswer:
    location = Location(spec.scheme or "", spec.host or "", spec.port or 0, spec.path or "")
    return OwnAnswer(spec.status, fixed_fields(spec.status, {}, 0), b"", location)


def _fixed(spec: RespondSpec) -> OwnAnswer:
    body = (spec.body or "").encode()
    return OwnAnswer(spec.status, fixed_fields(spec.status, spec.headers, len(body)), body)


def own_reply(
    answer: OwnAnswer,
    edits: HeadEdits | None,
    head: RequestHead,
    origin: Origin,
    lines: bytes,
    connection: bytes,
) -> LocalReply | None:
    """The whole answer to a request; None for a redirect of a request that names no host.

    `lines` are those that every answer of the route carries, and may be edited too; `connection` the line that says
    what becomes of the connection, perhaps empty.
    """
    scheme = client_scheme(head, origin)
    fields = answer.fields
    if answer.location is not None:
        led = answer.location.of(head, scheme)
        if led is None:
            return None
        fields = b"location: " + led + b"\r\n" + fields
    # RFC 9110 section 6.6.1: for this resource the sidecar is the origin server, and has a clock.
    block = b"".join((b"date: ", http_date(time.time()), b"\r\n", fields, lines))
    made = None if edits is None else edits.of_answer(scheme == b"https")
    if made is not None:
        block = made.apply(block)
    body = b"" if head.method == b"HEAD" or answer.status in BODILESS else answer.body
    return LocalReply(answer.status, b"".join((status_line(answer.status), block, connection, b"\r\n")), body)
