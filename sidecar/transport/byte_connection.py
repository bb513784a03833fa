"""An accepted connection without HTTP: bytes both ways, each half ending by itself, from the accept on.

Owns the connection's two halves, what is read before it stands, and its end. May not know where its bytes go: that is
the acceptor's. Called back by the transport (a duck-typed asyncio protocol) and by timers; no task, no future. The
states and what leads from one to the next: byte_state.py.
"""

from __future__ import annotations

import asyncio

from sidecar.model.reason import Reason
from sidecar.transport.arrival import Announced, Ends, ends_of
from sidecar.transport.bulk import MUCH, read_in_bulk
from sidecar.transport.byte_state import CLOSED, CLOSING, OPEN, WAITING
from sidecar.transport.departure import Departure, end_half
from sidecar.transport.flow import BY_BACKLOG, BY_RECEIVER, FULL, HIGH_WATER, TOLD, ReadGate, WriteWatch
from sidecar.transport.keepalive import keep_alive
from sidecar.transport.registry import NOTHING, RAW_TUNNEL, REQUEST
from sidecar.transport.sending import MessageWriter
from sidecar.transport.service import Service
from sidecar.transport.stream import DEAF, DownstreamStream, Receiver
from sidecar.transport.wheel import Timer

# Before there is an endpoint to take it, no more than this and one read is kept of what a client says.
_MAX_EARLY = 65536
_OUT_OF_TIME = "the proxy shuts down, and this connection did not end in time"


