"""What a tracer is told of a finished exchange. Made only for those whose trace is recorded.

Owns how an exchange becomes values; spans and their export are the tracer's. A tracer's bug ends no exchange.
"""

from __future__ import annotations

import logging

from sidecar.model.reason import Reason
from sidecar.model.trace import LONGEST_TEXT, ExchangeTrace
from sidecar.proxy.environment import Environment
from sidecar.proxy.local_reply import rule_name
from sidecar.proxy.record import Finished
from sidecar.transport.stream import DownstreamStream
from sidecar.wire.clientip import client_ip
from sidecar.wire.message import RequestHead, find_field
from sidecar.wire.trace_context import RequestIds

_log = logging.getLogger("sidecar.proxy")


def trace_exchange(exchange: Finished, now: float, status: int) -> None:
    """Tells of an exchange that had a route."""
    try:
        trace = _of_request(exchange.environment, exchange.downstream, exchange.head, exchange.ids)
        decision = exchange.decision
        trace.route = decision.route.name
        trace.pattern = decision.route.matcher.rule.path.text
        trace.attempts = decision.journal or []
        edits = decision.route.edits
        if edits is not None and edits.rewrite is not None:
            trace.sent_path = edits.rewrite.apply(exchange.head.path)[:LONGEST_TEXT]
        reason = decision.reason
        if reason is not None:
            trace.reason = reason
            trace.rule = decision.rule or rule_name(decision.route.name, reason)
        _tell(exchange.environment, trace, now, status)
    except Exception as error:  # noqa: BLE001 - as the file's head says
        _log.error("an exchange could not be traced", exc_info=error)


def trace_refusal(
    environment: Environment,
    stream: DownstreamStream,
    head: RequestHead,
    ids: RequestIds,
    reason: Reason,
    rule: str,
    now: float,
) -> None:
    """Tells of a request that never became an exchange."""
    try:
        trace = _of_request(environment, stream, head, ids)
        trace.reason = reason
        trace.rule = rule
        _tell(environment, trace, now, reason.status)
    except Exception as error:  # noqa: BLE001 - as the file's head says
        _log.error("a refusal could not be traced", exc_info=error)


def _of_request(
    environment: Environment, stream: DownstreamStream, head: RequestHead, ids: RequestIds
) -> ExchangeTrace:
    trace = ExchangeTrace()
    trace.trace_id = ids.trace_id
    trace.span_id = ids.span_id
    trace.parent_id = ids.parent_id
    if ids.fields:
        tracestate = find_field(ids.fields, b"\r\n" + ids.fields.lower(), b"tracestate") or b""
        trace.tracestate = tracestate if len(tracestate) <= LONGEST_TEXT else b""
    trace.request_id = ids.request_id
    trace.method = head.method[:LONGEST_TEXT]
    trace.scheme = stream.origin.scheme.decode("ascii")
    trace.host = head.authority[:LONGEST_TEXT]
    trace.path = head.path[:LONGEST_TEXT]
    trace.minor_version = head.minor_version
    trace.client = client_ip(stream.origin, head, environment.trusted)
    trace.started = stream.started
    return trace


def _tell(environment: Environment, trace: ExchangeTrace, now: float, status: int) -> None:
    trace.status = status
    trace.ended = now
    if environment.tracer is not None:  # the rules may have changed meanwhile
        environment.tracer.exchange(trace)
