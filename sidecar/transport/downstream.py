"""An accepted HTTP/1 connection: one exchange at a time, its requests in order, its leaving noticed.

Owns the connection's state, its timeouts and its way out. May not know what is done with a request: that is the
acceptor's. Called back by the transport only (duck-typed asyncio protocol); no task, no future.

    IDLE     --bytes-->  HEAD      --head complete-->      BODY, or ANSWER when the body is complete too
    BODY     --body complete-->    ANSWER                  --fault-->  BROKEN (the rest is thrown away)
    ANSWER   --send_end-->         IDLE, or CLOSING when the connection is not kept
    BODY, BROKEN --send_end-->     LINGER                  --FIN, 256 KiB or 2 s-->  CLOSING
    BODY, ANSWER --open_tunnel-->  TUNNEL, ended from either side first, then CLOSING
    any      --connection_lost-->  CLOSED
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.model.observer import Connections
from sidecar.model.reason import BY_CODE, Reason
from sidecar.transport.deaf import DEAF
from sidecar.transport.departure import LINGER_SECONDS, Departure
from sidecar.transport.flow import BY_ANY, BY_BACKLOG, BY_RECEIVER, FLOWING, FULL, TOLD, ReadGate, WriteWatch
from sidecar.transport.intake import RequestIntake
from sidecar.transport.registry import Registry
from sidecar.transport.sending import UNSENT, MessageWriter
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor, RequestReceiver
from sidecar.transport.wheel import DeadlineWheel, Timer
from sidecar.wire.errors import BadMessage
from sidecar.wire.forwarding import Origin
from sidecar.wire.message import UNTIL_CLOSE, RequestHead

# The states; the order matters: an exchange runs from BODY to TUNNEL_OUT_ENDED, and what is not below BODY is active.
IDLE = 0
HEAD = 1
BODY = 2
ANSWER = 3
BROKEN = 4
TUNNEL = 5
TUNNEL_IN_ENDED = 6  # the client will send no more
TUNNEL_OUT_ENDED = 7  # we will
LINGER = 8
CLOSING = 9
CLOSED = 10

_HIGH_WATER = 262144
_MAX_BACKLOG = 65536


class DownstreamConnection:
    """One accepted connection; also the DownstreamStream of its current exchange.

    `registry` holds the connection while it is open. `full` makes it one too many: it is answered 503 and closed.
    """

    __slots__ = (
        "_acceptor",
        "_advancing",
        "_clock",
        "_close_after",
        "_connections",
        "_departure",
        "_draining",
        "_full",
        "_gate",
        "_intake",
        "_origin_factory",
        "_out",
        "_receiver",
        "_registry",
        "_served",
        "_settings",
        "_timer",
        "_transport",
        "_watch",
        "_wheel",
        "origin",
        "started",
        "state",
        "timer",
    )

    _transport: asyncio.Transport
    origin: Origin

    def __init__(
        self,
        settings: DownstreamSettings,
        acceptor: Acceptor,
        origin_factory: Callable[[asyncio.Transport], Origin],
        wheel: DeadlineWheel,
        clock: Callable[[], float],
        connections: Connections,
        registry: Registry,
        full: bool = False,
    ) -> None:
        # for the connection's whole life
        self._settings = settings
        self._acceptor = acceptor
        self._origin_factory = origin_factory
        self._wheel = wheel
        self._clock = clock
        self._connections = connections
        self._registry = registry
        self._full = full
        self._intake = RequestIntake(settings.limits, settings.max_body_bytes)
        self._out = MessageWriter()
        self._gate = ReadGate()
        self._watch = WriteWatch(wheel, clock, settings.idle_timeout, self._stalled)
        self._departure = Departure(self._gate, self._watch)
        self._timer = Timer(self._overdue)
        self.timer = Timer(self._tell_expired)
        # now
        self.state = IDLE
        self._served = False
        self._draining = False
        self._advancing = False
        # of the current exchange
        self.started = 0.0
        self._receiver: RequestReceiver = DEAF
        self._close_after = False

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._out.transport = transport
        self._gate.transport = transport
        self._watch.transport = transport
        self._departure.transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._registry.add(self)
        self._connections.idle += 1
        self.started = self._clock()
        self.origin = self._origin_factory(transport)
        if self._full:
            self._refuse(Reason.OVERLOADED, "too many connections")
        else:
            self._wheel.set(self._timer, self.started + self._settings.header_timeout)

    def data_received(self, data: bytes) -> None:
        state = self.state
        if state <= HEAD:
            self._read_heads(data)
        elif state == BODY:
            self._read_body(data)
        elif state == ANSWER:
            if self._intake.keep(data) > _MAX_BACKLOG:
                self._gate.stop(BY_BACKLOG)
        elif state == TUNNEL or state == TUNNEL_OUT_ENDED:
            self._relay(data)
        elif state == BROKEN or state == LINGER:
            self._discard(len(data))

    def eof_received(self) -> bool:
        """A client that half-closes has left, except in a tunnel (as nginx and Envoy have it)."""
        state = self.state
        receiver = self._receiver
        if state == TUNNEL or state == TUNNEL_OUT_ENDED:
            if self._intake.backlog:
                self._relay(b"")
            if state == TUNNEL:
                self.state = TUNNEL_IN_ENDED
            else:
                self._receiver = DEAF
                self._close()
            receiver.request_end(b"")
            return state == TUNNEL
        if BODY <= state <= BROKEN:
            self._leave()
        elif state != TUNNEL_IN_ENDED:
            self._close()
        return state == TUNNEL_IN_ENDED

    def connection_lost(self, exc: Exception | None) -> None:
        self._activate()
        self._connections.active -= 1
        self.state = CLOSED
        self._registry.discard(self)
        self._wheel.drop(self._timer)
        self._wheel.drop(self.timer)
        self._watch.drop()
        self._intake.clear()
        receiver = self._receiver
        self._receiver = DEAF
        receiver.downstream_gone()

    def pause_writing(self) -> None:
        """Called inside our own write, so the receiver is told in the next turn."""
        self._watch.full()
        self._wheel.loop.call_soon(self._tell_paused)

    def resume_writing(self) -> None:
        told = self._watch.flows()
        if self.state == CLOSING:
            self._watch.watch()
        if told:
            self._receiver.downstream_resumed()

    # The bridge's calls, see DownstreamStream for what each promises.

    def send_informational(self, head: bytes) -> None:
        if BODY <= self.state <= BROKEN:
            self._transport.write(head)
            self._await_body()

    def send_head(self, head: bytes, framing: int, close: bool, hold: bool = False, length: int = -1) -> None:
        if BODY <= self.state <= BROKEN:
            if close or framing == UNTIL_CLOSE:
                self._close_after = True
            self._out.begin(head, framing, length, hold)

    def send_data(self, data: bytes) -> None:
        """More than the head announced cuts the connection; the receiver is told `gone` later."""
        state = self.state
        if state == TUNNEL or state == TUNNEL_IN_ENDED:
            self._wheel.set(self._timer, self._clock() + self._settings.idle_timeout)
            self._transport.write(data)
        elif BODY <= state <= BROKEN and not self._out.data(data):
            self._cut()

    def send_end(self, trailers: bytes = b"") -> None:
        """Less than the head announced cuts the connection."""
        state = self.state
        if state < BODY or state > BROKEN:
            self._end_tunnel()
            return
        self._receiver = DEAF
        if not self._out.end(trailers):
            self._cut()
        elif state != ANSWER or (self._close_after and self._intake.backlog):
            self._linger()
        elif self._close_after:
            self._close()
        else:
            self._finish()

    def reset(self) -> None:
        self._receiver = DEAF
        if self.state >= BODY:
            self._cut()

    def open_tunnel(self) -> None:
        """:raises RuntimeError: the request is incomplete, and its body would be taken for the tunnel's bytes."""
        if self.state >= LINGER:
            return
        if self.state != ANSWER:
            raise RuntimeError("a tunnel can only follow a complete request")
        self._out.flush()
        self.state = TUNNEL
        self._wheel.set(self._timer, self._clock() + self._settings.idle_timeout)
        if self._intake.backlog:
            self._wheel.loop.call_soon(self._advance)

    def pause(self) -> None:
        """What has been read already is still given."""
        if BODY <= self.state <= TUNNEL or self.state == TUNNEL_OUT_ENDED:
            self._gate.stop(BY_RECEIVER)
            if self.state == BODY:
                self._wheel.clear(self._timer)

    def resume(self) -> None:
        if self._gate.stops & BY_RECEIVER:
            self._gate.start(BY_RECEIVER)
            self._await_body()

    # The owner's calls.

    def close_when_idle(self) -> None:
        """Closes now if no request has begun, else after the running answer. Tunnels live on."""
        self._draining = True
        self._close_after = True
        if self.state == IDLE and not self._intake.backlog:
            self._close()

    def abort(self) -> None:
        """Cuts the connection, telling a running exchange that its client is gone."""
        self._leave()

    # Reading.

    def _read_heads(self, data: bytes) -> None:
        intake = self._intake
        self._advancing = True
        while True:
            if self.state == IDLE:
                # A pipelined request begins when its turn comes: to wait before that was the client's own choice.
                self.started = self._clock()
            try:
                head = intake.head(data)
            except BadMessage as fault:
                self._refuse(BY_CODE[fault.code], fault.detail)
                break
            if head is None:
                self._await_head()
                break
            self._begin(head)
            if self.state != IDLE or not intake.backlog:
                break
            data = b""
        self._advancing = False

    def _begin(self, head: RequestHead) -> None:
        intake = self._intake
        self._wheel.clear(self._timer)
        self._connections.idle -= 1
        self._connections.active += 1
        self._served = True
        self._close_after = self._draining or not head.keep_alive
        self._departure.discarded = 0
        self._out.phase = UNSENT
        if self._watch.pressure != FLOWING:
            self._wheel.loop.call_soon(self._tell_paused)
        if intake.reason is not None:
            self.state = BROKEN
        elif intake.complete:
            self.state = ANSWER
            if len(intake.backlog) > _MAX_BACKLOG:
                self._gate.stop(BY_BACKLOG)
        else:
            self.state = BODY
            if intake.body or not head.expect_continue:
                # A client that waits for 100 (Continue) owes nothing before it.
                self._await_body()
        receiver = self._acceptor.request(self, head)
        body = intake.body
        intake.body = b""
        # The answer may have been given inside `request`: then nobody listens.
        if BODY <= self.state <= TUNNEL_OUT_ENDED:
            self._receiver = receiver
            self._tell_request(body)

    def _read_body(self, data: bytes) -> None:
        body = self._intake.feed(data)
        if self._intake.reason is not None:
            self.state = BROKEN
            self._wheel.clear(self._timer)
        elif self._intake.complete:
            self.state = ANSWER
            self._wheel.clear(self._timer)
        else:
            self._await_body()
        self._tell_request(body)

    def _tell_request(self, body: bytes) -> None:
        intake = self._intake
        receiver = self._receiver
        if intake.reason is not None:
            self._close_after = True
            receiver.request_broken(intake.reason, intake.detail)
            return
        if body:
            receiver.request_data(body)
        if intake.complete and self._receiver is receiver:
            receiver.request_end(intake.trailers)

    def _relay(self, data: bytes) -> None:
        if self._intake.backlog:
            self._intake.keep(data)
            data = self._intake.backlog
            self._intake.clear()
            self._gate.start(BY_BACKLOG)
        self._wheel.set(self._timer, self._clock() + self._settings.idle_timeout)
        self._receiver.request_data(data)

    def _discard(self, size: int) -> None:
        if self._departure.discard(size):
            if self.state == LINGER:
                self._close()
            else:
                self._gate.stop(BY_BACKLOG)

    def _advance(self) -> None:
        if not self._intake.backlog:
            return
        try:
            if self.state == IDLE:
                self._read_heads(b"")
            elif self.state == TUNNEL or self.state == TUNNEL_OUT_ENDED:
                self._relay(b"")
        except Exception:
            # The transport does the same for what it calls itself.
            self._leave()
            raise

    # Waiting.

    def _await_head(self) -> None:
        if self.state == IDLE:
            self.state = HEAD
            if self._served:
                self._wheel.set(self._timer, self.started + self._settings.header_timeout)

    def _await_body(self) -> None:
        if self.state == BODY and not self._gate.stops:
            self._wheel.set(self._timer, self._clock() + self._settings.body_timeout)

    def _overdue(self) -> None:
        state = self.state
        if state == HEAD:
            self._refuse(Reason.HEADER_TIMEOUT, "the request's head took too long")
        elif state == BODY:
            self.state = BROKEN
            self._close_after = True
            self._intake.clear()
            self._receiver.request_broken(Reason.BODY_TIMEOUT, "the request's body took too long")
        elif state == IDLE or state == LINGER:
            self._close()
        elif TUNNEL <= state <= TUNNEL_OUT_ENDED:
            self._leave()

    def _stalled(self) -> None:
        if self._watch.stuck():
            self._leave()

    def _tell_expired(self) -> None:
        self._receiver.expired()

    def _tell_paused(self) -> None:
        if self._watch.pressure == FULL and self._receiver is not DEAF:
            self._watch.pressure = TOLD
            self._receiver.downstream_paused()

    # Ending.

    def _finish(self) -> None:
        self.state = IDLE
        self._connections.active -= 1
        self._connections.idle += 1
        self._gate.start(BY_ANY)
        self._wheel.clear(self.timer)
        if self._watch.pressure == TOLD:
            self._watch.pressure = FULL  # the next receiver has not been told
        self._wheel.set(self._timer, self._clock() + self._settings.idle_timeout)
        if self._intake.backlog and not self._advancing:
            self._wheel.loop.call_soon(self._advance)

    def _end_tunnel(self) -> None:
        if self.state == TUNNEL and self._transport.can_write_eof():
            self.state = TUNNEL_OUT_ENDED
            self._transport.write_eof()
        elif TUNNEL <= self.state <= TUNNEL_IN_ENDED:
            self._close()

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._activate()
        self.state = BROKEN
        self._close_after = True
        self._out.phase = UNSENT
        self._wheel.clear(self._timer)
        self._intake.clear()
        self._acceptor.refuse(self, reason, detail)
        if self.state == BROKEN:
            self._cut()

    def _linger(self) -> None:
        self.state = LINGER
        self._intake.clear()
        self._departure.linger()
        self._wheel.set(self._timer, self._clock() + LINGER_SECONDS)

    def _close(self) -> None:
        if self.state < CLOSING:
            self._activate()
            self.state = CLOSING
            self._wheel.clear(self._timer)
            self._intake.clear()
            self._departure.close()

    def _leave(self) -> None:
        receiver = self._receiver
        self._receiver = DEAF
        self._cut()
        receiver.downstream_gone()

    def _cut(self) -> None:
        if self.state < CLOSED:
            self._activate()
            self.state = CLOSING
            self._wheel.clear(self._timer)
            self._intake.clear()
            self._departure.cut()

    def _activate(self) -> None:
        if self.state < BODY:
            self._connections.idle -= 1
            self._connections.active += 1
