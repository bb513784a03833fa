"""One exchange driven: performs what the decision says on two streams, until the last byte.

Owns the order of things between both sides; how an exchange ends is ending.py's. Judges nothing (exchange/decision.py
does) and names no policy that admits. Every method that a stream calls is guarded: a bug in here ends this exchange
with a 500, or cuts an answer that has begun, and touches no other. The states: states.py.
"""

from __future__ import annotations

import time

from sidecar.exchange.steps import ATTEMPT, DELIVER, RESPOND, SUBSTITUTE, WAIT
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.model.status import SWITCHING_PROTOCOLS
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.cacheability import invalidates
from sidecar.proxy.body_buffer import BodyBuffer
from sidecar.proxy.ending import Exchange
from sidecar.proxy.fallback_reply import capture
from sidecar.proxy.heads import answer_framing, answer_head, attempt_head, informational_head
from sidecar.proxy.states import DONE, HELD, RELAYING, SENDING, TUNNEL, WAITING
from sidecar.transport.stream import Channel, UpstreamStream
from sidecar.wire.forwarding import client_scheme, forwarded_fields
from sidecar.wire.message import UNTIL_CLOSE, ResponseHead
from sidecar.wire.retry_after import retry_after_seconds
from sidecar.wire.websocket import is_websocket


