"""A connection to an endpoint that carries bytes without HTTP: for one relay, and then never again.

Owns its two halves, what the endpoint says before somebody listens (a server may speak first), and its end. Knows
neither why it is made nor what the bytes are. Leased and lost as every connection of its pool.
"""

from __future__ import annotations

import asyncio

from sidecar.model.outcome import Cause
from sidecar.transport.bulk import MUCH, read_in_bulk
from sidecar.transport.departure import cut_off, end_half
from sidecar.transport.flow import BY_BACKLOG, BY_RECEIVER
from sidecar.transport.keepalive import keep_alive
from sidecar.transport.stream import DEAF, Receiver
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.upstream_state import CLOSED, IDLE, LEASED, TUNNEL
from sidecar.transport.wheel import DeadlineWheel, Timer
from sidecar.wire.message import HeadLimits

# For the last bytes of a relay that is over: an endpoint that takes none of them for so long is cut off.
_PATIENCE_SECONDS = 30.0


class RawUpstream(UpstreamConnection):
    """One connection; `transport` is what it is read from and written to."""

    __slots__ = ("_early", "_in_ended", "_in_told", "_out_ended", "_patience", "_unsent", "transport")

    transport: asyncio.Transport

    def __init__(self, home: Home, wheel: DeadlineWheel, limits: HeadLimits, born: float) -> None:
        UpstreamConnection.__init__(self, home, wheel, limits, born)
        self._early = b""  # read, and nobody there to take it
        self._in_ended = False  # the endpoint sends no more
        self._in_told = False  # and the receiver knows
        self._out_ended = False  # we do not either
        self._patience: Timer | None = None
        self._unsent = 0

    # The transport's calls, see asyncio.Protocol.

    def connection_made(self, transport: asyncio.Transport) -> None:
        UpstreamConnection.connection_made(self, transport)
        self.transport = transport
        keep_alive(transport)

    def data_received(self, data: bytes) -> None:
        self._wheel.now()
        if self.state == TUNNEL and not self._early:
            self._receiver.response_data(data)
            if len(data) >= MUCH and self.state == TUNNEL:
                read_in_bulk(self, self._transport, self._gate, self._wheel.loop)
        elif self.state < CLOSED:
            # One read, and no more. Not from the beginning: uvloop reads on when a protocol pauses it in
            # `connection_made`.
            self._early += data
            self._gate.stop(BY_BACKLOG)

    def bulk_received(self, view: memoryview) -> None:
        """See bulk.Bulky."""
        if self.state == TUNNEL:
            self._wheel.now()
            self._receiver.response_bulk(view)

    def eof_received(self) -> bool:
        self._wheel.now()
        self._in_ended = True
        if self.state == TUNNEL and not self._early:
            self._tell_end()
        return self.state < CLOSED

    def connection_lost(self, exc: Exception | None) -> None:
        if self._patience is not None:
            self._wheel.drop(self._patience)
        UpstreamConnection.connection_lost(self, exc)

    # The bridge's calls, see UpstreamStream for what each promises.

    def open_tunnel(self, receiver: Receiver) -> None:
        """What the endpoint has said so far is told in the next turn."""
        self._receiver = receiver
        if self.state != LEASED:
            # It died between the lease and now; the receiver is never told inside its own call.
            self._wheel.loop.call_soon(self._tell_dead)
            return
        self.state = TUNNEL
        if self._early or self._in_ended:
            self._wheel.loop.call_soon(self._advance)

    def send_data(self, data: bytes) -> None:
        if self.state == TUNNEL and not self._out_ended:
            self._out.put(data)

    def send_bulk(self, view: memoryview) -> None:
        if self.state == TUNNEL and not self._out_ended:
            self._out.put_view(view)

    def send_end(self, trailers: bytes = b"") -> None:
        if self.state != TUNNEL or self._out_ended:
            return
        self._out_ended = True
        if self._in_told:
            self._over()
        elif self._transport.can_write_eof():
            end_half(self._transport)
        else:
            self._in_ended = True  # no half ends alone here
            self._wheel.loop.call_soon(self._advance)

    def cancel(self) -> None:
        """With RST: the endpoint is not to take what it got for everything."""
        self._receiver = DEAF
        if self.state != IDLE:
            self._shut(True)

    def pause(self) -> None:
        """What has been read already is still given."""
        if self.state < CLOSED and not self._in_ended:
            self._gate.stop(BY_RECEIVER)

    def unsent(self) -> int:
        """How many bytes the endpoint has not taken yet, as far as they are still ours."""
        return self._transport.get_write_buffer_size() if self.state < CLOSED else 0

    # What the loop tells.

    def _advance(self) -> None:
        if self.state != TUNNEL:
            return
        self._wheel.now()
        data = self._early
        self._early = b""
        self._gate.start(BY_BACKLOG)
        if data:
            self._receiver.response_data(data)
        if self._in_ended and self.state == TUNNEL:
            self._tell_end()

    def _tell_end(self) -> None:
        if not self._in_told:
            self._in_told = True
            receiver = self._receiver
            if self._out_ended:
                self._over()
            receiver.response_end(b"")

    # Ending.

    def _over(self) -> None:
        """Both halves have ended: what is left is sent, and the place in the pool is free."""
        self._receiver = DEAF
        self.state = CLOSED
        self._transport.close()
        self._patience = Timer(self._lose_patience)
        self._lose_patience()
        self._home.lost(self, True)

    def _lose_patience(self) -> None:
        before = self._unsent
        self._unsent = self._transport.get_write_buffer_size()
        if self._unsent >= before > 0:
            cut_off(self._transport)
        elif self._unsent and self._patience is not None:
            self._wheel.set(self._patience, self._wheel.turn + _PATIENCE_SECONDS)

    def _lose(self, detail: str) -> None:
        if self.state == TUNNEL:
            self._fail(Cause.RESET, detail)
        else:
            self._shut(self.state == LEASED)

    def _shut(self, leased: bool) -> None:
        if self.state != CLOSED:
            self.state = CLOSED
            self._early = b""
            cut_off(self._transport)
            self._home.lost(self, leased)
