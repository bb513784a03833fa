"""How an accepted connection ends: in its own time, told to, or cut.

Owns what a connection has, and its ways out; what it reads and answers until then is downstream.py's. May not know who
ends it, or why: the owner's calls are those of registry.Closable.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fcntl import ioctl
from math import inf
from termios import FIONREAD

from sidecar.model.reason import Reason
from sidecar.transport.arrival import FIRST_WORD_SECONDS, Announced, Ends, ends_of
from sidecar.transport.departure import LINGER_SECONDS, Departure
from sidecar.transport.downstream_state import BODY, BROKEN, CLOSED, CLOSING, HEAD, IDLE, LINGER, TUNNEL
from sidecar.transport.flow import FLOWING, FULL, TOLD, ReadGate, WriteWatch
from sidecar.transport.intake import RequestIntake
from sidecar.transport.phases import UNSENT
from sidecar.transport.registry import A_BODY, A_HEAD, NOTHING, NOTHING_MORE, RAW_TUNNEL, READING, REQUEST, WEBSOCKET
from sidecar.transport.sending import MessageWriter
from sidecar.transport.service import Service
from sidecar.transport.stream import DEAF, DownstreamStream, Receiver
from sidecar.transport.tunnel import Tunnel, WebSocketTunnel
from sidecar.transport.wheel import Timer

_OUT_OF_TIME = "the proxy shuts down, and this request did not finish in time"
_NONE = bytes(4)
# A body that has come with less than this, in bytes a second since its request began, is slow.
_LEAST_RATE = 1024.0
# Slow bodies and slow readers are waited for so much longer than those that carry nothing.
_GRACE_SECONDS = 4.0
_UNREAD = "the client took too little of its answer while others waited for a connection"


class Leaving(DownstreamStream):
    """What an accepted connection has, and how it ends.

    `refusal` says why the connection is not wanted, as a reason and a sentence: it is told so as soon as it stands, and
    closed. `announced` is what a PROXY header has said of it, set before it stands.
    """

    # fmt: off
    __slots__ = (
        "_close_after", "_cork", "_departure", "_ended", "_gate", "_idle_timeout", "_intake", "_out",
        "_receiver", "_served", "_service", "_settings", "_timer", "_transport", "_tunnel", "_watch", "_wheel",
        "announced", "refusal", "state",
    )
    # fmt: on

    _transport: asyncio.Transport

    def __init__(self, service: Service, refusal: tuple[Reason, str] | None = None) -> None:
        settings = service.settings
        self._service = service
        self._settings = settings
        self._idle_timeout = settings.idle_timeout
        self._wheel = service.wheel
        self.refusal = refusal
        self.announced: Announced | None = None
        self._intake = RequestIntake(settings.limits, settings.max_body_bytes)
        self._out = MessageWriter()
        self._gate = ReadGate()
        self._watch = WriteWatch(service.wheel, settings.idle_timeout, self.abort, self._tell_paused)
        self._departure = Departure(self._gate, self._watch)
        self._timer = Timer(self._overdue)
        self.timer = Timer(self._tell_expired)
        self.state = IDLE
        self._served = False
        self._ended = False
        self._tunnel: Tunnel | None = None
        self.leaving = False
        self.started = 0.0
        self.more = False
        self._receiver: Receiver = DEAF
        self._close_after = False
        self._cork: Callable[[], object] | None = None  # where TLS can send a last answer together with its own end

    def ends(self) -> Ends:
        return ends_of(self._transport, self.announced)

    # The owner's calls, see Closable.

    def carries(self) -> int:
        if self.state == TUNNEL:
            return WEBSOCKET if isinstance(self._tunnel, WebSocketTunnel) else RAW_TUNNEL
        return REQUEST if BODY <= self.state <= BROKEN or self._has_unsent() else NOTHING

    def close_when_idle(self) -> None:
        """What has been sent and not yet read is a request too, and a new connection has a moment for its first.
        Tunnels live on."""
        self.leaving = True
        if self.state != IDLE or self._intake.backlog:
            return
        first = self.started + FIRST_WORD_SECONDS
        if not self._served and self._wheel.now() < first:
            self._wheel.set(self._timer, min(first, self._timer.deadline))
        else:
            self._close_unasked()

    def leave_websocket(self) -> None:
        if isinstance(self._tunnel, WebSocketTunnel):
            self._wheel.now()
            self._tunnel.leave()

    def end_now(self) -> int:
        """A request without an answer is told why; an answer or a tunnel under way is cut, so that it cannot look
        complete. A WebSocket that was told to go is only closed, and complete if its client has agreed."""
        if self._ended:
            return 0  # it is on its way out, and counted
        self._ended = True
        self._wheel.now()
        state = self.state
        if state < BODY or state >= LINGER:
            if self._has_unsent():
                self.abort()  # the client has not taken the end of its answer
                return 1
            if state < BODY:
                self._close()
            return 0
        tunnel = self._tunnel
        if isinstance(tunnel, WebSocketTunnel) and tunnel.said:
            done = tunnel.closed
            self._close()
            return 0 if done else 1
        if state <= BROKEN:
            if state == BODY:
                self._intake.fail(Reason.DRAINING, _OUT_OF_TIME)
                self.state = BROKEN
                self._wheel.clear(self._timer)
            self._close_after = True
            self._receiver.request_broken(Reason.DRAINING, _OUT_OF_TIME)
        if self.state < LINGER:
            self.abort()
        return 1

    def abort(self) -> None:
        """Cuts the connection, telling a running exchange that its client is gone."""
        receiver = self._receiver
        self._receiver = DEAF
        self._cut()
        receiver.downstream_gone()

    def waits(self) -> tuple[int, float] | None:
        state = self.state
        if state == HEAD:
            return A_HEAD, self.started
        if state == LINGER:
            return A_HEAD, self._timer.deadline - LINGER_SECONDS
        if state < TUNNEL and self._watch.pressure != FLOWING:
            return READING, self._watch.since + _GRACE_SECONDS
        if state == BODY:
            return self._waits_for_body()
        if state == CLOSING:
            return (READING, self._watch.since + _GRACE_SECONDS) if self._has_unsent() else None
        if state != IDLE or self._intake.backlog:
            return None
        if not self._served:
            return A_HEAD, self.started
        finished = self._timer.deadline - self._idle_timeout
        return (READING, finished + _GRACE_SECONDS) if self._has_unsent() else (NOTHING_MORE, finished)

    def _waits_for_body(self) -> tuple[int, float] | None:
        """Only where it is the client who is waited for, and all of the answer is still to come."""
        if self._timer.deadline == inf or self._out.phase != UNSENT:
            return None
        slow = self._intake.received() < _LEAST_RATE * (self._wheel.turn - self.started)
        return (A_BODY, self.started + _GRACE_SECONDS) if slow else None

    def give_way(self) -> bool:
        """As if its time were over, and without lingering, nor for anything that is still to be sent."""
        self._wheel.now()
        if self._watch.pressure != FLOWING or self._has_unsent():
            self._receiver.request_broken(Reason.OVERLOADED, _UNREAD)
            self.abort()
            return True
        if self.state < LINGER and unread(self._transport):
            return False
        self._overdue()
        if self.state == LINGER:
            self._close()
        return self.state >= CLOSING

    # What timers and the transport tell.

    def _overdue(self) -> None:
        raise NotImplementedError

    def _tell_expired(self) -> None:
        self._receiver.expired()

    def _tell_paused(self) -> None:
        if self._watch.pressure == FULL and self._receiver is not DEAF:
            self._watch.pressure = TOLD
            self._receiver.downstream_paused()

    def _tunnel_over(self) -> None:
        self._receiver = DEAF
        self._close()

    def _has_unsent(self) -> bool:
        return self.state < CLOSED and self._transport.get_write_buffer_size() > 0

    # The ways out.

    def _close_unasked(self) -> None:
        """Closes an idle connection, unless a request lies unread: the loop has not come to it, and will."""
        if not unread(self._transport):
            self._close()

    def _linger(self) -> None:
        self._intake.clear()
        self.state = LINGER
        self._departure.linger()
        self._wheel.set(self._timer, self._wheel.now() + LINGER_SECONDS)

    def _close(self) -> None:
        if self.state < CLOSING:
            self._leave_state()
            self._departure.close()

    def _cut(self) -> None:
        if self.state < CLOSED:
            self._leave_state()
            self._departure.cut()

    def _leave_state(self) -> None:
        self._activate()
        self.state = CLOSING
        self._wheel.clear(self._timer)
        self._intake.clear()
        self._tunnel = None

    def _activate(self) -> None:
        if self.state < BODY:
            self._service.connections.idle -= 1
            self._service.connections.active += 1


def unread(transport: asyncio.Transport) -> bool:
    """Whether bytes lie in the kernel that nobody has read yet."""
    sock = transport.get_extra_info("socket")
    if sock is None:
        return False
    try:
        return ioctl(sock.fileno(), FIONREAD, _NONE) != _NONE
    except (OSError, ValueError):
        return False  # closed already
