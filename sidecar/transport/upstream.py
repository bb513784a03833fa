"""A connection to an endpoint: one request out, its answer in, strictly; then back to its pool, or closed.

Owns the reading of answers and the verdict whether the connection may be used again. Knows neither why a request is
made nor who gets the connection next. Called back by the transport; no task, no future. States: upstream_state.py.
"""

from __future__ import annotations

import asyncio
from math import inf

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.tls.failures import TlsFailure
from sidecar.transport.flow import BY_ANY, BY_RECEIVER, FLOWING, FULL, FULL_READ, HIGH_WATER, TOLD, ReadGate
from sidecar.transport.phases import DONE
from sidecar.transport.sending import MessageWriter
from sidecar.transport.stream import DEAF, Channel, Receiver, UpstreamStream
from sidecar.transport.tunnel import Tunnel
from sidecar.transport.upstream_state import BODY, CLOSED, HEAD, IDLE, LEASED, TUNNEL, WAITING
from sidecar.transport.wheel import DeadlineWheel, Timer
from sidecar.wire.body import ChunkedBody, LengthBody, NoBody, UntilCloseBody, reader_for
from sidecar.wire.errors import UPSTREAM_PROTOCOL_ERROR, BadMessage
from sidecar.wire.head import parse_response
from sidecar.wire.message import LENGTH, NO_BODY, HeadLimits, ResponseHead

# An endpoint that only ever says "wait" holds its place for nothing.
_MAX_INFORMATIONAL = 32
_MAX_DISCARDED = 65536  # of an answer that is not wanted: more, or slower, than this is not waited for
_DISCARD_SECONDS = 1.0


class Home(Channel):
    """Where a connection belongs: its pool. A base class for the reason that the streams are (stream.py)."""

    __slots__ = ()

    def give_back(self, connection: UpstreamConnection) -> None:
        """A leased connection is idle again; called in a turn whose instant the wheel holds."""
        raise NotImplementedError

    def lost(self, connection: UpstreamConnection, leased: bool) -> None:
        """A connection, idle or `leased`, is closed."""
        raise NotImplementedError

    def aged(self, connection: UpstreamConnection) -> None:
        """The timer of an idle connection has come."""
        raise NotImplementedError


