"""What the transport's tests stand on: a loop in virtual time, a transport without a socket, receivers that write down.

Recorded calls are tuples of the method's name and its arguments, in one list per test, so that an order across objects
can be asserted.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.transport.stream import Acceptor, DownstreamStream, Receiver, UpstreamStream
from sidecar.wire.message import LENGTH, NO_BODY, RequestHead, ResponseHead

Calls = list[tuple[Any, ...]]


class HeardCalls(list[tuple[Any, ...]]):
    """Calls that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._more = asyncio.Event()

    def append(self, call: tuple[Any, ...]) -> None:
        super().append(call)
        self._more.set()

    async def until(self, *call: Any) -> None:
        """Waits for a call that begins like this."""
        async with asyncio.timeout(10):
            while not any(heard[: len(call)] == call for heard in self):
                self._more.clear()
                await self._more.wait()

    def bytes_of(self, name: str) -> bytes:
        """What all calls of that name carried."""
        return b"".join(call[1] for call in self if call[0] == name)


class _InstantSelector(selectors.DefaultSelector):
    """Waits by moving the loop's time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        # A turn takes a moment: who waits for a rounding error to pass (aiolimiter does) would wait for ever.
        self.now += 1e-7
        if not ready and timeout is None:
            raise AssertionError("the loop would sleep for ever")
        if not ready and timeout is not None and timeout > 0:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only by waiting for it, and then at once."""

    def __init__(self) -> None:
        self.virtual = _InstantSelector()
        super().__init__(self.virtual)
        self.errors: list[dict[str, Any]] = []
        self.set_exception_handler(lambda _, context: self.errors.append(context))

    def time(self) -> float:
        return self.virtual.now

    def turn(self, times: int = 8) -> None:
        """Runs what is ready, without time passing."""
        for _ in range(times):
            self.call_soon(self.stop)
            self.run_forever()

    def advance(self, seconds: float) -> None:
        """Lets time pass, with everything that falls due."""
        self.run_until_complete(asyncio.sleep(seconds))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.run_until_complete(work)


class FakeTransport:
    """Writes down what is sent; `unsent` is what its buffer pretends to hold."""

    def __init__(self, calls: Calls | None = None) -> None:
        self.calls: Calls = [] if calls is None else calls
        self.sent = b""
        self.writes: list[bytes] = []
        self.unsent = 0
        self.reading = True
        self.eof_sent = False
        self.closed = False
        self.aborted = False
        self.half_close = True
        self.eof_fault: OSError | None = None

    def write(self, data: bytes) -> None:
        assert not self.eof_sent, "write after write_eof"
        if not self.closed:
            self.writes.append(data)
            self.sent += data

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        if self.eof_fault is not None:
            raise self.eof_fault
        self.eof_sent = True

    def can_write_eof(self) -> bool:
        return self.half_close

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True
        self.aborted = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        assert self.reading, "paused twice"
        self.reading = False

    def resume_reading(self) -> None:
        assert not self.reading, "resumed twice"
        self.reading = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


class RequestEar(Receiver):
    """A Receiver that writes down; `on` maps a method's name to what it does besides."""

    def __init__(self, calls: Calls, **on: Callable[..., object]) -> None:
        self.calls = calls
        self.on = on

    def _heard(self, name: str, *what: Any) -> None:
        self.calls.append((name, *what))
        if name in self.on:
            self.on[name](*what)

    def request_data(self, data: bytes) -> None:
        self._heard("request_data", data)

    def request_end(self, trailers: bytes) -> None:
        self._heard("request_end", trailers)

    def request_broken(self, reason: Reason, detail: str) -> None:
        assert detail
        self._heard("request_broken", reason)

    def downstream_gone(self) -> None:
        self._heard("downstream_gone")

    def downstream_paused(self) -> None:
        self._heard("downstream_paused")

    def downstream_resumed(self) -> None:
        self._heard("downstream_resumed")

    def expired(self) -> None:
        self._heard("expired")


class ResponseEar(Receiver):
    """A Receiver that writes down; `on` as above."""

    def __init__(self, calls: Calls, name: str = "", **on: Callable[..., object]) -> None:
        self.calls = calls
        self.name = name
        self.on = on
        self.streams: list[UpstreamStream] = []

    def _heard(self, name: str, *what: Any) -> None:
        self.calls.append((self.name + name, *what))
        if name in self.on:
            self.on[name](*what)

    def leased(self, stream: UpstreamStream) -> None:
        self.streams.append(stream)
        self._heard("leased")

    def lease_failed(self, cause: Cause, detail: str) -> None:
        assert detail
        self.detail = detail
        self._heard("lease_failed", cause)

    def response_head(self, head: ResponseHead, more: bool) -> None:
        self._heard("response_head", head.status, more)

    def response_data(self, data: bytes) -> None:
        self._heard("response_data", data)

    def response_end(self, trailers: bytes) -> None:
        self._heard("response_end", trailers)

    def upstream_failed(self, cause: Cause, detail: str) -> None:
        assert detail
        self._heard("upstream_failed", cause)

    def upstream_paused(self) -> None:
        self._heard("upstream_paused")

    def upstream_resumed(self) -> None:
        self._heard("upstream_resumed")


class FakeAcceptor(Acceptor):
    """An Acceptor that writes down. `on_request(stream)` runs inside `request`; `on` is handed to each receiver."""

    def __init__(self, calls: Calls, on_request: Callable[[DownstreamStream], object] | None = None) -> None:
        self.calls = calls
        self.on_request = on_request
        self.on: dict[str, Callable[..., object]] = {}
        self.streams: list[DownstreamStream] = []
        self.answers_refusals = True

    def request(self, stream: DownstreamStream, head: RequestHead) -> RequestEar:
        self.calls.append(("request", head.method + b" " + head.target))
        self.streams.append(stream)
        if self.on_request is not None:
            self.on_request(stream)
        return RequestEar(self.calls, **self.on)

    def refuse(self, stream: DownstreamStream, reason: Reason, detail: str) -> None:
        assert detail
        self.calls.append(("refuse", reason))
        if self.answers_refusals:
            answer(stream, b"no", status=reason.status, close=True)


def answer(stream: DownstreamStream, body: bytes = b"ok", status: int = 200, close: bool = False) -> None:
    """A whole answer with a length."""
    fields = b"Content-Length: %d\r\n" % len(body) + (b"Connection: close\r\n" if close else b"")
    head = b"HTTP/1.1 %d X\r\n%b\r\n" % (status, fields)
    stream.send_head(head, LENGTH if body else NO_BODY, close, bool(body))
    if body:
        stream.send_data(body)
    stream.send_end()
