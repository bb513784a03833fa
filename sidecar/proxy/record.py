"""What the access log is told of a finished exchange. Made only for those that are written."""

from __future__ import annotations

from typing import Any, Protocol

from sidecar.exchange.decision import Decision
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.proxy.environment import Environment
from sidecar.proxy.local_reply import rule_name
from sidecar.transport.stream import DownstreamStream
from sidecar.wire.message import RequestHead
from sidecar.wire.trace_context import RequestIds

# What stands in place of a method where there is none.
RAW_METHOD = b"TCP"


class Finished(Protocol):
    """What is known of an exchange at its end."""

    environment: Environment
    downstream: DownstreamStream
    head: RequestHead
    decision: Decision
    ids: RequestIds
    bytes_in: int
    bytes_out: int
    detail: str
    fallback: str


class Relayed(Protocol):
    """What is known of a connection of bytes at its end."""

    downstream: Any
    decision: Decision
    bytes_in: int
    bytes_out: int
    detail: str


def exchange_record(exchange: Finished, now: float, status: int) -> ExchangeRecord:
    """The record of an exchange that had a route."""
    record = _of_request(exchange.downstream, exchange.head, now)
    record.status = status
    record.bytes_in = exchange.bytes_in
    record.bytes_out = exchange.bytes_out
    record.detail = exchange.detail
    _identify(record, exchange.ids)
    _decided(record, exchange.decision)
    record.fallback = exchange.fallback
    return record


def connection_record(relay: Relayed, now: float, status: int) -> ExchangeRecord:
    """The record of a connection of bytes that had a route."""
    record = turned_away_record(relay.downstream, now)
    record.status = status
    record.bytes_in = relay.bytes_in
    record.bytes_out = relay.bytes_out
    record.detail = relay.detail
    _decided(record, relay.decision)
    return record


def turned_away_record(stream: DownstreamStream, now: float) -> ExchangeRecord:
    """What is known of a connection of bytes whatever became of it."""
    record = ExchangeRecord()
    record.method = RAW_METHOD
    record.client = stream.origin.peer_ip
    record.duration_ms = (now - stream.started) * 1000
    return record


def _decided(record: ExchangeRecord, decision: Decision) -> None:
    route = decision.route
    record.route = route.name
    record.attempts = decision.attempt
    if decision.endpoint is not None:
        record.upstream = decision.branch.upstream.name
        record.endpoint = decision.endpoint.name
    reason = decision.reason
    if reason is not None:
        record.reason = reason
        record.rule = decision.rule or rule_name(route.name, reason)


def refusal_record(
    stream: DownstreamStream, head: RequestHead | None, ids: RequestIds | None, reason: Reason, detail: str, now: float
) -> ExchangeRecord:
    """The record of what never became an exchange: no valid head, or no route."""
    record = ExchangeRecord() if head is None else _of_request(stream, head, now)
    record.client = stream.origin.peer_ip
    record.duration_ms = (now - stream.started) * 1000
    record.status = reason.status
    record.reason = reason
    if ids is not None:
        _identify(record, ids)
    record.detail = detail
    return record


def _of_request(stream: DownstreamStream, head: RequestHead, now: float) -> ExchangeRecord:
    record = ExchangeRecord()
    record.method = head.method
    record.path = head.path
    record.client = stream.origin.peer_ip
    record.duration_ms = (now - stream.started) * 1000
    return record


def _identify(record: ExchangeRecord, ids: RequestIds) -> None:
    record.request_id = ids.request_id
    record.trace_id = ids.trace_id
