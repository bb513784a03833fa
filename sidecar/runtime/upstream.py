"""Where an exchange may go: the upstream, a group of endpoints.

Owns the choice of an endpoint, what bars one from being chosen, and that known ones stay over reloads and DNS changes.
`now` is always an argument.

    chosen from: those neither down, nor drained, nor ejected ──none──► those neither down nor drained
                 ──none──► those that nobody has looked at yet, where there is no `hold` ──none──► None

Ejection is a guess and so never bars the last one; a check that failed and an operator's word are none, and do. Where
the rules have `hold`, requests wait out a None.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Literal

from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.contract import Admission
from sidecar.policies.ejection import IN, Ejection
from sidecar.policies.hold import Hold
from sidecar.policies.pool import PoolSpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.selection import SelectionSpec, Strategy
from sidecar.policies.slow_start import FULL, NEWCOMER, STEADY, SlowStartRamp
from sidecar.runtime.endpoint import Endpoint


class Sentinel:
    """Looks after endpoints that could not be connected to, and says when one is back: `Upstream.mark_up`."""

    __slots__ = ()

    def unreachable(self, endpoint: Endpoint) -> None:
        """An attempt got no connection, and the endpoint is down from now on: look often, for requests wait for it.

        Called on the loop's thread, inside somebody's attempt: it notes, and looks later."""


class Succession:
    """What the upstreams of one name share over every reload: which of them is in force.

    An exchange goes on under the rules it began with, and may still be waiting for an endpoint when new rules bring
    one. Not a chain of heirs: a tunnel that is open for weeks would keep every generation since alive."""

    __slots__ = ("latest",)

    def __init__(self, latest: Upstream) -> None:
        self.latest = latest


class Upstream:
    """A named group of equal endpoints.

    Times in seconds; `resolve` is None when names are not resolved again, `proxy_protocol` when no endpoint is told of
    clients. The endpoints are those of the rules until `replace_endpoints` puts addresses in the place of names.
    `ejection` and `slow_start` are None where they are off.
    `admissions` are asked before each attempt; `budgets` pay for its routes' retries, one for each different rule.
    `hold` is asked when `pick` finds nothing; `former` is one of rules before these, which have none, and takes nobody
    any more. Without a `sentinel` nobody would notice that an endpoint is back, and no attempt marks one down.
    """

    __slots__ = (
        "_rng",
        "admissions",
        "balance",
        "budgets",
        "connect_timeout",
        "ejection",
        "endpoints",
        "former",
        "hold",
        "name",
        "observer",
        "pool",
        "proxy_protocol",
        "resolve",
        "sentinel",
        "slow_start",
        "strategy",
        "succession",
    )

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
        self.proxy_protocol: Literal["v1", "v2"] | None = None
        self.ejection: Ejection | None = None
        self.slow_start: SlowStartRamp | None = None
        self.admissions: tuple[Admission, ...] = ()
        self.budgets: tuple[RetryBudget, ...] = ()
        self.hold: Hold | None = None
        self.former: Hold | None = None
        self.sentinel: Sentinel | None = None
        self.succession = Succession(self)
        self._rng = rng

    def pick(self, now: float, key: str | None, avoid: Endpoint | None) -> Endpoint | None:
        """An endpoint for one attempt, or None when there is none; `avoid` is skipped while there is another."""
        endpoints = self.endpoints
        if len(endpoints) == 1:
            only = self._only(endpoints[0])
            return self._elsewhere(now, key, avoid) if only is None else only
        barred = False
        for endpoint in endpoints:
            if not self._takes(now, endpoint):
                barred = True
            if endpoint.ramp_since != STEADY:
                self._warm(now, endpoint)
        if barred or avoid is not None:
            endpoints = self._choices(now, avoid)
            if len(endpoints) == 1:
                return endpoints[0]
        if not endpoints:
            return self._elsewhere(now, key, avoid)
        # A request without the field that the key is made of has none: one key for all would load one endpoint.
        return self.strategy.pick(endpoints, key or None, self._rng)

    def settle(self, now: float, endpoint: Endpoint, outcome: Outcome, started: float) -> None:
        """The outcome of an attempt on the endpoint that began at `started`. May eject the endpoint."""
        ejection = self.ejection
        if ejection is None:
            return
        if endpoint.health.ejected_until != IN:
            self._takes(now, endpoint)  # an ejection that is over ends here, and the slow start begins
        if ejection.settle(now, started, endpoint.health, outcome):
            self._eject(now, endpoint, ejection)

    def available(self, now: float) -> int:
        """How many endpoints `pick` chooses from."""
        return len(self._choices(now, None))

    def recovered(self, now: float, endpoint: Endpoint) -> None:
        """A check found the endpoint well, or an operator says it is: its ejection is over, and it starts slowly.

        Whoever set `down` or `drained` has taken that back; neither may take back the other's."""
        if self.ejection is not None:
            self.ejection.readmit(now, endpoint.health)
        endpoint.newcomer()
        self.endpoints_changed(now)

    def gate(self, now: float, endpoint: Endpoint) -> None:
        """The endpoint is new, and nobody has looked at it yet: until then it takes attempts only where there is no
        other and no hold."""
        self.mark_down(now, endpoint)
        endpoint.unchecked = True

    def mark_down(self, now: float, endpoint: Endpoint) -> None:
        """A check found the endpoint dead: it takes no attempts until `mark_up`. Any number of times."""
        endpoint.unchecked = False
        if not endpoint.down:
            endpoint.down = True
            self.endpoints_changed(now)

    def mark_up(self, now: float, endpoint: Endpoint) -> None:
        """A check found an endpoint well that was down: see `recovered`. Any number of times."""
        endpoint.unchecked = False
        if endpoint.down:
            endpoint.down = False
            endpoint.up_since = now
            self.recovered(now, endpoint)

    def lost(self, now: float, endpoint: Endpoint, started: float) -> bool:
        """An attempt that began at `started` could not be connected. True when the endpoint is looked after, so that to
        go elsewhere, or to wait for it, makes sense."""
        sentinel = self.sentinel
        if sentinel is None:
            return False
        # One marked up since then is known to be back, by a later look than this one.
        if not endpoint.down and endpoint.up_since <= started:
            self.mark_down(now, endpoint)
            latest: Upstream = self.succession.latest
            if endpoint in latest.endpoints:  # else new rules have let go of it, and nobody waits for it
                sentinel.unreachable(endpoint)
        return True

    def endpoints_changed(self, now: float) -> None:
        """Endpoints came, went, or changed what bars them: those that are held go, or are held on. After whatever
        sets `endpoints` or `drained`; any number of times."""
        latest: Upstream = self.succession.latest
        hold = latest.former if latest.hold is None else latest.hold
        if hold is None:
            return
        if latest.available(now):
            hold.release(now)
        else:
            hold.suspend(now)

    def follow(self, before: Upstream, now: float) -> None:
        """Take the place of the upstream of this name under the rules before, with everyone who is held there."""
        self.succession = before.succession
        self.succession.latest = self
        self.sentinel = before.sentinel
        held = before.former if before.hold is None else before.hold
        if held is not None and self.hold is not None:
            self.hold.inherit(held, now)
        else:
            self.former = held
        self.endpoints_changed(now)

    def replace_endpoints(self, endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
        """Take these endpoints from now on; one at a known place stays the known object, with the new weight.

        Returns the objects that are no longer in use here, for the wiring to let go of; once the others have their
        channels, it calls `endpoints_changed`.
        """
        known = {endpoint.name: endpoint for endpoint in self.endpoints}
        # The first addresses of a name were there all along; only those that join them are new.
        resolved = {endpoint.origin for endpoint in self.endpoints if endpoint.origin != endpoint.name}
        fresh: dict[str, Endpoint] = {}
        for endpoint in endpoints:
            old = known.get(endpoint.name)
            if old is not None and old.same_place(endpoint):
                old.weigh(endpoint.weight)
                endpoint = old
            elif endpoint.origin in resolved:
                endpoint.newcomer()
            fresh[endpoint.name] = endpoint
        gone = tuple(old for old in self.endpoints if fresh.get(old.name) is not old)
        self.endpoints = tuple(fresh.values())
        return gone

    def _only(self, endpoint: Endpoint) -> Endpoint | None:
        if endpoint.ramp_since != STEADY:
            # Alone it takes everything at once; whoever joins it later is the new one.
            endpoint.ramp_since = STEADY
            endpoint.share = endpoint.weight * FULL
        if endpoint.down or endpoint.drained:
            return endpoint if self._will_do(endpoint) else None
        return endpoint

    def _will_do(self, endpoint: Endpoint) -> bool:
        """Whether it is worth an attempt where there is nobody else: nobody has looked at it yet, so it may well serve.
        Where requests can be held, they wait for the look instead."""
        holds = self.hold is not None and not self.hold.shadow
        return endpoint.unchecked and not endpoint.drained and not holds

    def _elsewhere(self, now: float, key: str | None, avoid: Endpoint | None) -> Endpoint | None:
        """An endpoint that newer rules brought, for an exchange of these."""
        latest: Upstream = self.succession.latest
        return None if latest is self else latest.pick(now, key, avoid)

    def _takes(self, now: float, endpoint: Endpoint) -> bool:
        if endpoint.down or endpoint.drained:
            return False
        ejection = self.ejection
        if ejection is None or endpoint.health.ejected_until == IN or not ejection.enforced:
            return True
        if not ejection.available(now, endpoint.health):
            return False
        endpoint.newcomer()
        return True

    def _choices(self, now: float, avoid: Endpoint | None) -> tuple[Endpoint, ...]:
        taking: list[Endpoint] = []
        for endpoint in self.endpoints:
            if self._takes(now, endpoint):
                taking.append(endpoint)  # noqa: PERF401 - as a loop it needs no closure where it is compiled
        if not taking:
            # The others have gone or are down since: what was ejected is the best there is.
            taking = [endpoint for endpoint in self.endpoints if not (endpoint.down or endpoint.drained)]
        if not taking:
            for endpoint in self.endpoints:
                if self._will_do(endpoint):
                    taking.append(endpoint)
        if avoid is not None and len(taking) > 1:
            taking = [endpoint for endpoint in taking if endpoint is not avoid]
        return tuple(taking)

    def _warm(self, now: float, endpoint: Endpoint) -> None:
        # Kept on the endpoint and looked for in each pick, because two generations may share it, under other rules.
        ramp = self.slow_start
        if endpoint.ramp_since == NEWCOMER:
            endpoint.ramp_since = now
        if ramp is None or now - endpoint.ramp_since >= ramp.duration:
            endpoint.ramp_since = STEADY
            endpoint.share = endpoint.weight * FULL
        else:
            endpoint.share = ramp.share(endpoint.weight, endpoint.ramp_since, now)

    def _eject(self, now: float, endpoint: Endpoint, ejection: Ejection) -> None:
        out = others = 0
        member = False
        for one in self.endpoints:
            takes = self._takes(now, one)
            if one is endpoint:
                member = True
            elif ejection.is_out(now, one.health):
                out += 1
            elif takes:
                others += 1
        if member:  # else it has left since the attempt began
            ejection.eject(now, endpoint.health, len(self.endpoints), out, others)
