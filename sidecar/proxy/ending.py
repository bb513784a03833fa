"""How an exchange ends: by an answer of our own or of the fallback, by being cut, or by a bug of ours.

Owns what the exchange holds and gives back, its record, and the guard of last resort; the way there is corridor.py's.
Whatever the ending, it passes `_finish`, once.
"""

from __future__ import annotations

import logging

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import NOBODY
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.model.status import SWITCHING_PROTOCOLS
from sidecar.policies.contract import NO_TIME, Key
from sidecar.policies.fallback import Fallback
from sidecar.policies.stale_store import Capture
from sidecar.policies.timeout import TimeoutSpec
from sidecar.proxy.body_buffer import BodyBuffer
from sidecar.proxy.environment import Environment
from sidecar.proxy.fallback_reply import FallbackReply, fallback_reply
from sidecar.proxy.local_reply import LocalReply, local_reply, rule_name, send_reply
from sidecar.proxy.own_answer import own_reply
from sidecar.proxy.record import exchange_record
from sidecar.proxy.states import DONE, HELD, RELAYING, WAITING
from sidecar.proxy.trace import trace_exchange
from sidecar.runtime.route import Route
from sidecar.transport.arrival import announcement
from sidecar.transport.stream import Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.wire.forwarding import client_ip, client_scheme
from sidecar.wire.message import NO_BODY, RequestHead
from sidecar.wire.proxy_protocol import Version
from sidecar.wire.trace_context import request_ids

_log = logging.getLogger("sidecar.proxy")


