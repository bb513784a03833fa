"""One exchange driven: performs what the decision says on two streams, until the last byte.

Owns the order of things between both sides. Judges nothing (exchange/decision.py does) and names no policy. Every
method that a stream calls is guarded: a bug in here ends this exchange with a 500, or cuts an answer that has begun,
and touches no other.
"""

from __future__ import annotations

import logging

from sidecar.exchange.decision import IDEMPOTENT, Decision
from sidecar.exchange.steps import ATTEMPT
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.proxy.body_buffer import BodyBuffer
from sidecar.proxy.environment import Environment
from sidecar.proxy.heads import answer_framing, answer_head, attempt_head, informational_head
from sidecar.proxy.local_reply import local_reply, rule_name, send_reply
from sidecar.proxy.record import exchange_record
from sidecar.runtime.upstream import Route
from sidecar.transport.stream import Channel, DownstreamStream, Receiver, UpstreamStream
from sidecar.wire.forwarding import request_ids, stable_fields
from sidecar.wire.message import NO_BODY, UNTIL_CLOSE, RequestHead, ResponseHead

_log = logging.getLogger("sidecar.proxy")

# The corridor's state.
WAITING = 0  # for a connection
SENDING = 1  # the request is on its way, no final head yet
RELAYING = 2  # the answer is on its way
TUNNEL = 3  # raw bytes both ways
DONE = 4

SWITCHING_PROTOCOLS = 101


