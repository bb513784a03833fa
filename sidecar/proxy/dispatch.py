"""A complete head → the rules in force → one corridor. The transport's way into the bridge.

Pins the current runtime for the whole life of each exchange, and answers what never becomes one: a head that is no
valid HTTP, a request that no route wants.
"""

from __future__ import annotations

import logging
import math

from sidecar.model.observer import RouteObserver
from sidecar.model.reason import Reason
from sidecar.proxy.corridor import Corridor
from sidecar.proxy.environment import Environment
from sidecar.proxy.local_reply import NO_RULE, local_reply, send_reply
from sidecar.proxy.record import refusal_record
from sidecar.runtime.generation import Current
from sidecar.runtime.request_key import RequestKey
from sidecar.transport.stream import DEAF, Acceptor, DownstreamStream, Receiver
from sidecar.wire.forwarding import client_ip, request_ids
from sidecar.wire.message import NO_BODY, RequestHead

_log = logging.getLogger("sidecar.proxy")

# RFC 9110 knows no such field; nine digits are eleven days, more than any deadline.
_LIMIT_DIGITS = 9


class Dispatcher(Acceptor):
    """The bridge's two entrances: `request` for a valid head, `refuse` for what is none."""

    __slots__ = ("current", "environment", "unrouted")

    def __init__(self, current: Current, environment: Environment, unrouted: RouteObserver) -> None:
        self.current = current
        self.environment = environment
        self.unrouted = unrouted

    def request(self, stream: DownstreamStream, head: RequestHead) -> Receiver:
        """One request; the answer may already be given when this returns."""
        try:
            route = self.current.runtime.router.match(head)
            if route is None:
                self._no_route(stream, head)
                return DEAF
            corridor = Corridor(self.environment, stream, head, route, _limit(head))
            key = None if route.key is None else self._key(stream, head, route.key)
            corridor.begin(self.environment.wheel.turn, key)
        except Exception as error:  # noqa: BLE001 - one request's bug ends that request
            _log.error("a request failed inside the proxy", exc_info=error)
            self._answer(stream, head, Reason.INTERNAL_ERROR, "an unexpected error; the log has its traceback")
            return DEAF
        return corridor

    def refuse(self, stream: DownstreamStream, reason: Reason, detail: str) -> None:
        """Answers what is no valid request (or one too many) and closes."""
        self._answer(stream, None, reason, detail)

    def _key(self, stream: DownstreamStream, head: RequestHead, key: RequestKey) -> str:
        trusted = self.environment.trusted
        return key.of(head, lambda: client_ip(stream.origin, head, trusted))

    def _no_route(self, stream: DownstreamStream, head: RequestHead) -> None:
        self._answer(stream, head, Reason.NO_ROUTE, "no route of the rules matches this host, path, method and fields")

    def _answer(self, stream: DownstreamStream, head: RequestHead | None, reason: Reason, detail: str) -> None:
        close = head is None or not head.keep_alive or self.environment.draining or head.framing != NO_BODY
        ids = None if head is None else request_ids(head, self.environment.ids)
        reply = local_reply(
            reason,
            detail,
            NO_RULE,
            close=close,
            without_body=head is not None and head.method == b"HEAD",
            keep_alive_token=head is not None and head.minor_version == 0,
            request_id=b"" if ids is None else ids.request_id,
        )
        now = self.environment.wheel.now()
        method = b"-" if head is None else head.method
        self.unrouted.started()
        self.unrouted.rejected(NO_RULE, reason)
        self.unrouted.finished(method, reply.status, now - stream.started)
        if self.environment.log.wants(reply.status, True):
            record = refusal_record(stream, head, ids, reason, detail, now)
            record.bytes_out = len(reply.body)
            self.environment.log.exchange(record)
        send_reply(stream, reply, close)


def _limit(head: RequestHead) -> float:
    """The seconds that the caller allows (`X-Request-Timeout-Ms`); infinity when it does not say, or says nonsense."""
    text = head.timeout_ms
    if text is None or not text.isdigit() or len(text) > _LIMIT_DIGITS:
        return math.inf
    return int(text) / 1000
