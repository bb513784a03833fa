"""What the rules in force say about a request of the drill: its deadline, its upstreams, whether it may be sent twice.

Reads rules and judges nothing.
"""

from __future__ import annotations

from math import inf
from typing import Any

from sidecar.drill.record import Record, Request
from sidecar.drill.scenario import Do
from sidecar.drill.settings import Settings
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.pool import PoolSpec
from sidecar.policies.retry import IDEMPOTENT, RetrySpec

# No connection came about there, which is what a hold is for.
_GONE: frozenset[Do] = frozenset({"refuse", "die", "restart", "flap", "unreachable"})


class InForce:
    """The rules of one drill."""

    def __init__(self, record: Record) -> None:
        rules = record.loaded.rules
        self.settings = Settings(record.loaded)
        self._routes = {route.name: route for route in rules.routes}
        self._upstreams = rules.upstreams
        self._endpoints = record.endpoints
        load = record.scenario.load
        self._patience = load.gives_up
        headers = {name.lower(): value for name, value in load.headers.items()}
        self._vouched = "idempotency-key" in headers
        allowed = headers.get("x-request-timeout-ms", "")
        self._allowed = float(allowed) / 1000 if allowed.isdigit() else inf

    def upstreams(self, request: Request) -> tuple[str, ...]:
        """Where it could have been sent: where it was, or else wherever its route leads."""
        if request.upstream:
            return (request.upstream,)
        route = self._routes.get(request.route)
        return tuple(self._upstreams) if route is None else route.upstreams

    def deadline(self, request: Request) -> float:
        """When its answer had to begin, by the rules and by its client's patience."""
        patience = inf if self._patience is None else request.due + self._patience
        return min(patience, self._own_deadline(request))

    def is_impatient(self, request: Request) -> bool:
        """Whether the client's patience was shorter than what the rules allow."""
        return self._patience is not None and request.due + self._patience < self._own_deadline(request)

    def _own_deadline(self, request: Request) -> float:
        timeout = self._policy(request.route, "timeout")
        allowed = inf if timeout is None or timeout.request is None or timeout.mode == "shadow" else timeout.request
        return request.began + min(allowed, self._allowed)

    def has_attempt_timeout(self, request: Request) -> bool:
        """Whether one attempt may take less than the whole request."""
        timeout = self._policy(request.route, "timeout")
        if timeout is None or timeout.attempt is None:
            return False
        return timeout.request is None or bool(timeout.attempt < timeout.request)

    def retry(self, request: Request) -> RetrySpec | None:
        """The retry rule of its route, where there is one that acts."""
        spec = self._policy(request.route, "retry")
        return spec if isinstance(spec, RetrySpec) and spec.mode == "enforce" else None

    def longest_backoff(self, request: Request) -> float:
        """The longest wait before another attempt."""
        spec = self.retry(request)
        return 0.0 if spec is None else spec.backoff.max

    def is_repeatable(self, request: Request) -> bool:
        """Whether it may be sent again after something of it was sent."""
        spec = self.retry(request)
        methods = ("idempotent",) if spec is None else spec.methods
        idempotent = request.method.encode() in IDEMPOTENT
        return (
            self._vouched
            or methods == ("all",)
            or (methods == ("idempotent",) and idempotent)
            or request.method in methods
        )

    def breaker(self, request: Request) -> str:
        """The dotted key of the breaker that has refused it."""
        owner = request.rule.partition("/")[0]
        if owner in self._routes and self._policy(owner, "circuit_breaker") is not None and owner == request.route:
            return f"routes.{owner}.circuit_breaker"
        return f"upstreams.{request.upstream or owner or next(iter(self._upstreams))}.circuit_breaker"

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
