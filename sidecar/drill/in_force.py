"""What the rules in force say about a request of the drill: its deadline, its upstreams, whether it may be sent twice.

Reads rules and judges nothing.
"""

from __future__ import annotations

from itertools import pairwise
from math import inf
from typing import Any

from sidecar.drill.record import Record, Request
from sidecar.drill.scenario import Do
from sidecar.drill.settings import Setting, Settings
from sidecar.policies.bulkhead import BulkheadSpec
from sidecar.policies.circuit_breaker import CircuitBreakerSpec
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.pool import PoolSpec
from sidecar.policies.retry import IDEMPOTENT, RetrySpec
from sidecar.policies.timeout import TimeoutSpec
from sidecar.policies.units import show_duration

# No connection came about there, which is what a hold is for.
_GONE: frozenset[Do] = frozenset({"refuse", "die", "restart", "flap", "unreachable"})
# Header fields that every request has: Host, the drill's own two, and a length.
_ALWAYS = 4


class InForce:
    """The rules of one drill."""

    def __init__(self, record: Record) -> None:
        rules = record.loaded.rules
        self.settings = Settings(record.loaded)
        self._routes = {route.name: route for route in rules.routes}
        self._upstreams = rules.upstreams
        self._endpoints = record.endpoints
        load = record.scenario.load
        http = [rule.name for rule in rules.listeners if rule.protocol == "http"]
        self.listener = load.listener or http[0]
        self._most_headers = next(rule.max_headers for rule in rules.listeners if rule.name == self.listener)
        self._headers = len(load.headers) + _ALWAYS
        self._patience = inf if load.gives_up is None else load.gives_up
        headers = {name.lower(): value for name, value in load.headers.items()}
        self._vouched = "idempotency-key" in headers
        allowed = headers.get("x-request-timeout-ms", "")
        self._allowed = float(allowed) / 1000 if allowed.isdigit() else inf
        self._reopened = _reopened(record)

    def upstreams(self, request: Request) -> tuple[str, ...]:
        """Where it could have been sent: where it was, or else wherever its route leads."""
        if request.upstream:
            return (request.upstream,)
        route = self._routes.get(request.route)
        return tuple(self._upstreams) if route is None else route.upstreams

    def deadline(self, request: Request) -> float:
        """When its answer had to begin, by the rules and by its client's patience."""
        return min(self._patience_over(request), request.began + self.time(request))

    def is_impatient(self, request: Request) -> bool:
        """Whether the client's patience was shorter than what the rules allow."""
        return self._patience_over(request) < request.began + self.time(request)

    def _patience_over(self, request: Request) -> float:
        return min(request.due + self._patience, request.began + self._allowed)

    def time(self, request: Request) -> float:
        """What the rules give all its attempts together."""
        timeout = self._timeout(request)
        return inf if timeout is None or timeout.request is None else timeout.request

    def attempt_time(self, request: Request) -> float:
        """What they give one attempt by itself."""
        timeout = self._timeout(request)
        return inf if timeout is None or timeout.attempt is None else timeout.attempt

    def _timeout(self, request: Request) -> TimeoutSpec | None:
        spec = self._policy(request.route, "timeout")
        return spec if isinstance(spec, TimeoutSpec) and spec.mode == "enforce" else None

    def retry(self, request: Request) -> RetrySpec | None:
        """The retry rule of its route, where there is one that acts."""
        spec = self._policy(request.route, "retry")
        return spec if isinstance(spec, RetrySpec) and spec.mode == "enforce" else None

    def no_retry(self, request: Request) -> Setting | None:
        """The key that keeps it from another attempt whatever happens to the first; None where there is none."""
        key = f"routes.{request.route}.retry"
        spec = self._policy(request.route, "retry")
        if not isinstance(spec, RetrySpec):
            return self.settings.at(key)
        if spec.mode != "enforce":
            return self.settings.at(f"{key}.mode")
        if request.method not in spec.methods and spec.methods not in (("all",), ("idempotent",)) and not self._vouched:
            return self.settings.at(f"{key}.methods")
        return None

    def longest_backoff(self, request: Request) -> float:
        """The longest wait before the next attempt."""
        backoff = (self.retry(request) or RetrySpec()).backoff
        return float(min(backoff.max, backoff.base * 2.0 ** min(max(0, request.attempts - 1), 64)))

    def is_repeatable(self, request: Request) -> bool:
        """Whether it may be sent again after something of it was sent: it does no harm, or somebody vouches for it."""
        spec = self.retry(request)
        vouched = self._vouched or (spec is not None and (spec.methods == ("all",) or request.method in spec.methods))
        return vouched or request.method.encode() in IDEMPOTENT

    def breaker(self, request: Request) -> str:
        """The dotted key of the breaker that has refused it."""
        owner = request.rule.partition("/")[0]
        if owner in self._routes and self._policy(owner, "circuit_breaker") is not None and owner == request.route:
            return f"routes.{owner}.circuit_breaker"
        return f"upstreams.{request.upstream or owner or next(iter(self._upstreams))}.circuit_breaker"

    def slow_after(self, request: Request) -> float:
        """What its breaker takes for slow."""
        spec = self._breaker(request)
        return inf if spec is None or spec.slow_after is None else spec.slow_after

    def open_for(self, request: Request) -> Setting:
        """The key that says how long the breaker was open that has refused it: the first time, or after that."""
        key, spec = self.breaker(request), self._breaker(request)
        subject = (
            key.removesuffix(".circuit_breaker").replace("routes.", "route.", 1).replace("upstreams.", "upstream.", 1)
        )
        spans = self._reopened.get(subject, ())
        again = any(at <= request.ended <= until for at, until in spans)
        if spec is None or not again or spec.longest == spec.open_for:
            return self.settings.at(f"{key}.open_for")
        longest = self.settings.at(f"{key}.max_open_for")
        return (
            longest if spec.max_open_for is not None else Setting(longest.key, show_duration(spec.longest), "default")
        )

    def _breaker(self, request: Request) -> CircuitBreakerSpec | None:
        scope, owner, _ = self.breaker(request).split(".")
        rule = self._routes.get(owner) if scope == "routes" else self._upstreams.get(owner)
        spec = None if rule is None else rule.policies.get("circuit_breaker")
        return spec if isinstance(spec, CircuitBreakerSpec) else None

    def concurrency(self, request: Request) -> BulkheadSpec | None:
        """The limit of its route, where there is one that acts."""
        spec = self._policy(request.route, "concurrency")
        return spec if isinstance(spec, BulkheadSpec) and spec.mode == "enforce" else None

    def no_route(self) -> Setting:
        """The routes, none of which was for a request."""
        names = list(self._routes)
        origin = self.settings.at(f"routes.{names[0]}.name").origin if names else "default"
        return Setting("routes", ", ".join(names), origin)

    def head_bound(self) -> Setting:
        """What bounds the head of a request, and was too little for those of the load."""
        bound = "max_headers" if self._headers > self._most_headers else "max_header_bytes"
        return self.at_the_door(bound)

    def at_the_door(self, key: str) -> Setting:
        """A bound of the listener that the clients connect to."""
        return self.settings.at(f"listeners.{self.listener}.{key}")

    def hold_timeout(self, request: Request) -> float:
        """The longest that it may have been held."""
        for name in self.upstreams(request):
            hold = self._upstreams[name].policies.get("hold")
            if isinstance(hold, HoldSpec):
                return hold.timeout
        return 0.0

    def pool_size(self, request: Request) -> int:
        """How many connections its upstream has for an endpoint."""
        pools = [self._upstreams[name].policies.get("pool") for name in self.upstreams(request)]
        return min((pool.max_connections for pool in pools if isinstance(pool, PoolSpec)), default=0)

    def has(self, owner: str, policy: str) -> bool:
        """Whether this upstream (`upstreams.app`) has a policy."""
        upstream = self._upstreams.get(owner.partition(".")[2])
        return upstream is not None and upstream.policies.get(policy) is not None

    def was_gone(self, request: Request) -> bool:
        """Whether each endpoint that it could be sent to was not merely ill but gone: none could be connected to."""
        names = self.upstreams(request)
        return all(
            any(ill.do in _GONE and ill.at <= request.ended < ill.until for ill in endpoint.ill)
            for endpoint in self._endpoints
            if endpoint.upstream in names
        )

    def _policy(self, route: str, key: str) -> Any:
        rule = self._routes.get(route)
        return None if rule is None else rule.policies.get(key)


def _reopened(record: Record) -> dict[str, list[tuple[float, float]]]:
    """Of each breaker, by its label, from when to when it was open again, because a trial had failed."""
    told: dict[str, list[tuple[float, bool]]] = {}
    for event in record.events:
        if event.kind == "breaker":
            again = (event.fields.get("from"), event.fields.get("to")) == ("half_open", "open")
            told.setdefault(event.subject, []).append((event.at, again))
    return {
        subject: [(at, until) for (at, again), (until, _) in pairwise([*moves, (inf, False)]) if again]
        for subject, moves in told.items()
    }