class Corridor(Exchange):
    """Both ears of one exchange."""

    __slots__ = ()

    def begin(self, now: float) -> None:
        """Asks whether it may go on, and starts the first attempt or answers at once."""
        head = self.head
        decision = self.decision
        decision.method = head.method
        decision.vouched = head.has_idempotency_key
        try:
            if not self.complete:
                retry = self.route.branch.retry
                self.buffer = BodyBuffer(self.environment.replay_bytes if retry is None else retry.max_body_bytes)
            self.route.observer.started()
            self._perform(decision.begin(now), now)
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
                if self.state == WAITING:
                    self._perform(ATTEMPT, self.environment.wheel.turn)  # as whole as it will be kept
            elif buffer.full():
                self._let_go(buffer)
        if upstream is not None:
            upstream.send_data(data)
            if self.state >= RELAYING:
                self._progress()

    def _let_go(self, buffer: BodyBuffer) -> None:
        buffer.let_go()
        self.decision.kept = False

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
            now = self.environment.wheel.turn
            if self.upstream is not None:
                self.decision.request_sent(now)
                self.upstream.send_end(trailers)
                if self.state == SENDING:
                    self.environment.wheel.set(self.timer, self.decision.attempt_deadline)
            elif self.state == WAITING:
                self._perform(ATTEMPT, now)  # still in line for it, from here on within the attempt's own time

    def request_broken(self, reason: Reason, detail: str) -> None:
        if self.state == DONE:
            return
        try:
            relaying = self.state >= RELAYING
            self.detail = detail
            now = self.environment.wheel.now()
            self._release(now)
            self.decision.abandoned(now)
            self.decision.reason = reason
            if relaying:
                self._finish(now, self.decision.status)
                self.downstream.reset()
            else:
                self.decision.status = 0
                self._answer(now, reason, detail)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def downstream_gone(self) -> None:
        if self.state == DONE:
            return
        try:
            tunnel = self.state == TUNNEL
            now = self.environment.wheel.now()
            self._release(now)
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
        self.paused = True
        if self.upstream is not None:
            self.upstream.pause()
            if self.state >= RELAYING:
                self._progress()

    def downstream_resumed(self) -> None:
        self.paused = False
        if self.upstream is not None:
            self.upstream.resume()
            if self.state >= RELAYING:
                self._progress()

    # The upstream side, see Receiver.

    def leased(self, stream: UpstreamStream) -> None:
        try:
            now = self.environment.wheel.now()
            self.decision.lent(stream.since(now))
            self._start(stream, now)
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
            self.decision.switched(self.environment.wheel.turn)
            self.state = TUNNEL
            self.downstream.send_informational(informational_head(head))
            self.downstream.open_tunnel(is_websocket(head.upgrade))
            self._progress()
        elif self.head.minor_version >= 1:  # RFC 9110 section 15.2: never to an HTTP/1.0 client
            self.downstream.send_informational(informational_head(head))

    def _final(self, head: ResponseHead, more: bool) -> None:
        now = self.environment.wheel.turn
        step = self.decision.answered(now, head.status, self._hint(head))
        if step != DELIVER:
            if step != SUBSTITUTE:
                self._discard()
                self._perform(step, now)
                return
            if self._substitute(now):
                return
        request = self.head
        framing = answer_framing(head, request)
        # RFC 9112 section 9.6: after an early answer the connection is closed, and the client has to know.
        close = framing == UNTIL_CLOSE or self._closes()
        extra = b"" if self.route.announcer is None else self.decision.answer_fields(now)
        edits = self.route.edits
        secure = edits is not None and client_scheme(request, self.downstream.origin) == b"https"
        block = answer_head(head, request, framing, close, extra, edits, secure)
        if self.environment.stores:
            self._remember(head, now)
        self.state = RELAYING
        self.buffer = None  # nothing is sent again from here on, and an answer may last for hours
        self.downstream.send_head(block, framing, close, more, head.content_length)
        self._progress()

    def _hint(self, head: ResponseHead) -> float:
        """The answer's Retry-After in seconds, NO_HINT without one, or where nobody asks."""
        if head.status < 300 or self.decision.branch.retry is None:
            return NO_HINT
        value = head.header(b"retry-after")
        return NO_HINT if value is None else retry_after_seconds(value, time.time())

    def _remember(self, head: ResponseHead, now: float) -> None:
        if invalidates(self.head.method, head.status):
            # As soon as its head is here (RFC 9111 section 4.4): the change is made, whether or not the rest arrives.
            for each in self.environment.stores:
                each.invalidate(self.head.authority, self.head.origin_target)
        fallback = self.route.fallback
        store = None if fallback is None else fallback.stale
        if store is not None and self.head.method == b"GET":
            origin = self.downstream.origin
            self.capture = capture(store, self.head, head, origin, self.decision.attempt_started, now, time.time())

    def response_data(self, data: bytes) -> None:
        try:
            self.bytes_out += len(data)
            if self.capture is not None:
                self.capture.add(data)
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
            decision = self.decision
            decision.completed(now)
            if self.capture is not None:
                self.capture.commit(now)
                self.capture = None
            self._finish(now, decision.status)
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

    # Time

    def expired(self) -> None:
        """The end of a wait, the attempt's deadline before the head of an answer, the idle timeout after it."""
        if self.state == DONE:
            return
        try:
            now = self.environment.wheel.now()
            decision = self.decision
            if self.state == HELD:
                self._perform(decision.resumed(now), now)
                return
            relaying = self.state >= RELAYING
            overdue = self.state == RELAYING and now >= decision.total_deadline
            self._release(now)
            if not relaying:
                self._perform(decision.expired(now), now)
            elif overdue:
                decision.overdue(now)
                self._finish(now, decision.status)
                self.downstream.reset()
            else:
                self._cut(now, Cause.IDLE_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _wake(self) -> None:
        if self.state != HELD:
            return
        try:
            now = self.environment.wheel.now()
            self._perform(self.decision.resumed(now), now)
        except Exception as error:  # noqa: BLE001 - guarded
            self._crash(error)

    def _progress(self) -> None:
        wheel = self.environment.wheel
        deadline = wheel.turn + self.route.idle_timeout
        if self.state == RELAYING:
            total = self.decision.total_deadline
            if self.paused or total < deadline:
                deadline = total
        elif self.paused:
            wheel.clear(self.timer)
            return
        wheel.set(self.timer, deadline)

    # What is done

    def _perform(self, step: int, now: float) -> None:
        decision = self.decision
        wheel = self.environment.wheel
        if step == WAIT:
            self.state = HELD
            wheel.set(self.timer, decision.wait_until)
            return
        if step != ATTEMPT:
            self.state = HELD  # nothing is under way any more
            if step == RESPOND:
                self._respond(now)
                return
            # Without the detail: where the endpoint is, and what it said, is not the client's business.
            self._answer(now, decision.reason or Reason.INTERNAL_ERROR, "")
            return
        if self.complete:
            decision.request_sent(now)
        self.state = WAITING
        wheel.clear(self.timer)
        endpoint = decision.endpoint
        if endpoint is None or endpoint.channel is None:
            raise RuntimeError("an attempt without a way to its endpoint")
        channel: Channel = endpoint.channel
        whole = self.complete or (self.buffer is not None and self.buffer.full())
        stream = channel.lease(self, decision.attempt_deadline, decision.fresh, whole)
        if stream is not None:
            self._start(stream, now)

    def _start(self, stream: UpstreamStream, now: float) -> None:
        self.upstream = stream
        self.state = SENDING
        decision = self.decision
        decision.sent = True
        head = self.head
        environment = self.environment
        environment.wheel.set(self.timer, decision.attempt_deadline)
        ids = self.ids
        span = environment.ids.hexadecimal(16) if ids.ending else b""
        if decision.journal is not None:
            decision.span_id = span
        fields = forwarded_fields(head, self.downstream.origin, ids, span)
        line = environment.deadline_line.of(decision.deadline - now)
        authority = b"" if decision.endpoint is None else decision.endpoint.authority
        block = attempt_head(head, fields, decision.attempt, line, self.route.edits, authority)
        buffer = self.buffer
        if buffer is None:
            stream.start(self, head.method, block, head.framing, False)
            if self.paused:
                stream.pause()
            return
        pending = buffer.take()
        more = bool(pending) or self.complete or self.downstream.more
        stream.start(self, head.method, block, head.framing, more, head.content_length)
        if pending:
            stream.send_data(pending)
        if buffer.full() or not decision.repeatable():
            self._let_go(buffer)
        if self.complete:
            stream.send_end(self.trailers)
        if self.paused:
            stream.pause()
        # Always: an attempt that failed may have held it up, and a client that is not read is not seen to leave.
        self.downstream.resume()

    def _half_close(self) -> None:
        if not self.half_closed:
            self.half_closed = True
            return
        self.upstream = None
        now = self.environment.wheel.now()
        self.decision.completed(now)
        self._finish(now, SWITCHING_PROTOCOLS)
