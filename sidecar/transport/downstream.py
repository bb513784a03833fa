"""An accepted HTTP/1 connection: one exchange at a time, its requests in order, its leaving noticed.

Owns the connection's state and its timeouts; its ways out are downstream_ends.py's. May not know what is done with a
request: that is the acceptor's. Called back by the transport (a duck-typed asyncio protocol) and by timers; no task, no
future. The states and what leads from one to the next: downstream_state.py.
"""

from __future__ import annotations

import asyncio

from sidecar.model.reason import BY_CODE, Reason
from sidecar.transport.downstream_ends import Leaving
from sidecar.transport.downstream_state import ANSWER, BODY, BROKEN, CLOSED, CLOSING, HEAD, IDLE, LINGER, TUNNEL
from sidecar.transport.flow import BY_ANY, BY_BACKLOG, BY_RECEIVER, BY_TURN, FLOWING, FULL_READ, HIGH_WATER
from sidecar.transport.phases import UNSENT
from sidecar.transport.stream import DEAF
from sidecar.transport.tunnel import Tunnel, WebSocketTunnel
from sidecar.wire.errors import BadMessage
from sidecar.wire.message import LENGTH, UNTIL_CLOSE, RequestHead

_MAX_BACKLOG = 65536


class DownstreamConnection(Leaving):
    """One accepted connection; also the DownstreamStream of its current exchange."""

    __slots__ = ()

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._out.attach(transport)
        self._departure.attach(transport)
        transport.set_write_buffer_limits(high=HIGH_WATER)
        self._cork = getattr(transport, "cork", None)
        service = self._service
        service.registry.add(self)
        service.connections.idle += 1
        self.started = self._wheel.now()
        try:
            self.origin = service.origin_factory(transport, self.announced)
            if self.refusal is None:
                self._wheel.set(self._timer, self.started + self._settings.header_timeout)
                if service.registry.leaving:
                    self.close_when_idle()
            else:
                reason, detail = self.refusal
                self._refuse(reason, detail)
        except Exception:
            # No transport ends a connection for what is raised here.
            self.abort()
            raise

    def data_received(self, data: bytes) -> None:
        self._wheel.now()
        state = self.state
        if state <= HEAD:
            self._read_heads(data)
        elif state == BODY:
            body = self._intake.feed(data)
            self._classify()
            self._await_body()
            self._tell_request(body)
        elif state == ANSWER:
            if self._intake.keep(data) > _MAX_BACKLOG:
                self._gate.stop(BY_BACKLOG)
        elif self._tunnel is not None:
            self._advance()
            self._tunnel.received(data)
        elif state <= LINGER and self._departure.discard(len(data)):
            if state == LINGER:
                self._close()
            else:
                self._gate.stop(BY_BACKLOG)
        if len(data) >= FULL_READ:
            self._gate.rest(self._wheel.loop)

    def eof_received(self) -> bool:
        """A client that half-closes has left, except in a tunnel (as nginx and Envoy have it)."""
        if self._tunnel is not None and self.state == TUNNEL:
            self._advance()
            return self._tunnel.eof()
        if BODY <= self.state <= BROKEN:
            self.abort()
        else:
            self._close()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.detach()
        self._leave_state()
        self._service.connections.active -= 1
        self.state = CLOSED
        self._wheel.drop(self._timer)
        self._wheel.drop(self.timer)
        self._watch.drop()
        receiver = self._receiver
        self._receiver = DEAF
        receiver.downstream_gone()
        self._service.registry.discard(self)

    def pause_writing(self) -> None:
        self._watch.full()

    def resume_writing(self) -> None:
        told = self._watch.flows()
        if self.state == CLOSING:
            self._watch.watch()
        elif self.state == IDLE and self._intake.backlog:
            self._wheel.loop.call_soon(self._advance)
        if told:
            self._wheel.now()
            self._receiver.downstream_resumed()

    # The bridge's calls, see DownstreamStream for what each promises.

    def send_informational(self, head: bytes) -> None:
        if BODY <= self.state <= BROKEN:
            self._out.put(head)
            self._await_body()

    def send_head(self, head: bytes, framing: int, close: bool, hold: bool = False, length: int = -1) -> None:
        if BODY <= self.state <= BROKEN:
            self._close_after = self._close_after or close or framing == UNTIL_CLOSE
            self._out.begin(head, framing, length, hold)

    def send_data(self, data: bytes) -> None:
        """More than the head announced cuts the connection; the receiver is told that it is gone, later."""
        if BODY <= self.state <= BROKEN:
            out = self._out
            if self._close_after and self._cork is not None and out.framing == LENGTH and out.left == len(data):
                self._cork()  # the end of the answer follows in this very call chain
            if not out.data(data):
                self._cut()
        elif self.state == TUNNEL and self._tunnel is not None:
            self._tunnel.send(data)

    def send_end(self, trailers: bytes = b"") -> None:
        """Less than the head announced cuts the connection."""
        state = self.state
        if BODY <= state <= BROKEN:
            self._receiver = DEAF
            if not self._out.end(trailers):
                self._cut()
            elif state != ANSWER or (self._close_after and self._intake.backlog):
                self._linger()
            elif self._close_after:
                self._close()
            else:
                self._finish()
        elif state == TUNNEL and self._tunnel is not None:
            self._tunnel.send_end()

    def reset(self) -> None:
        self._receiver = DEAF
        if self.state >= BODY:
            self._cut()

    def open_tunnel(self, websocket: bool = False) -> None:
        """:raises RuntimeError: the request is incomplete, and its body would be taken for the tunnel's bytes."""
        if self.state >= LINGER:
            return
        if self.state != ANSWER:
            raise RuntimeError("a tunnel can only follow a complete request")
        self._out.flush()
        self.state = TUNNEL
        receiver = self._receiver
        kind = WebSocketTunnel if websocket else Tunnel
        self._tunnel = kind(
            self._transport, receiver.request_data, receiver.request_end, self._tunnel_over, self._touched
        )
        self._touched()
        if self._intake.backlog:
            self._wheel.loop.call_soon(self._advance)

    def pause(self) -> None:
        """What has been read already is still given."""
        if BODY <= self.state <= TUNNEL and (self._tunnel is None or self._tunnel.readable()):
            self._gate.stop(BY_RECEIVER)
            if self.state == BODY:
                self._wheel.clear(self._timer)

    def resume(self) -> None:
        if self._gate.stops & BY_RECEIVER:
            self._gate.start(BY_RECEIVER)
            self._await_body()

    def _read_heads(self, data: bytes) -> None:
        intake = self._intake
        if self.state == IDLE:
            if self._watch.pressure != FLOWING or (data and intake.backlog):
                # No request begins before the one ahead of it, and none while answers lie unread: whoever asks and
                # asks and does not read would have them all kept here.
                if intake.keep(data) > _MAX_BACKLOG:
                    self._gate.stop(BY_BACKLOG)
                return
            self._gate.start(BY_BACKLOG)
            # A pipelined request begins when its turn comes: to wait before that was the client's own choice.
            self.started = self._wheel.turn
        try:
            head = intake.head(data)
        except BadMessage as fault:
            self._refuse(BY_CODE[fault.code], fault.detail)
            return
        if head is None:
            self._await_head()
        else:
            self._begin(head)

    def _begin(self, head: RequestHead) -> None:
        intake = self._intake
        service = self._service
        service.connections.idle -= 1
        service.connections.active += 1
        self._served = True
        self._close_after = self.leaving or not head.keep_alive
        self._departure.discarded = 0
        self._out.phase = UNSENT
        self._classify()
        body = intake.body
        if body or not head.expect_continue:
            # A client that waits for 100 (Continue) owes nothing before it.
            self._await_body()
        self.more = bool(body)
        receiver = service.acceptor.request(self, head)
        intake.body = b""
        # The answer may have been given inside `request`: then nobody listens.
        if BODY <= self.state <= BROKEN:
            self._receiver = receiver
            self._tell_request(body)
        self.more = False

    def _classify(self) -> None:
        """The state that what has been read of the request leads to."""
        intake = self._intake
        if intake.complete:
            self.state = ANSWER
            if len(intake.backlog) > _MAX_BACKLOG:
                self._gate.stop(BY_BACKLOG)
        elif intake.reason is None:
            self.state = BODY
        else:
            self.state = BROKEN
            self._close_after = True
        self._wheel.clear(self._timer)

    def _tell_request(self, body: bytes) -> None:
        intake = self._intake
        receiver = self._receiver
        if intake.reason is not None:
            receiver.request_broken(intake.reason, intake.detail)
            return
        if body:
            receiver.request_data(body)
        if intake.complete and self._receiver is receiver:
            receiver.request_end(intake.trailers)

    def _advance(self) -> None:
        if not self._intake.backlog:
            return
        self._wheel.now()
        try:
            if self.state == IDLE:
                self._read_heads(b"")
            elif self.state == TUNNEL and self._tunnel is not None:
                data = self._intake.backlog
                self._intake.clear()
                self._gate.start(BY_BACKLOG)
                self._tunnel.received(data)
        except Exception:
            # The transport does the same for what it calls itself.
            self.abort()
            raise

    def _await_head(self) -> None:
        if self.state == IDLE:
            self.state = HEAD
            if self._served or self.leaving:
                self._wheel.set(self._timer, self.started + self._settings.header_timeout)

    def _await_body(self) -> None:
        if self.state == BODY and not self._gate.stops & ~BY_TURN:
            self._wheel.set(self._timer, self._wheel.turn + self._settings.body_timeout)

    def _touched(self) -> None:
        self._wheel.set(self._timer, self._wheel.now() + self._idle_timeout)

    def _overdue(self) -> None:
        state = self.state
        if state == HEAD:
            self._refuse(Reason.HEADER_TIMEOUT, "the request's head took too long")
        elif state == BODY:
            self._intake.fail(Reason.BODY_TIMEOUT, "the request's body took too long")
            self._classify()
            self._tell_request(b"")
        elif state == TUNNEL:
            self.abort()
        elif state == IDLE:
            self._close_unasked()
        elif state == LINGER:
            self._close()

    def _finish(self) -> None:
        self.state = IDLE
        self._service.connections.active -= 1
        self._service.connections.idle += 1
        self._gate.start(BY_ANY if len(self._intake.backlog) <= _MAX_BACKLOG else BY_RECEIVER)
        self._wheel.clear(self.timer)
        self._wheel.set(self._timer, self._wheel.turn + self._idle_timeout)
        if self._intake.backlog:
            # In a turn of its own, like every other: thousands in one read would hold up everybody else.
            self._wheel.loop.call_soon(self._advance)
        elif self.leaving:
            self._close_unasked()  # its answer began too soon to say so: whoever has asked again is answered

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._intake.fail(reason, detail)
        self._activate()
        self._classify()
        self._out.phase = UNSENT
        try:
            self._service.acceptor.refuse(self, reason, detail)
        finally:
            if self.state == BROKEN:
                self._cut()