class ByteConnection(DownstreamStream):
    """One accepted connection; also the DownstreamStream of its relay, whose message is everything that is sent.

    `refusal` says why the connection is not wanted, as a reason and a sentence. `announced` is what a PROXY header has
    said of it, set before it stands. `transport` is what it is read from and written to.
    """

    # fmt: off
    __slots__ = (
        "_departure", "_early", "_ended", "_gate", "_in_ended", "_in_told", "_out", "_out_ended", "_receiver",
        "_service", "_watch", "_wheel", "announced", "refusal", "state", "transport",
    )
    # fmt: on

    transport: asyncio.Transport

    def __init__(self, service: Service, refusal: tuple[Reason, str] | None = None) -> None:
        self._service = service
        self._wheel = service.wheel
        self.refusal = refusal
        self.announced: Announced | None = None
        self._out = MessageWriter()
        self._gate = ReadGate()
        # Its patience is for what is left to send at the end; until then the relay has its own.
        self._watch = WriteWatch(service.wheel, service.settings.idle_timeout, self.abort, self._tell_paused)
        self._departure = Departure(self._gate, self._watch)
        self.timer = Timer(self._tell_expired)
        self._receiver: Receiver = DEAF
        self._early = b""  # read, and nobody there to take it
        self._in_ended = False  # the client sends no more
        self._in_told = False  # and the receiver knows
        self._out_ended = False  # we do not either
        self._ended = False  # by the owner
        self.state = WAITING
        self.leaving = False
        self.started = 0.0
        self.more = False

    def ends(self) -> Ends:
        return ends_of(self.transport, self.announced)

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._out.attach(transport)
        self._departure.attach(transport)
        transport.set_write_buffer_limits(high=HIGH_WATER)
        keep_alive(transport)
        service = self._service
        service.registry.add(self)
        service.connections.active += 1
        self.started = self._wheel.now()
        self.leaving = service.registry.leaving
        try:
            self.origin = service.origin_factory(transport, self.announced)
            receiver = service.acceptor.connection(self, self.refusal)
        except Exception:
            # No transport ends a connection for what is raised here.
            self.abort()
            raise
        # It may have ended inside this call: then nobody listens.
        if self.state <= OPEN:
            self._receiver = receiver

    def data_received(self, data: bytes) -> None:
        self._wheel.now()
        if self.state == OPEN and not self._early:
            self._receiver.request_data(data)
            if len(data) >= MUCH and self.state == OPEN:
                read_in_bulk(self, self.transport, self._gate, self._wheel.loop)
        elif self.state <= OPEN:
            self._early += data
            if len(self._early) > _MAX_EARLY:
                self._gate.stop(BY_BACKLOG)

    def bulk_received(self, view: memoryview) -> None:
        """See bulk.Bulky."""
        if self.state == OPEN:
            self._wheel.now()
            self._receiver.request_bulk(view)

    def eof_received(self) -> bool:
        """Our half stays open: what a client that has said everything gets, it still wants."""
        self._wheel.now()
        self._in_ended = True
        if self.state == OPEN and not self._early:
            self._tell_end()
        return self.state <= OPEN

    def connection_lost(self, exc: Exception | None) -> None:
        self._out.detach()
        self.state = CLOSED
        self._early = b""
        self._service.connections.active -= 1
        self._wheel.drop(self.timer)
        self._watch.drop()
        receiver = self._receiver
        self._receiver = DEAF
        receiver.downstream_gone()
        self._service.registry.discard(self)

    def pause_writing(self) -> None:
        """Called inside our own write, so the receiver is told in the next turn."""
        self._watch.pressure = FULL
        self._wheel.loop.call_soon(self._tell_paused)

    def resume_writing(self) -> None:
        if self._watch.flows():
            self._wheel.now()
            self._receiver.downstream_resumed()
        if self.state == CLOSING:
            self._watch.watch()

    # The bridge's calls, see DownstreamStream for what each promises.

    def open_tunnel(self, websocket: bool = False) -> None:
        """What the client has sent so far is told in the next turn."""
        if self.state == WAITING:
            self.state = OPEN
            if self._early or self._in_ended:
                self._wheel.loop.call_soon(self._advance)

    def send_data(self, data: bytes) -> None:
        if self.state == OPEN and not self._out_ended:
            self._out.put(data)

    def send_bulk(self, view: memoryview) -> None:
        if self.state == OPEN and not self._out_ended:
            self._out.put_view(view)

    def send_end(self, trailers: bytes = b"") -> None:
        """Before it stands: closes the connection."""
        if self.state == WAITING or (self.state == OPEN and self._in_told and not self._out_ended):
            self._close()
        elif self.state == OPEN and not self._out_ended:
            self._out_ended = True
            if self.transport.can_write_eof():
                end_half(self.transport)
            else:
                self._in_ended = True  # no half ends alone here
                self._wheel.loop.call_soon(self._advance)

    def reset(self) -> None:
        self._receiver = DEAF
        self._cut()

    def pause(self) -> None:
        """What has been read already is still given."""
        if self.state <= OPEN and not self._in_ended:
            self._gate.stop(BY_RECEIVER)

    def resume(self) -> None:
        if self._gate.stops & BY_RECEIVER:
            self._gate.start(BY_RECEIVER)

    def unsent(self) -> int:
        """How many bytes the client has not taken yet, as far as they are still ours."""
        return self.transport.get_write_buffer_size() if self.state < CLOSED else 0

    # The owner's calls, see Closable.

    def carries(self) -> int:
        if self.state == WAITING:
            return REQUEST
        return RAW_TUNNEL if self.state == OPEN or self.unsent() else NOTHING

    def close_when_idle(self) -> None:
        """It never is: whoever speaks a protocol of his own cannot be told."""
        self.leaving = True

    def leave_websocket(self) -> None:
        """There is none."""

    def waits(self) -> tuple[int, float] | None:
        """It is a request from its accept on."""
        return None

    def give_way(self) -> bool:
        """Never asked."""
        return False

    def end_now(self) -> int:
        if self._ended:
            return 0  # it is on its way out, and counted
        self._ended = True
        if self.state >= CLOSING:
            if self.unsent():
                self.abort()  # the client has not taken the end of what was sent
                return 1
            return 0
        self._wheel.now()
        self._receiver.request_broken(Reason.DRAINING, _OUT_OF_TIME)
        if self.state <= OPEN:
            self.abort()
        return 1

    def abort(self) -> None:
        """Cuts the connection, telling a running relay that its client is gone."""
        receiver = self._receiver
        self._receiver = DEAF
        self._cut()
        receiver.downstream_gone()

    # What timers and the loop tell.

    def _advance(self) -> None:
        if self.state != OPEN:
            return
        self._wheel.now()
        data = self._early
        self._early = b""
        self._gate.start(BY_BACKLOG)
        if data:
            self._receiver.request_data(data)
        if self._in_ended and self.state == OPEN:
            self._tell_end()

    def _tell_end(self) -> None:
        if not self._in_told:
            self._in_told = True
            receiver = self._receiver
            if self._out_ended:
                self._close()
            receiver.request_end(b"")

    def _tell_expired(self) -> None:
        self._receiver.expired()

    def _tell_paused(self) -> None:
        if self._watch.pressure == FULL and self._receiver is not DEAF:
            self._watch.pressure = TOLD
            self._receiver.downstream_paused()

    # The ways out.

    def _close(self) -> None:
        self._leave()
        self._departure.close()

    def _cut(self) -> None:
        if self.state < CLOSED:
            self._leave()
            self._departure.cut()

    def _leave(self) -> None:
        self.state = CLOSING
        self._receiver = DEAF
        self._early = b""
