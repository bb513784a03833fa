"""A bridge between two scripted streams, in virtual time: what happens on one side, and what the other is told."""

from __future__ import annotations

import itertools
import math
import random
from typing import Any

from sidecar.model.address import Address
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeRecord
from sidecar.policies.selection import RoundRobin
from sidecar.proxy.dispatch import Dispatcher
from sidecar.proxy.environment import Environment
from sidecar.runtime.upstream import Endpoint, Route, Upstream
from sidecar.transport.stream import Channel, DownstreamStream, UpstreamStream
from sidecar.transport.wheel import DeadlineWheel, Timer
from sidecar.wire.forwarding import IdSource, Origin, TrustedNetworks
from sidecar.wire.head import parse_request, parse_response
from sidecar.wire.message import HeadLimits, RequestHead, ResponseHead

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
        self.turn: Any = None  # told that a turn of the loop begins

    def call_later(self, delay: float, callback: Any) -> Handle:
        handle = Handle(self.clock.now + delay, callback)
        self.handles.append(handle)
        return handle

    def advance(self, seconds: float) -> None:
        """Lets virtual time pass, with everything that falls due in between."""
        end = self.clock.now + seconds
        while True:
            due = [handle for handle in self.handles if not handle.cancelled and handle.when <= end]
            if not due:
                break
            first = min(due, key=lambda handle: handle.when)
            self.handles.remove(first)
            self.clock.now = max(self.clock.now, first.when)
            first.callback()
        self.clock.now = end
        self.turn()


class Downstream(DownstreamStream):
    """A DownstreamStream that writes a script of what it was told."""

    def __init__(self, clock: Clock, origin: Origin) -> None:
        self.origin = origin
        self.started = clock.now
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

    def open_tunnel(self) -> None:
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

    def lease(self, receiver: Any, deadline: float, fresh: bool = False) -> UpstreamDouble | None:
        self.asked.append((deadline, fresh))
        if self.streams:
            return self.streams.pop(0)
        if receiver not in self.waiting:
            self.waiting.append(receiver)
        return None

    def forget(self, receiver: Any) -> None:
        self.waiting.remove(receiver)


class RouteLog(RouteObserver):
    """A RouteObserver that remembers."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.finishes: list[tuple[bytes, int, float]] = []
        self.rejections: list[tuple[str, Reason]] = []
        self.retries: list[str] = []

    def started(self) -> None:
        self.in_flight += 1

    def finished(self, method: bytes, status: int, seconds: float) -> None:
        self.in_flight -= 1
        self.finishes.append((method, status, seconds))

    def rejected(self, rule: str, reason: Reason) -> None:
        self.rejections.append((rule, reason))

    def retried(self, reason: str) -> None:
        self.retries.append(reason)


class RecordLog:
    """An ExchangeLog that keeps every record."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    def wants(self, status: int, refused: bool) -> bool:
        return True

    def exchange(self, record: ExchangeRecord) -> None:
        self.records.append(record)


class Router:
    """One route for all, none, or a bug."""

    def __init__(self, route: Route | None) -> None:
        self.route = route
        self.broken: Exception | None = None

    def match(self, head: RequestHead) -> Route | None:
        if self.broken is not None:
            raise self.broken
        return self.route


class Runtime:
    """What a dispatcher sees of the runtime."""

    def __init__(self, router: Router) -> None:
        self.router = router


class Current:
    """What a dispatcher sees of the runtime in force."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime


class Bridge:
    """A dispatcher over scripted streams."""

    def __init__(
        self, *streams: UpstreamDouble, request: float = 15.0, attempt: float = 5.0, idle: float = 60.0
    ) -> None:
        self.clock = Clock()
        self.loop = Loop(self.clock)
        loop: Any = self.loop
        self.wheel = DeadlineWheel(loop, self.clock)
        self.loop.turn = self.wheel.now
        self.channel = Leases(*streams)
        self.endpoint = Endpoint("app", Address.parse("127.0.0.1:3000"))
        self.endpoint.channel = self.channel
        upstream = Upstream("app", [self.endpoint], RoundRobin(), random.Random(1), UpstreamObserver())
        self.route_log = RouteLog()
        self.more = False
        matcher: Any = None
        self.route = Route("everything", upstream, matcher, self.route_log)
        self.route.request_timeout = request
        self.route.attempt_timeout = attempt
        self.route.idle_timeout = idle
        self.records = RecordLog()
        counter = itertools.count(1)
        ids = IdSource(lambda size: next(counter).to_bytes(size, "big"))
        self.environment = Environment(self.wheel, ids, self.records, TrustedNetworks(), replay_bytes=100)
        self.router = Router(self.route)
        current: Any = Current(Runtime(self.router))
        self.unrouted = RouteLog()
        self.dispatcher = Dispatcher(current, self.environment, self.unrouted)
        self.origin = Origin("192.0.2.7")

    def request(self, head: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> tuple[Downstream, Any]:
        """One request's head arrives; the stream it came on, and the receiver that listens to the rest."""
        downstream = Downstream(self.clock, self.origin)
        downstream.more = self.more
        parsed = parse_request(head, LIMITS)
        assert parsed is not None
        downstream.receiver = self.dispatcher.request(downstream, parsed)
        return downstream, downstream.receiver


def answer(head: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", method: bytes = b"GET") -> ResponseHead:
    """A parsed answer's head."""
    parsed = parse_response(head, LIMITS, method)
    assert parsed is not None
    return parsed


FOREVER = math.inf