class UpstreamConnection(UpstreamStream):
    """One connection; also the UpstreamStream of the attempt that has leased it.

    `born`: when it stood; `dialled`: when it began to be made; `timer`: its pool's; `reused`: an answer came over it.
    """

    # fmt: off
    __slots__ = (
        "_backlog", "_decoder", "_gate", "_held_at", "_home", "_informational", "_limits", "_method", "_out",
        "_pressure", "_receiver", "_request_head", "_rest", "_reusable", "_searched", "_transport", "_tunnel", "_wheel",
        "born", "dialled", "state", "timer",
    )
    # fmt: on

    _transport: asyncio.Transport

    def __init__(self, home: Home, wheel: DeadlineWheel, limits: HeadLimits, born: float) -> None:
        self._home = home
        self._wheel = wheel
        self._limits = limits
        self.born = born
        self.dialled = born
        self.timer = Timer(self._aged)
        self._out = MessageWriter()
        self._gate = ReadGate()
        self._held_at = inf
        self._pressure = FLOWING
        self.reused = False
        self.state = IDLE
        self._tunnel: Tunnel | None = None
        # of the current attempt
        self._receiver: Receiver = DEAF
        self._method = b""
        self._request_head = b""
        self._backlog = b""
        self._searched = 0
        self._informational = 0
        self._decoder: NoBody | LengthBody | ChunkedBody | UntilCloseBody | None = None
        self._reusable = False
        self._rest = 0  # bytes of the answer that are still to come, as of its head; negative when nobody knows

    def since(self, now: float) -> float:
        return now if self.reused else self.dialled

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._out.attach(transport)
        self._gate.transport = transport
        transport.set_write_buffer_limits(high=HIGH_WATER)

    def data_received(self, data: bytes) -> None:
        self._wheel.now()
        state = self.state
        if state == WAITING or state == HEAD:  # noqa: SIM109 - compiled, two comparisons of numbers
            self._read_heads(data)
        elif state == BODY:
            self._read_body(data)
        elif self._tunnel is not None:
            self._tunnel.received(data)
        elif state < WAITING:
            self._shut(state == LEASED)
        if len(data) >= FULL_READ:
            self._gate.rest(self._wheel.loop)

    def eof_received(self) -> bool:
        self._wheel.now()
        state = self.state
        if state == TUNNEL and self._tunnel is not None:
            return self._tunnel.eof()
        decoder = self._decoder
        if state == BODY and decoder is not None and decoder.finish_at_close():
            self._complete(decoder.trailers)
        else:
            self._lose("the endpoint closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.detach()
        if not isinstance(exc, TlsFailure):
            self._lose("the endpoint reset the connection" if exc is not None else "the connection was closed")
        elif self.state == WAITING and not self.reused:
            # In TLS 1.3 an endpoint that refuses our certificate says so after the handshake, where an answer would be.
            self._fail(exc.cause, str(exc))
        else:
            self._lose(str(exc))

    def pause_writing(self) -> None:
        """Called inside our own write, so the receiver is told in the next turn."""
        self._pressure = FULL
        self._wheel.loop.call_soon(self._tell_paused)

    def resume_writing(self) -> None:
        told = self._pressure == TOLD
        self._pressure = FLOWING
        if told:
            self._wheel.now()
            self._receiver.upstream_resumed()

    # The bridge's calls, see UpstreamStream for what each promises.

    def start(self, receiver: Receiver, method: bytes, head: bytes, framing: int, more: bool, length: int = -1) -> None:
        self._receiver = receiver
        if self.state != LEASED:
            # It died between the lease and now; the receiver is never told inside its own call.
            self._wheel.loop.call_soon(self._tell_dead)
            return
        self.state = WAITING
        self._method = method
        self._request_head = head
        self._informational = 0
        self._out.begin(head, framing, length, more and framing != NO_BODY)
        if framing == NO_BODY:
            self._out.phase = DONE

    def send_data(self, data: bytes) -> None:
        """More than the head announced would be read as the next request: the attempt fails, which is told later."""
        if self._tunnel is not None:
            self._tunnel.send(data)
        elif WAITING <= self.state <= BODY and not self._out.data(data):
            self._break_off()

    def send_end(self, trailers: bytes = b"") -> None:
        """Less than the head announced: the attempt fails, which is told later."""
        if self._tunnel is not None:
            self._tunnel.send_end()
        elif WAITING <= self.state <= BODY and self._out.phase != DONE and not self._out.end(trailers):
            self._break_off()

    def cancel(self) -> None:
        self._receiver = DEAF
        if self.state != IDLE:
            self._shut(True)

    def discard(self) -> None:
        """To read a short rest away costs less than a new connection, and while an endpoint answers 503 to everything
        the difference is what it has to recover with."""
        if self.state == BODY and self._reusable and self._out.phase == DONE and 0 <= self._rest <= _MAX_DISCARDED:
            self._receiver = DEAF
            self._gate.start(BY_RECEIVER)
            if self._rest:
                self._wheel.set(self.timer, self._wheel.turn + _DISCARD_SECONDS)
        else:
            self.cancel()

    def pause(self) -> None:
        """What has been read already is still given."""
        if LEASED < self.state < CLOSED and (self._tunnel is None or self._tunnel.readable()):
            if not self._gate.stops & BY_RECEIVER:
                self._held_at = self._wheel.turn
            self._gate.stop(BY_RECEIVER)

    def resume(self) -> None:
        if self.state < CLOSED:
            self._gate.start(BY_RECEIVER)

    # The pool's calls.

    def held_since(self) -> float:
        """Since when the client has not let the rest of its answer come; infinite while it does."""
        return self._held_at if self.state == BODY and self._gate.stops & BY_RECEIVER else inf

    def give_way(self, why: str) -> None:
        """Ends the exchange for another's sake: its answer is cut."""
        self._receiver.request_broken(Reason.OVERLOADED, why)

    def close(self) -> None:
        """Closes an idle connection; the pool is not told."""
        self.state = CLOSED
        self._transport.close()

    def abort(self) -> None:
        """Cuts the connection; whoever uses it is told that it failed."""
        self._lose("the proxy closed the connection")

    # Reading.

    def _read_heads(self, data: bytes) -> None:
        if self._backlog:
            data = self._backlog + data
            self._backlog = b""
        receiver = self._receiver
        while data:
            self.state = HEAD
            try:
                head = parse_response(data, self._limits, self._method, self._searched)
            except BadMessage as fault:
                self._fail(Cause.PROTOCOL_ERROR, fault.detail)
                return
            if head is None:
                self._backlog = data
                self._searched = len(data)
                return
            self._searched = 0
            if head.status >= 200:
                self._read_final(head, data)
                return
            data = data[head.size :]
            if head.status == 101:
                self._switch(head, data)
                return
            self._informational += 1
            if self._informational > _MAX_INFORMATIONAL:
                self._fail(Cause.PROTOCOL_ERROR, "too many interim answers")
                return
            receiver.response_head(head, False)
            if self._receiver is not receiver:
                return

    def _read_final(self, head: ResponseHead, data: bytes) -> None:
        receiver = self._receiver
        size = head.size
        body = trailers = b""
        end = size
        done = True
        framing = head.framing
        if framing == LENGTH and len(data) - size >= head.content_length:
            # The usual small answer comes in one piece, and needs no decoder.
            end = size + head.content_length
            body = data[size:end]
        elif framing != NO_BODY:
            decoder = reader_for(framing, head.content_length, self._limits, UPSTREAM_PROTOCOL_ERROR)
            try:
                body = decoder.feed(data, size)
            except BadMessage as fault:
                # Before the head is told: nothing of this answer has been used, so the request may be tried again.
                self._fail(Cause.PROTOCOL_ERROR, fault.detail)
                return
            end = decoder.consumed
            done = decoder.done
            trailers = decoder.trailers
            self._decoder = decoder
        self.state = BODY
        self._reusable = head.keep_alive and end == len(data)
        self._rest = 0 if done else head.content_length - len(body) if framing == LENGTH else -1
        receiver.response_head(head, done or bool(body))
        if self._receiver is not receiver:
            if done and self.state == BODY:
                self._complete(trailers)  # discarded
            return
        if body:
            receiver.response_data(body)
        if done and self._receiver is receiver:
            self._complete(trailers)

    def _read_body(self, data: bytes) -> None:
        receiver = self._receiver
        decoder = self._decoder
        if decoder is None:
            return
        try:
            body = decoder.feed(data, 0)
        except BadMessage as fault:
            self._fail(Cause.PROTOCOL_ERROR, fault.detail)
            return
        if body:
            receiver.response_data(body)
        if decoder.done and self._receiver is receiver:
            if decoder.consumed != len(data):
                self._reusable = False
            self._complete(decoder.trailers)

    def _switch(self, head: ResponseHead, rest: bytes) -> None:
        # RFC 9110 section 7.8: only what was asked for, and only once the request is complete.
        if self._out.phase != DONE or b"\r\nupgrade:" not in self._request_head.lower():
            self._fail(Cause.PROTOCOL_ERROR, "an upgrade that was not asked for")
            return
        receiver = self._receiver
        self.state = TUNNEL
        self._tunnel = Tunnel(
            self._transport, receiver.response_data, receiver.response_end, self._tunnel_over, _untouched
        )
        receiver.response_head(head, bool(rest))
        if rest and self._receiver is receiver:
            self._tunnel.received(rest)

    # Ending.

    def _complete(self, trailers: bytes) -> None:
        receiver = self._receiver
        self._receiver = DEAF
        self._decoder = None
        self._pressure = FULL if self._pressure == TOLD else self._pressure
        if self._reusable and self._out.phase == DONE and self._pressure == FLOWING:
            self._gate.start(BY_ANY)
            self.state = IDLE
            self.reused = True
            self._home.give_back(self)
        else:
            self._shut(True)
        receiver.response_end(trailers)

    def _tunnel_over(self) -> None:
        self._receiver = DEAF
        self.state = CLOSED
        self._tunnel = None
        self._transport.close()
        self._home.lost(self, True)

    def _break_off(self) -> None:
        self.state = max(self.state, HEAD)  # it is not the connection that was stale
        self._out.detach()  # the socket is open until the loss is told: nothing that comes now may complete the message
        self._transport.abort()

    def _lose(self, detail: str) -> None:
        state = self.state
        if state == WAITING:
            self._fail(Cause.STALE if self.reused else Cause.RESET, f"{detail} before answering")
        elif WAITING < state < CLOSED:
            self._fail(Cause.RESET, f"{detail} before its answer was complete")
        else:
            self._shut(state == LEASED)

    def _fail(self, cause: Cause, detail: str) -> None:
        receiver = self._receiver
        self._receiver = DEAF
        self._shut(True)
        receiver.upstream_failed(cause, detail)

    def _shut(self, leased: bool) -> None:
        if self.state != CLOSED:
            self.state = CLOSED
            self._decoder = None
            self._tunnel = None
            self._backlog = b""
            self._transport.abort()
            self._home.lost(self, leased)

    def _tell_dead(self) -> None:
        receiver = self._receiver
        self._receiver = DEAF
        cause = Cause.STALE if self.reused else Cause.RESET
        if receiver is not DEAF:
            receiver.upstream_failed(cause, "the connection was closed before the request")

    def _tell_paused(self) -> None:
        if self._pressure == FULL and self._receiver is not DEAF:
            self._pressure = TOLD
            self._receiver.upstream_paused()

    def _aged(self) -> None:
        if self.state == BODY:
            self._shut(True)  # what was discarded does not come to its end
        else:
            self._home.aged(self)


def _untouched() -> None:
    """A tunnel's silence is measured on the downstream side."""
