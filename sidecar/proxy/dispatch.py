"""A complete head → the rules in force → one corridor; or a connection of bytes → one conduit. The transport's way into
the bridge.

Pins the current runtime for the whole life of each exchange, and answers what never becomes one: a head that is no
valid HTTP, a request that no route wants, any request while memory is short.
"""

from __future__ import annotations

import logging
from math import inf

from sidecar.model.observer import RouteObserver
from sidecar.model.reason import Reason
from sidecar.policies.contract import NO_TIME
from sidecar.proxy.conduit import Conduit
from sidecar.proxy.corridor import Corridor
from sidecar.proxy.environment import Environment
from sidecar.proxy.local_reply import NO_RULE, local_reply, send_reply
from sidecar.proxy.record import RAW_METHOD, refusal_record, turned_away_record
from sidecar.proxy.trace import trace_refusal
from sidecar.runtime.generation import Current
from sidecar.runtime.routing import AMBIGUOUS, Router
from sidecar.transport.stream import DEAF, Acceptor, DownstreamStream, Receiver
from sidecar.wire.deadline_fields import allowed_seconds
from sidecar.wire.message import NO_BODY, RequestHead
from sidecar.wire.trace_context import request_ids

_log = logging.getLogger("sidecar.proxy")

_SHED_RULE = "overload/max_memory"
_SHED_DETAIL = "the proxy uses more memory than its rules allow"
# Memory is looked at four times a second; sooner would only add to the load.
_SHED_RETRY_AFTER = 1.0


class Dispatcher(Acceptor):
    """The bridge's entrances: `request` for a valid head, `refuse` for what is none, `connection` for bytes."""

    __slots__ = ("current", "environment", "unrouted")

    def __init__(self, current: Current, environment: Environment, unrouted: RouteObserver) -> None:
        self.current = current
        self.environment = environment
        self.unrouted = unrouted

    def request(self, stream: DownstreamStream, head: RequestHead) -> Receiver:
        """One request; the answer may already be given when this returns."""
        try:
            if self.environment.shedding:
                self._shed(stream, head)
                return DEAF
            if head.max_forwards == 0:
                self._last_hop(stream, head)
                return DEAF
            runtime = self.current.runtime
            router = runtime.router_at(stream.origin.listener) if runtime.by_listener else runtime.router
            route = router.match(head)
            if route is None:
                self._no_route(stream, head, router)
                return DEAF
            corridor = Corridor(self.environment, stream, head, route, _limit(head))
            corridor.begin(self.environment.wheel.turn)
        except Exception as error:  # noqa: BLE001 - one request's bug ends that request
            _log.error("a request failed inside the proxy", exc_info=error)
            self._answer(stream, head, Reason.INTERNAL_ERROR, "an unexpected error; the log has its traceback")
            return DEAF
        return corridor

    def refuse(self, stream: DownstreamStream, reason: Reason, detail: str) -> None:
        """Answers what is no valid request (or one too many) and closes."""
        self._answer(stream, None, reason, detail)

    def connection(self, stream: DownstreamStream, refusal: tuple[Reason, str] | None) -> Receiver:
        """One connection of bytes; it may already be refused when this returns."""
        environment = self.environment
        try:
            if refusal is not None:
                self._turn_away(stream, *refusal)
                return DEAF
            if environment.shedding:
                self._turn_away(stream, Reason.OVERLOADED, _SHED_DETAIL, _SHED_RULE)
                return DEAF
            route = self.current.runtime.byte_routes.get(stream.origin.listener)
            if route is None:
                self._turn_away(stream, Reason.NO_ROUTE, "no route of the rules names this listener")
                return DEAF
            conduit = Conduit(environment, stream, route)  # type: ignore[arg-type]  # from a ByteConnection only
            conduit.begin(environment.wheel.turn)
        except Exception as error:  # noqa: BLE001 - one connection's bug ends that connection
            _log.error("a connection failed inside the proxy", exc_info=error)
            stream.reset()
            return DEAF
        return conduit

    def _turn_away(self, stream: DownstreamStream, reason: Reason, detail: str, rule: str = NO_RULE) -> None:
        now = self.environment.wheel.now()
        taken = now - stream.started
        self.unrouted.started()
        self.unrouted.rejected(rule, reason)
        self.unrouted.finished(RAW_METHOD, reason.status, taken, b"", False)
        if self.environment.log.wants(reason.status, True, taken):
            record = turned_away_record(stream, now)
            record.status = reason.status
            record.reason = reason
            record.rule = rule
            record.detail = detail
            self.environment.log.exchange(record)
        stream.send_end()

    def _shed(self, stream: DownstreamStream, head: RequestHead) -> None:
        self._answer(stream, head, Reason.OVERLOADED, _SHED_DETAIL, _SHED_RULE, _SHED_RETRY_AFTER)

    def _last_hop(self, stream: DownstreamStream, head: RequestHead) -> None:
        # RFC 9110 section 7.6.2: not forwarded, but answered by who got it; section 15.5.6 wants Allow, which may be
        # empty. A TRACE is not reflected: it would show a script what the browser keeps from it.
        detail = "Max-Forwards is 0, and the proxy itself has nothing to say to this method"
        self._answer(stream, head, Reason.MAX_FORWARDS, detail, extra=b"Allow: \r\n")

    def _no_route(self, stream: DownstreamStream, head: RequestHead, router: Router) -> None:
        if router.is_ambiguous(head):
            self._answer(stream, head, Reason.BAD_REQUEST, AMBIGUOUS)
            return
        self._answer(stream, head, Reason.NO_ROUTE, "no route of the rules matches this host, path, method and fields")

    def _answer(
        self,
        stream: DownstreamStream,
        head: RequestHead | None,
        reason: Reason,
        detail: str,
        rule: str = NO_RULE,
        retry_after: float = NO_TIME,
        extra: bytes = b"",
    ) -> None:
        leaving = self.environment.draining or stream.leaving
        close = leaving or head is None or not head.keep_alive or head.framing != NO_BODY
        ids = None if head is None else request_ids(head, self.environment.ids, self.environment.trace_terms)
        reply = local_reply(
            reason,
            detail,
            rule,
            close=close,
            without_body=head is not None and head.method == b"HEAD",
            keep_alive_token=head is not None and head.minor_version == 0,
            request_id=b"" if ids is None else ids.request_id,
            retry_after=retry_after,
            extra=extra,
        )
        now = self.environment.wheel.now()
        method = b"-" if head is None else head.method
        self.unrouted.started()
        self.unrouted.rejected(rule, reason)
        trace_id, sampled = (b"", False) if ids is None else (ids.trace_id, ids.sampled)
        self.unrouted.finished(method, reply.status, now - stream.started, trace_id, sampled)
        if self.environment.log.wants(reply.status, True, now - stream.started):
            record = refusal_record(stream, head, ids, reason, detail, now)
            record.rule = rule
            record.bytes_out = len(reply.body)
            self.environment.log.exchange(record)
        if head is not None and ids is not None and ids.span_id:
            trace_refusal(self.environment, stream, head, ids, reason, rule, now)
        send_reply(stream, reply, close)


def _limit(head: RequestHead) -> float:
    """The seconds that the caller allows (`X-Request-Timeout-Ms`, and gRPC's own); infinity when it does not say."""
    kind = head.content_type
    grpc = None if kind is None or kind[:16] != b"application/grpc" else head.header(b"grpc-timeout")
    text = head.timeout_ms
    return inf if text is None and grpc is None else allowed_seconds(text, grpc)
