"""The object graph of a running proxy, built by hand, once. The only place that knows every part.

`start` binds everything before anything is served, so that a failure leaves nothing behind; `adopt` puts other rules in
force while it serves; `close` takes it down in the reverse order, the admin address last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Self

from sidecar.app.access import access_log, access_settings
from sidecar.app.aside import aside
from sidecar.app.breaker_books import BreakerBooks
from sidecar.app.channels import Channels, Ground
from sidecar.app.descriptors import Descriptors
from sidecar.app.doors import Door, Doors, Inlets
from sidecar.app.drain import Drain
from sidecar.app.footprint import Footprint
from sidecar.app.front import Front
from sidecar.app.inspection import Inspection
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.listener_credentials import SecuredListener, secured_listeners
from sidecar.app.oversight import Oversight
from sidecar.app.pressure import Pressure
from sidecar.app.settings import trusted_networks
from sidecar.app.tracing import Tracing
from sidecar.app.upstream_credentials import SecuredUpstream, secured_upstreams, tls_of
from sidecar.health.checks import Checks, Crier
from sidecar.model.address import Address
from sidecar.policies.sharing import Memory
from sidecar.proxy.dispatch import Dispatcher
from sidecar.proxy.environment import Environment
from sidecar.proxy.head_edits import attach_edits
from sidecar.proxy.own_answer import attach_answers
from sidecar.rules.load import Loaded
from sidecar.rules.schema import RuleSet
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current, Runtime
from sidecar.telemetry.loop_lag import LoopLag
from sidecar.telemetry.stats import Stats
from sidecar.transport.inlets import Inlets as OwnInlets
from sidecar.transport.tasks import Tasks
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.trace_context import IdSource

if TYPE_CHECKING:
    from sidecar.app.admin_door import AdminDoor
    from sidecar.telemetry.span_export import SpanExport

# A cut connection's transport tells its end in the next turn of the loop; nothing is waited for beyond that.
_GONE_WITHIN = 1.0


class Proxy:
    """One proxy in this process, on the running loop.

    `write` takes an access log line and says whether it is written. `file` is where the rules came from. `rng` decides
    where a choice is random; seeded, it decides the same each time. `inlets` are where it listens, sockets of its own
    by default; `admin_inlets` the same for its admin address. As one worker of several it has no admin address;
    `memory` is then what all of them share, and `crier` tells their findings of endpoints around; nor has one whose
    `admin` is off. `clock` gives monotonic seconds, `stats` count. `breaker_books` is where a program that runs a proxy
    listens to its circuit breakers.
    """

    def __init__(
        self,
        loaded: Loaded,
        write: Callable[[bytes], bool],
        *,
        file: str | None = None,
        rng: random.Random | None = None,
        inlets: Inlets | None = None,
        admin_inlets: Inlets | None = None,
        memory: Memory | None = None,
        crier: Crier | None = None,
        clock: Callable[[], float] = time.monotonic,
        stats: Stats | None = None,
        admin: bool = True,
    ) -> None:
        rules = loaded.rules
        loop = asyncio.get_running_loop()
        self.log = logging.getLogger("sidecar")
        self.loaded = loaded
        self.stats = stats or Stats()
        self.breaker_books = BreakerBooks(self.stats, self.log)
        self.lifecycle = Lifecycle()
        self.tasks = Tasks(loop)
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, hides nothing
        self.access_log = access_log(rules.log, write, self.stats, self.tasks, self._rng)
        self._memory = memory
        self._wheel = DeadlineWheel(loop, clock)
        self._lag = LoopLag(loop, self.stats)
        self.environment = Environment(
            self._wheel, IdSource(os.urandom), self.access_log, trusted_networks(rules.listeners)
        )
        self.current = Current(self._prepared(loaded, None))
        self.environment.stores = self.current.runtime.stores()
        self.tracing = Tracing(self.stats, self.tasks)
        self._secured: Mapping[str, SecuredUpstream] = {}
        self.channels = Channels(Ground(self._wheel, self.stats.upstream_connections, self.tasks), self._follow_health)
        self.checks = Checks(self._wheel, self._rng, self.channels.is_available, crier)
        self.dispatcher = Dispatcher(self.current, self.environment, self.stats.unrouted)
        self._inlets: Inlets = inlets or OwnInlets()
        self.front = Front(self.environment, self.stats, self._inlets.close)
        self.doors = Doors(self.front, self._inlets, self.dispatcher, self._wheel, self.stats)
        self.drain = Drain(self.lifecycle, self.front, announce=rules.drain.announce, deadline=rules.drain.deadline)
        self.pressure = self._pressure(rules, loop)
        self.oversight = Oversight(
            loaded,
            file,
            current=self.current,
            stats=self.stats,
            lifecycle=self.lifecycle,
            drain=self.drain,
            doors=self.doors,
            channels=self.channels,
            verdicts=self.checks.verdicts,
            pressure=self.pressure,
            inspection=Inspection(self._lag.told, self._wheel.timers),
            clock=clock,
        )
        self.admin = self._admin_door(admin_inlets or OwnInlets()) if admin and memory is None else None

    @property
    def addresses(self) -> list[Address]:
        """Where it listens, with the ports that the kernel chose."""
        return self.doors.addresses or [rule.address for rule in self.loaded.rules.listeners]

    @property
    def admin_address(self) -> Address:
        """Where its admin is."""
        return self.loaded.rules.admin.address if self.admin is None else self.admin.address

    async def start(self) -> None:
        """Bind every address, then serve.

        :raises BindError: one of them cannot be had; nothing has been served, and `close` lets go of the others.
        """
        rules = self.loaded.rules
        self._follow_tracing(rules, await self.tracing.fitting(rules.tracing))
        self._secured = await self._secured_upstreams(self.loaded)
        admin_sockets = () if self.admin is None else self.admin.fitting(rules.admin)
        try:
            listeners = self._secured_listeners(self.loaded)
            doors = self.doors.fitting(rules.listeners, listeners)
        except OSError:
            self._discard_admin(admin_sockets)
            raise
        self.channels.attach(self.current.runtime, self._secured)
        self._follow_health()
        self._lag.start()
        self.stats.config_generation = self.current.runtime.number  # later ones are told by whoever reloads
        self.stats.config_hash = self.current.runtime.digest
        self.stats.config_reloaded_at = time.time()
        if self.admin is not None:
            await self.admin.open(admin_sockets)
        if self.lifecycle.phase is Phase.STARTING:  # else a signal was faster
            await self.doors.open(doors)
            self.doors.replace(doors, rules.listeners, listeners)
            self.pressure.start()
            self.lifecycle.advance(Phase.SERVING)
        else:
            self.doors.discard(doors)

    async def adopt(self, loaded: Loaded) -> None:
        """Put other rules in force. What they share with those of before lives on; requests under way end as they
        began.

        :raises OSError: an address cannot be had, or it is leaving; nothing has changed.
        """
        await self.lifecycle.reached(Phase.SERVING)  # its own rules first: the admin and signals are there before
        rules = loaded.rules
        self.lifecycle.demand_staying()
        export = await self.tracing.fitting(rules.tracing)
        secured = await self._secured_upstreams(loaded)
        admin_sockets = () if self.admin is None else self.admin.fitting(rules.admin)
        try:
            listeners = self._secured_listeners(loaded)
            doors = self.doors.fitting(rules.listeners, listeners)
        except OSError:
            self._discard_admin(admin_sockets)
            raise
        fresh = self.doors.fresh(doors)
        try:
            self.lifecycle.demand_staying()
            # From here to the swap without a pause: what is prepared must not be overtaken by a name's new addresses.
            runtime = self._prepared(loaded, self.current.runtime)
        except BaseException:
            self.doors.discard(doors)
            self._discard_admin(admin_sockets)
            raise
        self._secured = secured
        self._swap(loaded, runtime, doors, listeners)
        for door in fresh:  # not before: whoever comes in is to find these rules
            door.listener.begin()
        self._follow_tracing(rules, export)
        if self.admin is not None:
            try:
                await self.admin.follow(rules.admin, admin_sockets)
            except OSError:  # bound it is; the rules are in force, whatever becomes of looking at them
                self.log.exception("the admin address cannot be served at %s", rules.admin.address)

    def _swap(
        self, loaded: Loaded, runtime: Runtime, doors: Sequence[Door], secured: Mapping[str, SecuredListener]
    ) -> None:
        rules = loaded.rules
        gone = self.current.swap(runtime, self._wheel.now())
        self.loaded = loaded
        self.environment.stores = runtime.stores()
        self.environment.trusted = trusted_networks(rules.listeners)
        self.channels.attach(runtime, self._secured)
        self.channels.let_go(gone, runtime)
        self._follow_health()
        self.doors.replace(doors, rules.listeners, secured)
        listeners = [rule.name for rule in rules.listeners]
        self.stats.keep_only([route.name for route in runtime.routes], runtime.upstreams, runtime.breakers, listeners)
        self.breaker_books.keep_only(runtime.breakers)
        self.access_log.follow(access_settings(rules.log))
        self.pressure.follow(rules)
        self.drain.announce = rules.drain.announce
        self.drain.deadline = rules.drain.deadline
        self.oversight.follow(loaded)

    async def close(self) -> None:
        """Take everything down at once, the admin address last; a drain comes before this where one is wanted."""
        self.lifecycle.advance(Phase.CLOSING)
        self.front.stop_accepting()
        self.front.cut()
        await self.front.gone(_GONE_WITHIN)
        self._inlets.close()
        await self.checks.close()
        self.channels.close()
        await self.tracing.close()  # its last exchanges have just been cut
        self._lag.stop()
        self.pressure.stop()
        if self.admin is not None:
            await self.admin.close()
        await self.tasks.close()
        self.access_log.flush()  # the task that paces its lines is among them
        self._wheel.close()
        self.lifecycle.advance(Phase.STOPPED)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def _secured_listeners(self, loaded: Loaded) -> Mapping[str, SecuredListener]:
        return secured_listeners(loaded, self.doors.secured, self.stats.listener)

    def _prepared(self, loaded: Loaded, previous: Runtime | None) -> Runtime:
        runtime = prepare(loaded.rules, loaded.digest, previous, self.breaker_books, self._rng, self._memory)
        attach_edits(runtime)
        attach_answers(runtime)
        return runtime

    def _follow_tracing(self, rules: RuleSet, export: SpanExport | None) -> None:
        self.tracing.replace(rules.tracing, export)
        self.environment.follow_tracing(rules.tracing, self.tracing.tracer)

    def _pressure(self, rules: RuleSet, loop: asyncio.AbstractEventLoop) -> Pressure:
        def most_upstream() -> int:
            upstreams = self.current.runtime.upstreams.values()
            return sum(len(one.endpoints) * one.pool.max_connections for one in upstreams)

        descriptors = Descriptors(self.front.listeners, self.stats, self._crowd, loop, most_upstream=most_upstream)
        return Pressure(loop, descriptors, Footprint(rules.overload, self.environment, self.stats))

    def _admin_door(self, inlets: Inlets) -> AdminDoor:
        # Not before: a worker that is started again is back sooner without the admin's HTTP server.
        from sidecar.app.admin_door import AdminDoor

        return AdminDoor(self.oversight, self.loaded.rules.admin, inlets, self.tasks)

    async def _secured_upstreams(self, loaded: Loaded) -> Mapping[str, SecuredUpstream]:
        """What endpoints are spoken TLS with. Aside: the system's authorities take a while to read."""
        if not any(map(tls_of, loaded.rules.upstreams.values())):
            return {}
        return await aside(partial(secured_upstreams, loaded, self._secured))

    def _follow_health(self) -> None:
        self.checks.follow(self.current.runtime)

    def _crowd(self, crowded: bool) -> None:
        if self.lifecycle.phase <= Phase.SERVING:  # one that leaves closes its connections whatever comes free
            self.environment.draining = crowded

    def _discard_admin(self, sockets: Sequence[socket.socket]) -> None:
        if self.admin is not None:
            self.admin.discard(sockets)
