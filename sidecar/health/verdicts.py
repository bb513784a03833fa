"""What is known of the endpoints' health in this process, and who is told when that changes.

Every process that serves has one. Where several are one instance, only one of them looks at endpoints; the others are
told by it, and `apply` and `probe` are where its words come in. Knows no socket and never looks by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Sentinel, Upstream

# Upstream, endpoint, whether it is up, and why not.
Verdict = tuple[str, str, bool, str]

_NOT_YET = "not checked yet"


def enforced(spec: HealthCheckSpec | None) -> bool:
    """Whether checks decide who takes attempts."""
    return spec is not None and spec.mode == "enforce"


class Verdicts:
    """The verdicts in force here. `sentinel` is whoever has to be told of an endpoint that nobody listens on.

    `clock` gives monotonic seconds.
    """

    __slots__ = ("_clock", "_places", "_runtime", "_why", "sentinel")

    def __init__(self, clock: Callable[[], float]) -> None:
        self.sentinel: Sentinel | None = None
        self._clock = clock
        self._runtime: Runtime | None = None
        self._places: dict[tuple[str, str], tuple[Upstream, Endpoint]] = {}  # by both names
        self._why: dict[Endpoint, str] = {}

    def follow(self, runtime: Runtime) -> None:
        """From now on these endpoints; to be called in the turn that made the runtime current or moved a name.

        An endpoint that is new and has a check in force is not ready until the check says so: nobody knows yet whether
        it serves. One that serves already goes on, also where the check is new.
        """
        now = self._clock()
        before, self._places = self._places, {}
        known = {endpoint for _, endpoint in before.values()}
        for name, upstream in runtime.upstreams.items():
            upstream.sentinel = self.sentinel
            gated = enforced(runtime.rules.upstreams[name].spec(HealthCheckSpec))
            for endpoint in upstream.endpoints:
                self._places[name, endpoint.name] = upstream, endpoint
                if gated and endpoint not in known:
                    self._why[endpoint] = _NOT_YET
                    upstream.gate(now, endpoint)
        self._runtime = runtime
        still = {endpoint for _, endpoint in self._places.values()}
        self._why = {endpoint: why for endpoint, why in self._why.items() if endpoint in still}

    def apply(self, upstream_name: str, endpoint_name: str, up: bool, why: str) -> None:
        """A verdict, by names; one about an endpoint that the rules no longer name is dropped."""
        found = self.find(upstream_name, endpoint_name)
        if found is None:
            return
        upstream, endpoint = found
        if up:
            self._why.pop(endpoint, None)
            upstream.mark_up(self._clock(), endpoint)
        else:
            self._why[endpoint] = why
            upstream.mark_down(self._clock(), endpoint)

    def probe(self, upstream_name: str, ok: bool) -> None:
        """A check's result, for the upstream's circuit breaker: it counts while that is half open."""
        runtime = self._runtime
        breaker = None if runtime is None else runtime.breakers.get(f"upstream.{upstream_name}")
        if breaker is not None:
            breaker.probe(self._clock(), ok)

    def find(self, upstream_name: str, endpoint_name: str) -> tuple[Upstream, Endpoint] | None:
        """The upstream and the endpoint of these names in the rules in force."""
        return self._places.get((upstream_name, endpoint_name))

    def why(self, endpoint: Endpoint) -> str:
        """Why the endpoint is down, in a few words; empty when it is not, or when nobody said."""
        return self._why.get(endpoint, "") if endpoint.down else ""

    def standing(self) -> list[Verdict]:
        """Every endpoint's verdict, for a process that has only now begun to follow."""
        return [
            (upstream_name, name, not endpoint.down, self.why(endpoint))
            for (upstream_name, name), (_, endpoint) in self._places.items()
        ]
