"""A bridge between scripted streams, in virtual time: the rules of one route, and requests that take it."""

from __future__ import annotations

import itertools
import random
from typing import Any

from sidecar.model.address import Address
from sidecar.policies.contract import Admission
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.retry import Retry, RetrySpec
from sidecar.policies.selection import RoundRobin
from sidecar.proxy.dispatch import Dispatcher
from sidecar.proxy.environment import Environment
from sidecar.rules.schema import MatchRule
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.matching import Matcher
from sidecar.runtime.route import Branch, Route
from sidecar.runtime.upstream import Upstream
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.forwarding import Origin, TrustedNetworks
from sidecar.wire.head import parse_request
from sidecar.wire.message import RequestHead
from sidecar.wire.trace_context import IdSource
from tests.proxy.streams import LIMITS, Clock, Downstream, Leases, Loop, UpstreamDouble
from tests.proxy.witnesses import AttemptLog, Half, RecordLog, RouteLog


class Router:
    """One route for all, none, or a bug."""

    def __init__(self, route: Route | None) -> None:
        self.route = route
        self.broken: Exception | None = None

    def match(self, head: RequestHead) -> Route | None:
        if self.broken is not None:
            raise self.broken
        return self.route

    def is_ambiguous(self, head: RequestHead) -> bool:
        return False


class Runtime:
    """What a dispatcher sees of the runtime."""

    def __init__(self, router: Router) -> None:
        self.router = router
        self.by_listener: dict[str, Router] = {}

    def router_at(self, listener: str) -> Router:
        """That of the listener of this name."""
        return self.by_listener.get(listener, self.router)


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
        self.attempts = AttemptLog()
        upstream = Upstream("app", [self.endpoint], RoundRobin(), random.Random(1), self.attempts)
        self.route_log = RouteLog()
        self.more = False
        self.route = Route("everything", [Branch(upstream)], Matcher(MatchRule()), self.route_log)
        self.route.request_timeout = request
        self.route.attempt_timeout = attempt
        self.route.idle_timeout = idle
        self.records = RecordLog()
        counter = itertools.count(1)
        ids = IdSource(lambda size: next(counter).to_bytes(size, "big"))
        self.environment = Environment(self.wheel, ids, self.records, TrustedNetworks(), replay_bytes=100)
        self.router = Router(self.route)
        self.runtime = Runtime(self.router)
        current: Any = Current(self.runtime)
        self.unrouted = RouteLog()
        self.dispatcher = Dispatcher(current, self.environment, self.unrouted)
        self.origin = Origin("192.0.2.7")

    def retries(self, **spec: Any) -> None:
        """The route tries again, by these rules on top of the defaults; waits take half of their bound."""
        self.route.branch.retry = Retry("everything/retry", RetrySpec(**spec), None, Half())

    def falls_back(self, **spec: Any) -> Fallback:
        """The route has a fallback by these rules."""
        fallback = self.route.fallback = Fallback("everything/fallback", FallbackSpec(**spec))
        if fallback.stale is not None:
            self.environment.stores = (fallback.stale,)
        return fallback

    def admits(self, *machines: Admission) -> None:
        """These are asked once a request."""
        self.route.admissions = machines
        self.route.announcer = next((one for one in machines if one.announces), None)
        self.route.meter = next((one for one in machines if one.measures), None)

    def admits_attempts(self, *machines: Admission) -> None:
        """These are asked before each attempt."""
        self.route.branch.admissions = machines

    def request(self, head: bytes = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") -> tuple[Downstream, Any]:
        """One request's head arrives; the stream it came on, and the receiver that listens to the rest."""
        downstream = Downstream(self.clock, self.origin)
        downstream.more = self.more
        parsed = parse_request(head, LIMITS)
        assert parsed is not None
        downstream.receiver = self.dispatcher.request(downstream, parsed)
        return downstream, downstream.receiver