class Exchange(Receiver):
    """One exchange's possessions, and its ways to end. The Driver of its decision."""

    # fmt: off
    __slots__ = (
        "buffer", "bytes_in", "bytes_out", "capture", "client", "complete", "decision", "detail", "downstream",
        "environment", "fallback", "half_closed", "head", "ids", "paused", "route", "state", "timer", "trailers",
        "upstream",
    )
    # fmt: on

    def __init__(
        self, environment: Environment, downstream: DownstreamStream, head: RequestHead, route: Route, limit: float
    ) -> None:
        self.environment = environment
        self.downstream = downstream
        self.head = head
        self.route = route
        self.decision = Decision(route, self, downstream.started, limit)
        self.upstream: UpstreamStream | None = None
        # The stream's own, so that a finished exchange leaves nothing on the wheel.
        self.timer = downstream.timer
        self.state = HELD
        self.complete = head.framing == NO_BODY  # the request has been read whole
        self.buffer: BodyBuffer | None = None
        self.trailers = b""
        self.bytes_in = 0
        self.bytes_out = 0
        self.half_closed = False  # one direction of the tunnel has ended
        self.paused = False  # the client does not read, so silence is not the endpoint's
        self.ids = request_ids(head, environment.ids, environment.trace_terms)
        if self.ids.span_id:
            self.decision.journal = []
        self.client: str | None = None  # its address, once something has asked for it
        self.detail = ""  # what went wrong, for the log
        self.capture: Capture | None = None  # what the fallback remembers of this answer
        self.fallback = ""  # which kind of it has answered

    # The decision's calls, see Driver.

    def key(self, key: Key) -> str:
        """See Driver."""
        return key.of(self.head, self._asker())

    def announcement(self, version: Version) -> bytes:
        """See Receiver."""
        return announcement(version, self.downstream.ends(), self._asker())

    def _asker(self) -> str:
        if self.client is None:
            self.client = client_ip(self.downstream.origin, self.head, self.environment.trusted)
        return self.client

    def woken(self) -> None:
        """See Driver. In a later turn: it is called inside another exchange's ending."""
        self.environment.wheel.loop.call_soon(self._wake)

    def _wake(self) -> None:
        raise NotImplementedError

    # Endings.

    def _answer(self, now: float, reason: Reason, detail: str) -> None:
        """Answers by ourselves; `detail` is a sentence that the client may read."""
        decision = self.decision
        rule = decision.rule or rule_name(self.route.name, reason)
        decision.rule = rule
        close = self._closes()
        self.route.observer.rejected(rule, reason)
        fallback = self.route.fallback
        if fallback is not None and fallback.stands_in_for(reason, decision.attempt > 1, decision.status):
            found = self._fall_back(now, fallback, reason.code, close)
            if found is not None:
                self._reply(now, found.reply, close)
                return
        extra = decision.answer_fields(now)
        edits = self.route.edits
        if edits is not None:
            extra = edits.to_own(extra, client_scheme(self.head, self.downstream.origin) == b"https")
        reply = local_reply(
            reason,
            detail,
            rule,
            close=close,
            without_body=self.head.method == b"HEAD",
            keep_alive_token=self.head.minor_version == 0,
            request_id=self.ids.request_id,
            retry_after=decision.retry_after,
            status=decision.status,
            extra=extra,
        )
        self._reply(now, reply, close)

    def _respond(self, now: float) -> None:
        """Answers what the route answers without an upstream."""
        decision = self.decision
        close = self._closes()
        lines = decision.answer_fields(now) + b"X-Request-Id: " + self.ids.request_id + b"\r\n"
        connection = self._connection(close)
        reply = own_reply(self.route.answer, self.route.edits, self.head, self.downstream.origin, lines, connection)
        if reply is None:
            decision.reason = Reason.BAD_REQUEST
            decision.rule = f"{self.route.name}/redirect"
            self._answer(now, Reason.BAD_REQUEST, "the request names no host that it could be sent to")
            return
        decision.status = reply.status
        self._reply(now, reply, close)

    def _substitute(self, now: float) -> bool:
        """Answers by the fallback instead of with the upstream's answer; False when it has nothing to say."""
        fallback = self.route.fallback
        if fallback is None:
            return False
        close = self._closes()
        found = self._fall_back(now, fallback, str(self.decision.status), close)
        if found is None:
            return False
        self._discard()
        self.detail = f"instead of the upstream's {self.decision.status}"
        self.decision.replaced(now)
        self._reply(now, found.reply, close)
        return True

    def _fall_back(self, now: float, fallback: Fallback, cause: str, close: bool) -> FallbackReply | None:
        if fallback.shadow:
            self.route.observer.fell_back("shadow", cause)
            return None
        ours = self.decision.answer_fields(now) + b"X-Request-Id: " + self.ids.request_id + b"\r\n"
        ours += self._connection(close)
        origin, head = self.downstream.origin, self.head
        edits = self.route.edits
        secure = edits is not None and client_scheme(head, origin) == b"https"
        found = fallback_reply(fallback, head, origin, now, cause, ours, edits, secure)
        if found is not None:
            self.fallback = found.kind
            self.route.observer.fell_back(found.kind, cause)
        return found

    def _connection(self, close: bool) -> bytes:
        if close:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if self.head.minor_version == 0 else b""

    def _closes(self) -> bool:
        leaving = self.environment.draining or self.downstream.leaving
        return leaving or not self.head.keep_alive or not self.complete

    def _reply(self, now: float, reply: LocalReply, close: bool) -> None:
        self.bytes_out += len(reply.body)
        self._finish(now, reply.status)
        send_reply(self.downstream, reply, close)

    def _cut(self, now: float, cause: Cause) -> None:
        self.decision.broken_off(now, cause)
        self._finish(now, self.decision.status)
        self.downstream.reset()

    def _release(self, now: float) -> None:
        """Gives back whatever this exchange holds or waits for on the upstream side."""
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None
        elif self.state == WAITING:
            endpoint = self.decision.endpoint
            if endpoint is not None and endpoint.channel is not None:
                channel: Channel = endpoint.channel
                channel.forget(self)

    def _discard(self) -> None:
        """The answer that has begun is not wanted: its connection is kept where the rest is short."""
        upstream = self.upstream
        if upstream is not None:
            self.upstream = None
            upstream.discard()

    def _finish(self, now: float, status: int) -> None:
        self.state = DONE
        self.environment.wheel.clear(self.timer)
        self.buffer = None
        if self.capture is not None:
            self.capture.abandon()
            self.capture = None
        decision = self.decision
        try:
            decision.ended(now)
        finally:
            decision.driver = NOBODY
            if self.route.shadow_timeout is not None:
                self._count_late(now, self.route.shadow_timeout)
            # Whatever a policy's bug: what counts exchanges in flight is told of the end of each.
            ids, taken = self.ids, now - self.downstream.started
            self.route.observer.finished(self.head.method, status, taken, ids.trace_id, ids.sampled)
        refused = decision.reason is not None or bool(self.fallback)
        if self.environment.log.wants(status, refused, now - self.downstream.started):
            self.environment.log.exchange(exchange_record(self, now, status))
        if decision.journal is not None:
            trace_exchange(self, now, status)

    def _count_late(self, now: float, times: TimeoutSpec) -> None:
        """What a timeout in shadow mode would have cut short."""
        decision = self.decision
        observer, name = self.route.observer, self.route.name
        answered = decision.head_at or now
        # As in force: an attempt's time runs from the whole request, and a tunnel has no end that is too late.
        asked = max(decision.attempt_started, min(decision.read_at, answered))
        tunnel = decision.status == SWITCHING_PROTOCOLS
        if times.request is not None and answered - decision.started > times.request:
            observer.shadow_rejected(f"{name}/timeout.request", Reason.REQUEST_TIMEOUT)
        elif times.attempt is not None and decision.attempt and answered - asked > times.attempt:
            observer.shadow_rejected(f"{name}/timeout.attempt", Reason.ATTEMPT_TIMEOUT)
        elif times.total is not None and not tunnel and now - decision.started > times.total:
            observer.shadow_rejected(f"{name}/timeout.total", Reason.REQUEST_TIMEOUT)

    def _crash(self, error: Exception) -> None:
        """The last resort. It may itself meet a broken stream, so each step stands alone."""
        _log.error("an exchange failed inside the proxy", exc_info=error)
        done = self.state == DONE
        begun = self.state >= RELAYING
        decision = self.decision
        decision.reason = Reason.INTERNAL_ERROR
        decision.rule = ""
        decision.status = decision.status if begun else 0
        decision.retry_after = NO_TIME
        try:
            now = self.environment.wheel.now()
            try:
                self._release(now)
            finally:
                decision.abandoned(now)
            if not done and not begun:
                self._answer(now, Reason.INTERNAL_ERROR, "an unexpected error; the log has its traceback")
                return
        except Exception as again:  # noqa: BLE001 - as above
            _log.error("and so did its ending", exc_info=again)
        self._end_at_last()
        self.downstream.reset()

    def _end_at_last(self) -> None:
        """What is held is given back, and the end is told, even though something on the way there has failed."""
        try:
            now = self.environment.wheel.now()
            if self.state == DONE:
                self.decision.ended(now)
            else:
                self._finish(now, self.decision.status or Reason.INTERNAL_ERROR.status)
        except Exception as error:  # noqa: BLE001 - as above
            _log.error("and so did the end of its ending", exc_info=error)
