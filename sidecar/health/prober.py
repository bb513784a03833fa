"""Who looks at endpoints: each by its `health_check`, and each that is down without one until somebody listens again.

One for each instance of the proxy, on the loop's thread. What it finds is counted and told here, once per change;
what follows from a verdict is whoever is `told` (by default the Verdicts of this process). An endpoint that is down is
always being looked at: by its own check, or by a vigil that only connects. So nothing that goes down stays down.

A finding belongs to what was asked: one that was under way when the rules changed or the endpoint was lost is dropped.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from sidecar.health.finding import PROTOCOL_ERROR, SUCCESS, TLS_FAILURES, Finding
from sidecar.health.look import look, vigil
from sidecar.health.verdicts import Verdicts, enforced
from sidecar.policies.health_check import HealthCheck
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Sentinel, Upstream
from sidecar.transport.tasks import Tasks
from sidecar.transport.wheel import DeadlineWheel, Timer

Look = Callable[[Endpoint, HealthCheckSpec], Awaitable[Finding]]

_LOST = "cannot be connected to"
# Looks under way at one time. Thousands of endpoints are all asked at the start: all at once, each would take from the
# others the time in which it has to answer, and from requests the loop and the descriptors.
AT_ONCE = 100


class _Watch:
    """One endpoint under one rule. `era` grows whenever what is under way has become meaningless; `shown` is the state
    that was last told of, None before the first; `why` is what the last failure met."""

    __slots__ = ("busy", "endpoint", "era", "followed", "machine", "shown", "timer", "upstream", "vigil", "why")

    def __init__(self, upstream: Upstream, endpoint: Endpoint, machine: HealthCheck, *, vigil: bool) -> None:
        self.upstream = upstream
        self.endpoint = endpoint
        self.machine = machine
        self.vigil = vigil
        self.timer = Timer(lambda: None)
        self.era = 0
        self.busy = False
        self.followed = True
        self.shown = True if machine.up else None
        self.why = ""

    @property
    def shadow(self) -> bool:
        """Whether its verdicts are only told."""
        return self.machine.spec.mode == "shadow"


class Prober(Sentinel):
    """The checks of every endpoint. `told` hears of verdicts (upstream, endpoint, up, why); by default the `verdicts`
    of this process do.

    `reachable` says whether an endpoint can be looked at: a host name that nobody has looked up yet cannot.
    """

    def __init__(
        self,
        wheel: DeadlineWheel,
        rng: random.Random,
        verdicts: Verdicts,
        *,
        reachable: Callable[[Endpoint], bool] = lambda endpoint: True,
        told: Callable[[str, str, bool, str], None] | None = None,
        ask: Look = look,
    ) -> None:
        verdicts.sentinel = self
        self._verdicts = verdicts
        self._wheel = wheel
        self._rng = rng
        self._reachable = reachable
        self._told = told or verdicts.apply
        self._ask = ask
        self._tasks = Tasks(wheel.loop)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._checks: dict[Endpoint, _Watch] = {}
        self._vigils: dict[Endpoint, _Watch] = {}
        self._starting = True
        self._closed = False

    def follow(self, runtime: Runtime) -> None:
        """Look at these endpoints from now on; to be called in the turn that made the runtime current, or that put
        addresses in the place of a name, after each endpoint has its channel."""
        self._verdicts.follow(runtime)
        if self._closed:
            return
        checks, vigils = self._checks, self._vigils
        self._checks, self._vigils = {}, {}
        for name, upstream in runtime.upstreams.items():
            spec = runtime.rules.upstreams[name].spec(HealthCheckSpec)
            for endpoint in upstream.endpoints:
                if not self._reachable(endpoint):
                    continue
                if spec is not None:
                    self._checks[endpoint] = self._check(upstream, endpoint, spec, checks.pop(endpoint, None))
                if endpoint.down and not enforced(spec):
                    self._watch_over(upstream, endpoint, vigils.pop(endpoint, None))
        self._starting = False
        for watch in (*checks.values(), *vigils.values()):
            self._leave(watch)

    def unreachable(self, endpoint: Endpoint) -> None:
        """See Sentinel. One that is known to be down already, or that no rules name any more, changes nothing."""
        check = self._checks.get(endpoint)
        if check is not None and not check.shadow:
            if check.machine.lost():
                self._lost(check)
            return
        found = None if self._closed else self._verdicts.find(endpoint.upstream_name, endpoint.name)
        if found is not None and found[1] is endpoint and endpoint not in self._vigils:
            self._lost(self._watch_over(found[0], endpoint, None))

    def lost(self, upstream_name: str, endpoint_name: str) -> None:
        """`unreachable`, by names: what another process met."""
        found = self._verdicts.find(upstream_name, endpoint_name)
        if found is not None:
            self.unreachable(found[1])

    async def close(self) -> None:
        """Look no more, whoever asks for it; returns when nothing is under way."""
        self._closed = True
        for watch in (*self._checks.values(), *self._vigils.values()):
            self._leave(watch)
        self._checks.clear()
        self._vigils.clear()
        await self._tasks.close()

    def _check(self, upstream: Upstream, endpoint: Endpoint, spec: HealthCheckSpec, known: _Watch | None) -> _Watch:
        if known is not None and known.machine.spec.mode != spec.mode:
            self._leave(known)  # what counted for nothing must not take anybody out, and the other way round
            known = None
        if known is not None:
            known.upstream = upstream
            if known.machine.spec != spec:
                known.machine.adopt(spec)
                known.era += 1
                self._arm(known, self._wheel.now() + known.machine.first_delay(self._rng))
            return known
        up = spec.mode == "shadow" or not endpoint.down
        watch = _Watch(upstream, endpoint, HealthCheck(spec, up=up), vigil=False)
        # Jitter would only make those wait who have nobody else to go to.
        awaited = self._starting or _is_alone(watch)
        self._begin(watch, 0.0 if awaited else watch.machine.first_delay(self._rng))
        return watch

    def _watch_over(self, upstream: Upstream, endpoint: Endpoint, known: _Watch | None) -> _Watch:
        if known is None:
            known = _Watch(upstream, endpoint, HealthCheck(vigil(upstream.connect_timeout), up=False), vigil=True)
            known.shown = False
            self._begin(known, known.machine.delay(self._rng))
        known.upstream = upstream
        known.machine.adopt(vigil(upstream.connect_timeout))
        self._vigils[endpoint] = known
        return known

    def _begin(self, watch: _Watch, delay: float) -> None:
        watch.timer.callback = lambda: self._due(watch)
        self._arm(watch, self._wheel.now() + delay)

    def _arm(self, watch: _Watch, instant: float) -> None:
        if not watch.busy:  # else its end does
            self._wheel.set(watch.timer, instant)

    def _leave(self, watch: _Watch) -> None:
        watch.followed = False
        self._wheel.drop(watch.timer)

    def _due(self, watch: _Watch) -> None:
        watch.busy = True
        self._tasks.start(self._look(watch), f"health check of {watch.endpoint.name}")

    async def _look(self, watch: _Watch) -> None:
        async with self._places:
            era, began = watch.era, self._wheel.now()
            finding = await self._finding(watch) if watch.followed else None
        watch.busy = False
        try:
            if finding is not None and watch.followed and watch.era == era:
                self._judge(watch, finding)
        finally:  # a bug in whoever is told must not be the end of looking
            if watch.followed:
                self._arm(watch, began + watch.machine.delay(self._rng))

    async def _finding(self, watch: _Watch) -> Finding:
        try:
            return await self._ask(watch.endpoint, watch.machine.spec)
        except Exception as error:  # noqa: BLE001 - a look that fails in its own way must not be the last
            return Finding(PROTOCOL_ERROR, str(error) or type(error).__name__)

    def _judge(self, watch: _Watch, finding: Finding) -> None:
        endpoint, machine = watch.endpoint, watch.machine
        watch.upstream.observer.checked(endpoint.name, finding.result)
        if watch.vigil and finding.result in TLS_FAILURES:
            # For requests to be told: they would otherwise wait for what no waiting mends.
            finding = Finding(SUCCESS, f"accepts connections: {finding.why}")
        if not finding.is_ours:
            _ = machine.succeeded() if finding.ok else machine.failed()
        news = machine.up != watch.shown
        # While it is down, what it is down of may become something else: looked up by people, but no event.
        other = not machine.up and not finding.ok and finding.why != watch.why
        if not finding.ok:
            watch.why = finding.why
        why = finding.why if machine.up else watch.why
        if news:
            watch.shown = machine.up
            watch.upstream.observer.health_changed(endpoint.name, machine.up, why, watch.shadow)
        if watch.shadow:
            return
        if watch.vigil:
            if machine.up:
                del self._vigils[endpoint]
                self._leave(watch)
        elif finding.ok or (_is_alone(watch) and not finding.is_ours):
            # One that is ill among others that are well says nothing against calling the upstream.
            self._verdicts.probe(endpoint.upstream_name, finding.ok)
        if news or other:
            self._told(endpoint.upstream_name, endpoint.name, machine.up, why)

    def _lost(self, watch: _Watch) -> None:
        watch.era += 1
        watch.shown = False
        watch.why = _LOST
        endpoint = watch.endpoint
        watch.upstream.observer.health_changed(endpoint.name, False, _LOST, False)
        self._told(endpoint.upstream_name, endpoint.name, False, _LOST)
        self._arm(watch, self._wheel.now() + watch.machine.delay(self._rng))


def _is_alone(watch: _Watch) -> bool:
    """Whether no other endpoint of the upstream is up."""
    return all(one.down for one in watch.upstream.endpoints if one is not watch.endpoint)
