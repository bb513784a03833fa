"""Where an exchange may go: endpoints, the upstream that groups them, the route that leads there.

Owns the choice of an endpoint and the identity of endpoints over reloads and DNS changes. May not know how an endpoint
is reached: `channel` is set by the wiring and opaque here. `now` is always an argument.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol

from sidecar.model.address import Address
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.runtime.request_key import RequestKey

if TYPE_CHECKING:
    from sidecar.runtime.matching import Matcher


class Endpoint:
    """One address of an upstream, the same object for as long as any rules name it.

    `name` is `app/127.0.0.1:3000`. `authority` is what Host carries towards it. `in_flight` counts attempts and
    belongs to whoever makes them. `channel` is how it is reached, set by the wiring.
    """

    __slots__ = ("address", "authority", "channel", "in_flight", "name", "scheme", "upstream_name", "weight")

    def __init__(self, upstream_name: str, address: Address, weight: int = 1, scheme: str = "http") -> None:
        self.name = f"{upstream_name}/{address}"
        self.upstream_name = upstream_name
        self.address = address
        self.scheme = scheme
        self.authority = _authority(address, scheme)
        self.weight = weight
        self.in_flight = 0
        self.channel: object | None = None

    def same_place(self, other: Endpoint) -> bool:
        """Whether both lead to one place in one way, so that connections and counts of one serve the other."""
        return self.name == other.name and self.scheme == other.scheme


class Strategy(Protocol):
    """How one of several endpoints is chosen; `policies.selection` has them."""

    def pick(self, candidates: Sequence[Endpoint], key: str | None, rng: random.Random) -> Endpoint:
        """One of the candidates, of which there is at least one."""


class Upstream:
    """A named group of equal endpoints.

    Times in seconds; `resolve` is None when names are not resolved again. `pool` is the pool's Spec.
    """

    __slots__ = ("_rng", "connect_timeout", "endpoints", "name", "observer", "pool", "resolve", "strategy", "written")

    def __init__(
        self,
        name: str,
        endpoints: Iterable[Endpoint],
        strategy: Strategy,
        rng: random.Random,
        observer: UpstreamObserver,
    ) -> None:
        self.name = name
        self.endpoints = tuple(endpoints)
        self.written = self.endpoints
        self.strategy = strategy
        self.observer = observer
        self.connect_timeout = 1.0
        self.pool: object | None = None
        self.resolve: float | None = None
        self._rng = rng

    def pick(self, now: float, key: str | None, avoid: Endpoint | None) -> Endpoint | None:
        """An endpoint for one attempt, or None when there is none; `avoid` is skipped while there is another."""
        endpoints = self.endpoints
        if len(endpoints) == 1:
            return endpoints[0]
        if avoid is not None:
            others = tuple([endpoint for endpoint in endpoints if endpoint is not avoid])
            if len(others) == 1:
                return others[0]
            endpoints = others
        if not endpoints:
            return None
        return self.strategy.pick(endpoints, key, self._rng)

    def replace_endpoints(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """Take these endpoints from now on; one that leads to a known place stays the known object, with the new weight.

        Returns the objects that are no longer in use here, for the wiring to let go of.
        """
        known = {endpoint.name: endpoint for endpoint in self.endpoints}
        fresh: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            old = known.get(endpoint.name)
            if old is not None and old.same_place(endpoint):
                old.weight = endpoint.weight
                endpoint = old
            fresh[endpoint.name] = endpoint
        gone = tuple(old for old in self.endpoints if fresh.get(old.name) is not old)
        self.endpoints = tuple(fresh.values())
        return gone


class Route:
    """What a matched request is held to. Times in seconds, `math.inf` where there is none.

    `key` is what the upstream's balance wants to know of a request, None when it asks nothing. `rule_index` is the
    route's place in the rules file, from 0.
    """

    __slots__ = (
        "attempt_timeout",
        "idle_timeout",
        "key",
        "matcher",
        "name",
        "observer",
        "request_timeout",
        "rule_index",
        "upstream",
    )

    def __init__(
        self, name: str, upstream: Upstream, matcher: Matcher, observer: RouteObserver, rule_index: int = 0
    ) -> None:
        self.name = name
        self.upstream = upstream
        self.matcher = matcher
        self.observer = observer
        self.rule_index = rule_index
        self.request_timeout = math.inf
        self.attempt_timeout = math.inf
        self.idle_timeout = math.inf
        self.key: RequestKey | None = None


_DEFAULT_PORTS = {"http": 80, "https": 443}


def _authority(address: Address, scheme: str) -> bytes:
    if address.is_unix:
        return b"localhost"
    text = str(address)
    if address.port == _DEFAULT_PORTS.get(scheme):
        text = text.rpartition(":")[0]
    return text.encode("ascii")