class Corridor(Receiver):
    """Both ears of one exchange."""

    # fmt: off
    __slots__ = (
        "buffer", "bytes_in", "bytes_out", "complete", "decision", "detail", "downstream", "environment", "half_closed",
        "head", "ids", "route", "stable", "state", "timer", "trailers", "upstream",
    )
    # fmt: on

    def __init__(
        self, environment: Environment, downstream: DownstreamStream, head: RequestHead, route: Route, limit: float
    ) -> None:
        self.environment = environment
        self.downstream = downstream
        self.head = head
        self.route = route
        self.decision = Decision(route, downstream.started, limit)
        self.upstream: UpstreamStream | None = None
        # The stream's own, so that a finished exchange leaves nothing on the wheel.
        self.timer = downstream.timer
        self.state = WAITING
        self.complete = head.framing == NO_BODY  # the request has been read whole
        self.buffer = None if self.complete else BodyBuffer(environment.replay_bytes)
        self.trailers = b""
        self.bytes_in = 0
        self.bytes_out = 0
        self.half_closed = False  # one direction of the tunnel has ended
        self.ids = request_ids(head, environment.ids)
        self.detail = ""  # what went wrong, for the log
        self.stable = b""  # the lines that every attempt carries

    def begin(self, now: float, key: str | None) -> None:
        """Starts the first attempt, or answers at once."""
        head = self.head
        self.decision.replayable = head.method in IDEMPOTENT or head.has_idempotency_key
        try:
            self.route.observer.started()
            self._perform(self.decision.begin(now, key), now)
        except Exception as error:  # noqa: BLE001 - guarded, as the file's head says
            self._crash(error)

    # The downstream side, see Receiver for what each means.

    def request_data(self, data: bytes) -> None:
        try:
            self._request_data(data)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _request_data(self, data: bytes) -> None:
        if self.state == DONE:
            return
        self.bytes_in += len(data)
        upstream = self.upstream
        buffer = self.buffer
        if buffer is not None and buffer.kept:
            buffer.add(data)
            if buffer.full() and upstream is None:
                self.downstream.pause()
            elif buffer.full():
                self._let_go(buffer)
        if upstream is not None:
            upstream.send_data(data)
            if self.state >= RELAYING:
                self._progress()

    def _let_go(self, buffer: BodyBuffer) -> None:
        buffer.let_go()
        self.decision.replayable = False

    def request_end(self, trailers: bytes) -> None:
        try:
            self._request_end(trailers)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _request_end(self, trailers: bytes) -> None:
        if self.state == TUNNEL:
            if self.upstream is not None:
                self.upstream.send_end()
            self._half_close()
        elif self.state != DONE and not self.complete:
            self.complete = True
            self.trailers = trailers
            now = self.environment.wheel.now()
            if self.upstream is None:
                self._perform(ATTEMPT, now)  # still in line for it, from here on within the attempt's own time
            else:
                self.decision.request_sent(now)
                self.upstream.send_end(trailers)
                if self.state == SENDING:
                    self.environment.wheel.set(self.timer, self.decision.attempt_deadline)

    def request_broken(self, reason: Reason, detail: str) -> None:
        if self.state == DONE:
            return
        try:
            relaying = self.state >= RELAYING
            self.detail = detail
            self._release()
            now = self.environment.wheel.now()
            self.decision.abandoned(now)
            self.decision.reason = reason
            if relaying:
                self._finish(now, self.decision.status)
                self.downstream.reset()
            else:
                self._answer(now, reason, detail)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def downstream_gone(self) -> None:
        if self.state == DONE:
            return
        try:
            tunnel = self.state == TUNNEL
            self._release()
            now = self.environment.wheel.now()
            if tunnel:
                self.decision.completed(now)
                self._finish(now, SWITCHING_PROTOCOLS)
                return
            self.decision.abandoned(now)
            self.decision.reason = Reason.DOWNSTREAM_GONE
            self._finish(now, Reason.DOWNSTREAM_GONE.status)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def downstream_paused(self) -> None:
        """While the client does not read, the endpoint is not to blame for silence."""
        if self.upstream is not None:
            self.upstream.pause()
            if self.state >= RELAYING:
                self.environment.wheel.clear(self.timer)

    def downstream_resumed(self) -> None:
        if self.upstream is not None:
            self.upstream.resume()
            if self.state >= RELAYING:
                self._progress()

    # The upstream side, see Receiver.

    def leased(self, stream: UpstreamStream) -> None:
        try:
            self._start(stream, self.environment.wheel.now())
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def lease_failed(self, cause: Cause, detail: str) -> None:
        self.upstream_failed(cause, detail)

    def response_head(self, head: ResponseHead, more: bool) -> None:
        try:
            if head.status < 200:
                self._interim(head)
            else:
                self._final(head, more)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _interim(self, head: ResponseHead) -> None:
        if head.status == SWITCHING_PROTOCOLS:
            self.decision.answered(self.environment.wheel.now(), SWITCHING_PROTOCOLS)
            self.state = TUNNEL
            self.downstream.send_informational(informational_head(head))
            self.downstream.open_tunnel()
            self._progress()
        elif self.head.minor_version >= 1:  # RFC 9110 section 15.2: never to an HTTP/1.0 client
            self.downstream.send_informational(informational_head(head))

    def _final(self, head: ResponseHead, more: bool) -> None:
        now = self.environment.wheel.turn
        self.decision.answered(now, head.status)
        self.state = RELAYING
        framing = answer_framing(head, self.head)
        # RFC 9112 section 9.6: after an early answer the connection is closed, and the client has to know.
        close = framing == UNTIL_CLOSE or not self.head.keep_alive or self.environment.draining or not self.complete
        block = answer_head(head, self.head, framing, close)
        self.downstream.send_head(block, framing, close, more, head.content_length)
        self.environment.wheel.set(self.timer, now + self.route.idle_timeout)

    def response_data(self, data: bytes) -> None:
        try:
            self.bytes_out += len(data)
            self._progress()
            self.downstream.send_data(data)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def response_end(self, trailers: bytes) -> None:
        try:
            if self.state == TUNNEL:
                self.downstream.send_end()
                self._half_close()
                return
            self.upstream = None
            now = self.environment.wheel.turn
            self.decision.completed(now)
            self._finish(now, self.decision.status)
            # Last: the next pipelined request may begin inside this call.
            self.downstream.send_end(trailers)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        if self.state == DONE:
            return
        try:
            self.upstream = None
            self.detail = detail
            now = self.environment.wheel.now()
            if self.state >= RELAYING:
                self._cut(now, cause)
            else:
                self._perform(self.decision.failed(now, cause), now)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def upstream_paused(self) -> None:
        self.downstream.pause()

    def upstream_resumed(self) -> None:
        if self.state != DONE:
            self.downstream.resume()

    # The timer

    def expired(self) -> None:
        """The attempt's deadline before the head of an answer, the idle timeout after it."""
        if self.state == DONE:
            return
        try:
            now = self.environment.wheel.now()
            relaying = self.state >= RELAYING
            self._release()
            if relaying:
                self._cut(now, Cause.IDLE_TIMEOUT)
            else:
                self._perform(self.decision.expired(now), now)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    # What is done

    def _perform(self, step: int, now: float) -> None:
        decision = self.decision
        if step != ATTEMPT:
            # Without the detail: where the endpoint is, and what it said, is not the client's business.
            self._answer(now, decision.reason or Reason.INTERNAL_ERROR, "")
            return
        if self.complete:
            decision.request_sent(now)
        self.state = WAITING
        self.environment.wheel.clear(self.timer)
        endpoint = decision.endpoint
        if endpoint is None or endpoint.channel is None:
            raise RuntimeError("an attempt without a way to its endpoint")
        channel: Channel = endpoint.channel
        stream = channel.lease(self, decision.attempt_deadline, decision.fresh)
        if stream is not None:
            self._start(stream, now)

    def _start(self, stream: UpstreamStream, now: float) -> None:
        self.upstream = stream
        self.state = SENDING
        decision = self.decision
        head = self.head
        self.environment.wheel.set(self.timer, decision.attempt_deadline)
        if not self.stable:
            self.stable = stable_fields(head, self.downstream.origin, self.ids)
        block = attempt_head(
            head, self.stable, decision.attempt, self.environment.deadline_line.of(decision.deadline - now)
        )
        buffer = self.buffer
        if buffer is None:
            stream.start(self, head.method, block, head.framing, False)
            return
        pending = buffer.take()
        more = bool(pending) or self.complete or self.downstream.more
        stream.start(self, head.method, block, head.framing, more, head.content_length)
        if pending:
            stream.send_data(pending)
        if not decision.replayable or buffer.full():
            self._let_go(buffer)
        if self.complete:
            stream.send_end(self.trailers)
        else:
            self.downstream.resume()

    def _progress(self) -> None:
        wheel = self.environment.wheel
        wheel.set(self.timer, wheel.turn + self.route.idle_timeout)

    def _half_close(self) -> None:
        if not self.half_closed:
            self.half_closed = True
            return
        self.upstream = None
        now = self.environment.wheel.now()
        self.decision.completed(now)
        self._finish(now, SWITCHING_PROTOCOLS)

    def _cut(self, now: float, cause: Cause) -> None:
        self.decision.broken_off(now, cause)
        self._finish(now, self.decision.status)
        self.downstream.reset()

    def _release(self) -> None:
        """Gives back whatever this exchange holds or waits for on the upstream side."""
        if self.upstream is not None:
            self.upstream.cancel()
            self.upstream = None
        elif self.state == WAITING:
            endpoint = self.decision.endpoint
            if endpoint is not None and endpoint.channel is not None:
                endpoint.channel.forget(self)

    def _answer(self, now: float, reason: Reason, detail: str) -> None:
        head = self.head
        close = not head.keep_alive or self.environment.draining or not self.complete
        rule = rule_name(self.route.name, reason)
        reply = local_reply(
            reason,
            detail,
            rule,
            close=close,
            without_body=head.method == b"HEAD",
            keep_alive_token=head.minor_version == 0,
            request_id=self.ids.request_id,
        )
        self.route.observer.rejected(rule, reason)
        self.bytes_out += len(reply.body)
        self._finish(now, reply.status)
        send_reply(self.downstream, reply, close)

    def _finish(self, now: float, status: int) -> None:
        self.state = DONE
        self.environment.wheel.clear(self.timer)
        self.buffer = None
        self.route.observer.finished(self.head.method, status, now - self.downstream.started)
        reason = self.decision.reason
        if self.environment.log.wants(status, reason is not None):
            self.environment.log.exchange(exchange_record(self, now, status))

    def _crash(self, error: Exception) -> None:
        """The last resort. It may itself meet a broken stream, so each step stands alone."""
        _log.error("an exchange failed inside the proxy", exc_info=error)
        done = self.state == DONE
        begun = self.state >= RELAYING
        self.decision.reason = Reason.INTERNAL_ERROR
        try:
            self._release()
            now = self.environment.wheel.now()
            self.decision.abandoned(now)
            if not done and not begun:
                self._answer(now, Reason.INTERNAL_ERROR, "an unexpected error; the log has its traceback")
                return
            if not done:
                self._finish(now, self.decision.status)
        except Exception as again:  # noqa: BLE001 - as above
            _log.error("and so did its ending", exc_info=again)
            self.state = DONE
        self.downstream.reset()
