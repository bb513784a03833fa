"""The stream: what the bridge speaks to on either side, whatever the protocol version.

A stream carries one message each way: head, data, trailers, end; it can be paused, resumed and reset. HTTP/1 gives one
stream at a time per connection (the connection object is its own stream); HTTP/2 will give many. Everything is a
plain call on the loop's thread: no task, no future. A receiver may call back into the stream from inside any of its
methods; a stream never calls a receiver from inside a method that the receiver called, except where it says so. Every
call chain begins with a reading of the wheel's clock, by whoever the loop called; all within it happens at that turn.

These are base classes and not protocols: a compiled call of a known class costs a tenth of a look-up by name, and an
exchange makes fifteen of them (docs/adr/0004). They hold no code but the receiver's, which does nothing,
and that what is not made for a view takes it as bytes.
"""

from __future__ import annotations

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.transport.arrival import Ends
from sidecar.transport.wheel import Timer
from sidecar.wire.message import RequestHead, ResponseHead
from sidecar.wire.origin import Origin
from sidecar.wire.proxy_protocol import Version, write


class Receiver:
    """The bridge's two ears: one object for each exchange, from its request's head to the end of its answer.

    By itself it hears nothing: what a connection holds while no exchange does, so that it need not ask.
    """

    __slots__ = ()

    # From the downstream side.

    def request_data(self, data: bytes) -> None:
        """A piece of the request's body, framing taken off (in a tunnel: raw bytes)."""

    def request_bulk(self, view: memoryview) -> None:
        """As `request_data`, in a tunnel only, and the view is the stream's again when the call returns."""
        self.request_data(bytes(view))

    def request_end(self, trailers: bytes) -> None:
        """The request is complete; also told, before anything else, for one without a body.
        In a tunnel: the client will send no more."""

    def request_broken(self, reason: Reason, detail: str) -> None:
        """The rest of the request cannot be had (bad chunk, too large, too slow), or its answer not be waited for any
        longer; the client is still there."""

    def downstream_gone(self) -> None:
        """The client left (RST, or FIN before its answer was complete), or was cut. The stream is dead. Told once."""

    def downstream_paused(self) -> None:
        """The client does not keep up: give no more data until resumed."""

    def downstream_resumed(self) -> None:
        """The client reads again."""

    def expired(self) -> None:
        """The stream's timer, which the bridge had set, has come."""

    # From the upstream side, for each attempt.

    def announcement(self, version: Version) -> bytes:
        """The PROXY header of a connection that is made for this exchange, where its endpoint wants one."""
        return write(version, None, None)

    def leased(self, stream: UpstreamStream) -> None:
        """The connection that was asked for and not at hand."""

    def lease_failed(self, cause: Cause, detail: str) -> None:
        """It could not be had."""

    def response_head(self, head: ResponseHead, more: bool) -> None:
        """A head: 1xx any number of times, then a final one. `more`: body bytes, or the end, follow in this very
        call chain. After a 101 the stream is a tunnel by itself."""

    def response_data(self, data: bytes) -> None:
        """A piece of the answer's body, framing taken off (in a tunnel: raw bytes)."""

    def response_bulk(self, view: memoryview) -> None:
        """As `response_data`, in a tunnel only, and the view is the stream's again when the call returns."""
        self.response_data(bytes(view))

    def response_end(self, trailers: bytes) -> None:
        """The answer is complete. The connection is already back in its pool (or closed), and hears no more from this
        receiver. In a tunnel: the endpoint will send no more."""

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        """The attempt is over without a complete answer; the connection is closed and hears no more."""

    def upstream_paused(self) -> None:
        """The endpoint does not keep up: give no more data until resumed."""

    def upstream_resumed(self) -> None:
        """The endpoint reads again."""


DEAF = Receiver()


