"""One generation of rules at work, and which one is current.

A Runtime is not changed once it is current; an exchange keeps the one it began with. What lives longer (endpoints,
strategies, observers) is shared by identity. May not know where rules come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sidecar.rules.schema import RuleSet
from sidecar.runtime.routing import Router
from sidecar.runtime.upstream import Endpoint, Upstream


class Runtime:
    """Rules bound to what they govern. `number` counts generations from 1, `digest` names the text of the rules."""

    __slots__ = ("_weights", "digest", "number", "router", "routes", "rules", "upstreams")

    def __init__(
        self,
        number: int,
        digest: str,
        rules: RuleSet,
        router: Router,
        upstreams: Mapping[str, Upstream],
        weights: Iterable[tuple[Endpoint, int]] = (),
    ) -> None:
        """`weights` are those that endpoints of the generation before take on once this one is current."""
        self.number = number
        self.digest = digest
        self.rules = rules
        self.router = router
        self.routes = router.routes
        self.upstreams = dict(upstreams)
        self._weights = tuple(weights)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Every endpoint of every upstream as of now."""
        return tuple([endpoint for upstream in self.upstreams.values() for endpoint in upstream.endpoints])

    def commit(self) -> None:
        """Let what is shared with the generation before follow these rules. Cannot fail; called by `Current.swap`."""
        for endpoint, weight in self._weights:
            endpoint.weigh(weight)


class Current:
    """The generation that new exchanges begin with: one reference, read once by each."""

    __slots__ = ("runtime",)

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def swap(self, runtime: Runtime) -> tuple[Endpoint, ...]:
        """Make `runtime` current; returns the endpoints that it no longer leads to, whose attempts may still run."""
        before = self.runtime.endpoints()
        runtime.commit()
        self.runtime = runtime
        kept = {id(endpoint) for endpoint in runtime.endpoints()}
        return tuple([endpoint for endpoint in before if id(endpoint) not in kept])
