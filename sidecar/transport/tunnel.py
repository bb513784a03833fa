"""A connection after 101 (Switching Protocols): raw bytes both ways, and either side may end first.

Owns which halves are still open. What the bytes mean, and how long silence may last, is its owner's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.transport.departure import end_half
from sidecar.wire.websocket import GOING_AWAY, Frames

_OPEN = 0
_IN_ENDED = 1  # the peer will send no more
_OUT_ENDED = 2  # we will send no more
_OVER = 3


class Tunnel:
    """One end of a tunnel. `data` and `end` are told what the peer sends; `over` once, when both halves have ended;
    `touched` of every traffic."""

    __slots__ = ("_data", "_end", "_over", "_state", "_touched", "_transport")

    def __init__(
        self,
        transport: asyncio.Transport,
        data: Callable[[bytes], None],
        end: Callable[[bytes], None],
        over: Callable[[], None],
        touched: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._data = data
        self._end = end
        self._over = over
        self._touched = touched
        self._state = _OPEN

    def received(self, data: bytes) -> None:
        """The peer has sent `data`."""
        self._touched()
        self._data(data)

    def eof(self) -> bool:
        """The peer will send no more. Whether the connection stays open for what we send."""
        if self._state == _OPEN:
            self._state = _IN_ENDED
            self._end(b"")
        elif self._state == _OUT_ENDED:
            self._state = _OVER
            self._over()
            self._end(b"")
        return self._state == _IN_ENDED

    def send(self, data: bytes) -> None:
        """Sends `data` to the peer."""
        if self._state <= _IN_ENDED:
            self._touched()
            self._transport.write(data)

    def send_end(self) -> None:
        """We will send no more. Where a half cannot be closed alone, both are, and `end` is told inside this call."""
        state = self._state
        if state == _OPEN and self._transport.can_write_eof():
            self._state = _OUT_ENDED
            end_half(self._transport)
        elif state <= _IN_ENDED:
            self._state = _OVER
            self._over()
            if state == _OPEN:
                self._end(b"")

    def readable(self) -> bool:
        """Whether the peer may still send; past its end the reading must not be started again."""
        return self._state in (_OPEN, _OUT_ENDED)


class WebSocketTunnel(Tunnel):
    """The client's end of a tunnel that carries a WebSocket: it can be told that the server goes away.

    The Close is ours, and goes between two frames of the endpoint's; the endpoint learns of it from the client's own
    Close, which passes like everything else that the client sends.
    """

    __slots__ = ("_leaving", "_ours", "_said", "_theirs")

    def __init__(
        self,
        transport: asyncio.Transport,
        data: Callable[[bytes], None],
        end: Callable[[bytes], None],
        over: Callable[[], None],
        touched: Callable[[], None],
    ) -> None:
        super().__init__(transport, data, end, over, touched)
        self._theirs = Frames()  # what the client sends
        self._ours = Frames()  # what it is sent
        self._leaving = False
        self._said = False  # that we go: nothing may follow it

    @property
    def said(self) -> bool:
        """Whether a Close of either the endpoint's or ours has gone to the client, whole."""
        return self._said or self._ours.closed

    @property
    def closed(self) -> bool:
        """Whether the closing handshake is complete (RFC 6455 section 7.1.4 but for the end of TCP)."""
        return self.said and self._theirs.closed

    def leave(self) -> None:
        """Sends a Close with 1001 as soon as the frame under way has passed; the endpoint's Close serves as well."""
        if self._state <= _IN_ENDED:
            self._leaving = True
            self._say()

    def received(self, data: bytes) -> None:
        self._theirs.follow(data)
        super().received(data)

    def eof(self) -> bool:
        """A client that was told, and ends, is done: the connection need not wait for the endpoint's half."""
        return not self._said and super().eof()

    def send(self, data: bytes) -> None:
        if self._said:
            return
        if not self._leaving:
            self._ours.follow(data)
            super().send(data)
            return
        rest = self._ours.finish(data)
        if rest:
            super().send(data[:rest])
        self._say()

    def _say(self) -> None:
        if self._ours.at_boundary and not self._ours.closed and not self._said:
            self._said = True
            super().send(GOING_AWAY)
