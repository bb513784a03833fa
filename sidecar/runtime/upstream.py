"""Where an exchange may go: endpoints, the upstream that groups them, the route that leads there.

Owns the choice of an endpoint and the identity of endpoints over reloads and DNS changes. May not know how an endpoint
is reached: `channel` is set by the wiring and opaque here. `now` is always an argument.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from typing import Any

from sidecar.model.address import Address
from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.policies.pool import PoolSpec
from sidecar.policies.selection import SelectionSpec, Strategy
from sidecar.runtime.matching import Matcher
from sidecar.runtime.request_key import RequestKey


class Endpoint:
    """One address of an upstream, the same object for as long as any rules name it.

    `name` is `app/127.0.0.1:3000`. `authority` is what Host carries towards it. `in_flight` counts attempts and
    belongs to whoever makes them. `channel` is how it is reached, set by the wiring. `origin` is the name of the
    endpoint as written: another one when this is an address that a host name was resolved to.
    """

    __slots__ = ("address", "authority", "channel", "in_flight", "name", "origin", "scheme", "upstream_name", "weight")

    def __init__(self, upstream_name: str, address: Address, weight: int = 1, scheme: str = "http") -> None:
        self.name = f"{upstream_name}/{address}"
        self.upstream_name = upstream_name
        self.address = address
        self.scheme = scheme
        self.authority = _authority(address, scheme)
        self.weight = weight
        self.in_flight = 0
        self.origin = self.name
        self.channel: Any = None  # a type of the right tower, which this one may not import

    def resolved(self, address: Address) -> Endpoint:
        """An endpoint at one of the addresses of this one's host name; Host still carries the name."""
        endpoint = Endpoint(self.upstream_name, address, self.weight, self.scheme)
        endpoint.authority = self.authority
        endpoint.origin = self.origin
        return endpoint

    def same_place(self, other: Endpoint) -> bool:
        """Whether both lead to one place in one way, so that connections and counts of one serve the other."""
        return self.name == other.name and self.scheme == other.scheme and self.origin == other.origin


class Upstream:
    """A named group of equal endpoints.

    Times in seconds; `resolve` is None when names are not resolved again. The endpoints are those of the rules until
    `replace_endpoints` puts addresses in the place of names.
    """

    __slots__ = ("_rng", "balance", "connect_timeout", "endpoints", "name", "observer", "pool", "resolve", "strategy")

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
        self.strategy = strategy
        self.observer = observer
        self.balance = SelectionSpec()
        self.connect_timeout = 1.0
        self.pool = PoolSpec()
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
        # A request without the field that the key is made of has none: one key for all would load one endpoint.
        return self.strategy.pick(endpoints, key or None, self._rng)

    def replace_endpoints(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """Take these endpoints from now on; one at a known place stays the known object, with the new weight.

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
