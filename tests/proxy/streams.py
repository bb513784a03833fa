"""Scripted streams on both sides of the bridge, in virtual time: each writes down what it was told."""

from __future__ import annotations

import json
from typing import Any

from sidecar.model.outcome import Cause
from sidecar.transport.stream import Channel, DownstreamStream, UpstreamStream
from sidecar.transport.wheel import Timer
from sidecar.wire.forwarding import Origin
from sidecar.wire.head import parse_response
from sidecar.wire.message import HeadLimits, ResponseHead

LIMITS = HeadLimits()


class Clock:
    """Virtual time."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Handle:
    """What call_later gives."""

    def __init__(self, when: float, callback: Any) -> None:
        self.when = when
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Loop:
    """The part of a loop that a wheel stands on."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.handles: list[Handle] = []
        self.ready: list[Any] = []
        self.turn: Any = None  # told that a turn of the loop begins

    def call_later(self, delay: float, callback: Any) -> Handle:
        handle = Handle(self.clock.now + delay, callback)
        self.handles.append(handle)
        return handle

    def call_soon(self, callback: Any) -> None:
        self.ready.append(callback)

    def run_ready(self) -> None:
        """The next turns, without time passing."""
        while self.ready:
            self.turn()
            self.ready.pop(0)()
        self.turn()

    def advance(self, seconds: float) -> None:
        """Lets virtual time pass, with everything that falls due in between."""
        end = self.clock.now + seconds
        self.run_ready()
        while True:
            due = [handle for handle in self.handles if not handle.cancelled and handle.when <= end]
            if not due:
                break
            first = min(due, key=lambda handle: handle.when)
            self.handles.remove(first)
            self.clock.now = max(self.clock.now, first.when)
            first.callback()
            self.run_ready()
        self.clock.now = end
        self.turn()


class Downstream(DownstreamStream):
    """A DownstreamStream that writes a script of what it was told."""

    def __init__(self, clock: Clock, origin: Origin) -> None:
        self.origin = origin
        self.started = clock.now
        self.leaving = False
        self.more = False
        self.told: list[Any] = []
        self.pauses = 0
        self.broken: Exception | None = None
        self.receiver: Any = None
        self.timer = Timer(self._expired)

    def _expired(self) -> None:
        self.receiver.expired()

    def send_informational(self, head: bytes) -> None:
        self.told.append(("interim", head))

    def send_head(self, head: bytes, framing: int, close: bool, hold: bool = False, length: int = -1) -> None:
        if self.broken is not None:
            raise self.broken
        self.told.append(("head", head, framing, close))

    def send_data(self, data: bytes) -> None:
        self.told.append(("data", data))

    def send_end(self, trailers: bytes = b"") -> None:
        self.told.append(("end", trailers))

    def reset(self) -> None:
        self.told.append("reset")

    def open_tunnel(self, websocket: bool = False) -> None:
        self.told.append("tunnel")

    def pause(self) -> None:
        self.pauses = 1

    def resume(self) -> None:
        self.pauses = 0

    @property
    def head(self) -> bytes:
        heads = [entry[1] for entry in self.told if entry[0] == "head"]
        assert len(heads) == 1, self.told
        return bytes(heads[0])

    @property
    def status(self) -> int:
        return int(self.head.split(b" ")[1])

    @property
    def body(self) -> bytes:
        return b"".join(entry[1] for entry in self.told if entry[0] == "data")


class UpstreamDouble(UpstreamStream):
    """An UpstreamStream that writes a script of what it was told."""

    def __init__(self, reused: bool = False) -> None:
        self.reused = reused
        self.told: list[Any] = []
        self.receiver: Any = None
        self.pauses = 0
        self.more = False
        self.broken: Exception | None = None

    def start(self, receiver: Any, method: bytes, head: bytes, framing: int, more: bool, length: int = -1) -> None:
        if self.broken is not None:
            raise self.broken
        self.receiver = receiver
        self.told.append(("head", head, framing))
        self.more = more

    def send_data(self, data: bytes) -> None:
        self.told.append(("data", data))

    def send_end(self, trailers: bytes = b"") -> None:
        self.told.append(("end", trailers))

    def cancel(self) -> None:
        self.told.append("cancel")

    def discard(self) -> None:
        self.told.append("discard")

    def pause(self) -> None:
        self.pauses = 1

    def resume(self) -> None:
        self.pauses = 0

    @property
    def head(self) -> bytes:
        return bytes(self.told[0][1])

    @property
    def body(self) -> bytes:
        return b"".join(entry[1] for entry in self.told if entry[0] == "data")


class Leases(Channel):
    """Lends the streams it holds; with none left, those who ask wait."""

    def __init__(self, *streams: UpstreamDouble) -> None:
        self.streams = list(streams)
        self.waiting: list[Any] = []
        self.asked: list[tuple[float, bool]] = []
        self.whole: list[bool] = []

    def lease(self, receiver: Any, deadline: float, fresh: bool = False, whole: bool = True) -> UpstreamDouble | None:
        self.asked.append((deadline, fresh))
        self.whole.append(whole)
        if self.streams:
            return self.streams.pop(0)
        if receiver not in self.waiting:
            self.waiting.append(receiver)
        return None

    def refuse(self, cause: Cause, detail: str = "refused") -> None:
        """Whoever waits longest cannot have one."""
        self.waiting.pop(0).lease_failed(cause, detail)

    def forget(self, receiver: Any) -> None:
        if receiver in self.waiting:
            self.waiting.remove(receiver)


def answer(head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", method: bytes = b"GET") -> ResponseHead:
    """A parsed answer's head."""
    parsed = parse_response(head, LIMITS, method)
    assert parsed is not None
    return parsed


def answers(stream: UpstreamDouble, body: bytes = b"ok", status: int = 200, fields: bytes = b"") -> None:
    """The endpoint's whole answer, in one call chain."""
    receiver = stream.receiver
    receiver.response_head(answer(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n" % (status, len(body), fields)), True)
    if stream.told[-1] in ("discard", "cancel"):
        return
    if body:
        receiver.response_data(body)
    receiver.response_end(b"")


def problem(downstream: Downstream) -> dict[str, Any]:
    """The body of an answer of our own."""
    parsed: dict[str, Any] = json.loads(downstream.body)
    return parsed
