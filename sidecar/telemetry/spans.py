"""A finished exchange as OpenTelemetry's spans: one of kind SERVER, and one of kind CLIENT for each attempt.

Owns names and attributes, after the stable semantic conventions for HTTP (1.23 and later), and `sidecar.*` for what
they have no word for. Needs the packages of the extra `otel`, so it is imported only where spans are exported; uses
neither their global provider nor their context.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from sidecar import __version__
from sidecar.model.reason import Reason
from sidecar.model.trace import LONGEST_TEXT, AttemptTrace, ExchangeTrace
from sidecar.telemetry.stats import KNOWN_METHODS

SCHEMA = "https://opentelemetry.io/schemas/1.23.0"
SERVICE = "sidecar"

_SCOPE = InstrumentationScope("sidecar", __version__, SCHEMA)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_NO_STATE = TraceState()
_UNSET = Status(StatusCode.UNSET)
_OTHER = "_OTHER"
_PORTS = {"http": 80, "https": 443}
_LONGEST_PORT = 5
# Outcomes that tell no more than the status does; every other is a cause's word.
_BY_STATUS = frozenset(("", "success", "5xx"))

_Attributes = dict[str, str | int]


def resource_of(service: str, named: Mapping[str, str]) -> Resource:
    """Who speaks. `named` wins over all; `service` over OTEL_SERVICE_NAME, but for the one that nobody chose."""
    own: dict[str, str | int] = {
        "service.version": __version__,
        "service.instance.id": str(uuid.uuid4()),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    chosen = {SERVICE_NAME: service} if service != SERVICE else {}
    # Resource.create lets what is handed to it win over OTEL_RESOURCE_ATTRIBUTES, which is to win over our own.
    found = Resource(own).merge(Resource.create({**chosen, **named}))
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        found = found.merge(Resource({SERVICE_NAME: service}))
    return found


def spans_of(
    trace: ExchangeTrace, resource: Resource, offset: float, fresh_id: Callable[[], int]
) -> Iterable[ReadableSpan]:
    """The exchange's span, then its attempts'. `offset` is what makes monotonic seconds Unix time; `fresh_id` names an
    attempt that nothing was sent of."""
    trace_id = int(trace.trace_id, 16)
    state = _state(trace.tracestate)
    own = _context(trace_id, int(trace.span_id, 16), state)
    parent = _context(trace_id, int(trace.parent_id, 16), state, remote=True) if trace.parent_id else None
    method, name = _method(trace)
    yield ReadableSpan(
        f"{name} {trace.pattern}" if trace.pattern else name,
        context=own,
        parent=parent,
        resource=resource,
        attributes=_server(trace, method),
        kind=SpanKind.SERVER,
        status=_server_status(trace),
        start_time=_instant(trace.started, offset),
        end_time=_instant(trace.ended, offset),
        instrumentation_scope=_SCOPE,
    )
    for resent, attempt in enumerate(trace.attempts):
        error = _attempt_error(attempt)
        yield ReadableSpan(
            name,
            context=_context(trace_id, int(attempt.span_id, 16) if attempt.span_id else fresh_id(), state),
            parent=own,
            resource=resource,
            attributes=_client(trace, attempt, method, resent, error),
            kind=SpanKind.CLIENT,
            # A caller who leaves is no failure of the endpoint.
            status=Status(StatusCode.ERROR) if error and error != Reason.DOWNSTREAM_GONE.code else _UNSET,
            start_time=_instant(attempt.started, offset),
            end_time=_instant(attempt.ended, offset),
            instrumentation_scope=_SCOPE,
        )


def _context(trace_id: int, span_id: int, state: TraceState, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, remote, _SAMPLED, state)


def _state(told: bytes) -> TraceState:
    return TraceState.from_header([told.decode("latin-1")]) if told else _NO_STATE


def _method(trace: ExchangeTrace) -> tuple[str, str]:
    """What the method is called in attributes, and in names: a client may invent methods, and each would be a name."""
    if trace.method in KNOWN_METHODS:
        known = trace.method.decode("ascii")
        return known, known
    return _OTHER, "HTTP"


def _server(trace: ExchangeTrace, method: str) -> _Attributes:
    address, port = _place(_text(trace.host))
    told: _Attributes = {
        "http.request.method": method,
        "url.scheme": trace.scheme,
        "url.path": _text(trace.path),
        "server.address": address,
        "client.address": trace.client,
        "network.protocol.version": f"1.{trace.minor_version}",
        "http.route": trace.pattern,
        "error.type": _server_error(trace),
        "sidecar.route": trace.route,
        "sidecar.rule": trace.rule,
        "sidecar.reason": "" if trace.reason is None else trace.reason.code,
        "sidecar.request_id": _text(trace.request_id),
    }
    if method == _OTHER:
        told["http.request.method_original"] = _text(trace.method)
    told = {name: value for name, value in told.items() if value != ""}
    if trace.status:
        told["http.response.status_code"] = trace.status
    if address:
        told["server.port"] = port or _PORTS.get(trace.scheme, 0)
    return told


def _server_error(trace: ExchangeTrace) -> str:
    if trace.reason is Reason.DOWNSTREAM_GONE:
        return trace.reason.code
    if trace.status < 500:
        return ""
    return str(trace.status) if trace.reason is None else trace.reason.code


def _server_status(trace: ExchangeTrace) -> Status:
    """A server's span is an error from 500 on: what is wrong with a 4xx is the caller's."""
    if trace.status < 500:
        return _UNSET
    return Status(StatusCode.ERROR, ", ".join(filter(None, (trace.reason.code, trace.rule))) if trace.reason else None)


def _client(trace: ExchangeTrace, attempt: AttemptTrace, method: str, resent: int, error: str) -> _Attributes:
    authority = attempt.endpoint.removeprefix(f"{attempt.upstream}/")
    address, port = _place(authority)
    if authority.startswith("unix:"):
        address, port, authority = authority.removeprefix("unix:"), 0, "localhost"
    told: _Attributes = {
        "http.request.method": method,
        "server.address": address,
        "url.full": f"{attempt.scheme}://{authority}{_text(trace.sent_path or trace.path)}" if authority else "",
        "error.type": error,
        "sidecar.upstream": attempt.upstream,
        "sidecar.outcome": attempt.outcome,
    }
    if method == _OTHER:
        told["http.request.method_original"] = _text(trace.method)
    told = {name: value for name, value in told.items() if value != ""}
    if port:
        told["server.port"] = port
    if attempt.status:
        told["http.response.status_code"] = attempt.status
    if resent:
        told["http.request.resend_count"] = resent
    return told


def _attempt_error(attempt: AttemptTrace) -> str:
    """What went wrong, empty where nothing did. To who asks, a 4xx is an error too."""
    if attempt.outcome not in _BY_STATUS:
        return attempt.outcome
    return str(attempt.status) if attempt.status >= 400 else ""


def _place(authority: str) -> tuple[str, int]:
    """Host and port of what Host or an endpoint's address says; 0 where it says no port."""
    host, colon, port = authority.rpartition(":")
    if colon and port.isascii() and port.isdecimal() and len(port) <= _LONGEST_PORT:
        return host.strip("[]"), int(port)
    return authority.strip("[]"), 0


def _text(told: bytes) -> str:
    return told[:LONGEST_TEXT].decode("utf-8", "backslashreplace")


def _instant(seconds: float, offset: float) -> int:
    return int((seconds + offset) * 1_000_000_000)