class DownstreamStream:
    """One request and its answer, as the bridge sees them.

    `started` is the instant of the request's first byte, monotonic seconds. `more`: a piece of the request's body
    follows in this very call chain. `leaving`: the connection is to end, so every final answer closes it and says so.
    `timer` is the bridge's to set; its callback tells the receiver `expired`.
    """

    __slots__ = ("leaving", "more", "origin", "started", "timer")

    leaving: bool
    origin: Origin
    started: float
    more: bool
    timer: Timer

    def ends(self) -> Ends:
        """Who is at the other end of the connection, and whom it had reached."""
        raise NotImplementedError

    def send_informational(self, head: bytes) -> None:
        """A serialised 1xx head, sent at once."""
        raise NotImplementedError

    def send_head(self, head: bytes, framing: int, close: bool, hold: bool = False, length: int = -1) -> None:
        """The serialised final head. `framing` (wire.message constants) is how the data that follows is put on the
        wire: the stream adds chunk framing itself. `close`: the connection ends after this answer. `hold`: data
        follows in this very call chain, so the head may wait for it and go out in one write. `length`: the
        Content-Length when the framing is LENGTH; without it the stream reads it out of the head again."""
        raise NotImplementedError

    def send_data(self, data: bytes) -> None:
        """A piece of the answer's body (in a tunnel: raw bytes)."""
        raise NotImplementedError

    def send_bulk(self, view: memoryview) -> None:
        """As `send_data`, in a tunnel only; the view is the caller's again afterwards."""
        self.send_data(bytes(view))

    def send_end(self, trailers: bytes = b"") -> None:
        """The answer is complete; the receiver is let go and hears nothing more. The rest of an unfinished request
        body is read away within bounds and the connection then closed. In a tunnel: half-close towards the client."""
        raise NotImplementedError

    def reset(self) -> None:
        """Cuts the connection: an answer that cannot be completed must not look complete. The receiver hears nothing
        more."""
        raise NotImplementedError

    def open_tunnel(self, websocket: bool = False) -> None:
        """After a 101 head: from now on raw bytes both ways, with the idle timeout as the only one. `websocket`: they
        are RFC 6455 frames, so that its client can be told when the process leaves."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stops the flow of request data; idempotent."""
        raise NotImplementedError

    def resume(self) -> None:
        """Lets it flow again; idempotent."""
        raise NotImplementedError


class Acceptor:
    """The bridge, as a connection sees it: where the requests of a listener go."""

    __slots__ = ()

    def request(self, stream: DownstreamStream, head: RequestHead) -> Receiver:
        """A request has begun. The bridge may answer, even completely, inside this call; the receiver it returns then
        hears nothing."""
        raise NotImplementedError

    def refuse(self, stream: DownstreamStream, reason: Reason, detail: str) -> None:
        """What came is no acceptable request. The bridge answers inside this call, through send_head, send_data and
        send_end with `close`; without an answer the connection is cut. There is no receiver."""
        raise NotImplementedError

    def connection(self, stream: DownstreamStream, refusal: tuple[Reason, str] | None) -> Receiver:
        """A connection of bytes without HTTP stands. `refusal` says why it is not wanted. The bridge ends it by
        `send_end`, perhaps inside this call, or has it stand by `open_tunnel`; the receiver then hears its bytes."""
        raise NotImplementedError


class UpstreamStream:
    """One attempt on one connection. `reused`: it carried an earlier exchange, so it may be stale."""

    __slots__ = ("reused",)

    reused: bool

    def since(self, now: float) -> float:
        """Since when whoever has been lent it waits for its endpoint, and no longer in line: monotonic seconds."""
        return now

    def open_tunnel(self, receiver: Receiver) -> None:
        """Where no HTTP is spoken, in place of `start`: from now on raw bytes both ways."""
        raise NotImplementedError

    def start(self, receiver: Receiver, method: bytes, head: bytes, framing: int, more: bool, length: int = -1) -> None:
        """Sends a serialised head; `framing` is how the data that follows is put on the wire. `more`: data follows in
        this very call chain, so the head may wait for it. With NO_BODY no `send_end` is needed. `length` as above."""
        raise NotImplementedError

    def send_data(self, data: bytes) -> None:
        """A piece of the request's body (in a tunnel: raw bytes)."""
        raise NotImplementedError

    def send_bulk(self, view: memoryview) -> None:
        """As `send_data`, in a tunnel only; the view is the caller's again afterwards."""
        self.send_data(bytes(view))

    def send_end(self, trailers: bytes = b"") -> None:
        """The request is complete. In a tunnel: half-close towards the endpoint."""
        raise NotImplementedError

    def cancel(self) -> None:
        """Gives the attempt up: closes the connection, frees its place; the receiver hears nothing more."""
        raise NotImplementedError

    def discard(self) -> None:
        """Gives the answer up whose head has come, and keeps the connection where the rest of it is short: as `cancel`
        otherwise. The receiver hears nothing more."""
        raise NotImplementedError

    def pause(self) -> None:
        """Stops the flow of answer data; idempotent."""
        raise NotImplementedError

    def resume(self) -> None:
        """Lets it flow again; idempotent."""
        raise NotImplementedError


class Channel:
    """How one endpoint is reached: its pool."""

    __slots__ = ()

    def lease(
        self, receiver: Receiver, deadline: float, fresh: bool = False, whole: bool = True
    ) -> UpstreamStream | None:
        """An idle connection at once, or None: then the receiver is told `leased` or `lease_failed` later, never
        inside this call. `deadline`: monotonic instant past which waiting and connecting end. `fresh`: not an idle
        one (after a stale one). `whole`: the request is here, or as much of it as is kept. Asked again by one who waits
        already, only its deadline moves, not its place."""
        raise NotImplementedError

    def forget(self, receiver: Receiver) -> None:
        """The receiver no longer waits; a connection being made for it serves the next or becomes idle."""
        raise NotImplementedError
