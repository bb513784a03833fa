"""The object graph of a running proxy, built by hand, once. The only place that knows every part.

`start` binds everything before anything is served, so that a failure leaves nothing behind; `close` takes it down in
the reverse order, the admin address last.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Self

from sidecar.admin.server import AdminServer
from sidecar.app.breaker_books import BreakerBooks
from sidecar.app.channels import Channels, Ground
from sidecar.app.drain import Drain
from sidecar.app.front import Front
from sidecar.app.lifecycle import Lifecycle, Phase
from sidecar.app.oversight import Oversight
from sidecar.app.settings import downstream_settings, origin_factory, trusted_networks
from sidecar.model.address import Address
from sidecar.proxy.dispatch import Dispatcher
from sidecar.proxy.environment import Environment
from sidecar.proxy.head_edits import attach_edits
from sidecar.rules.load import Loaded
from sidecar.rules.schema import ListenerRule
from sidecar.runtime.build import prepare
from sidecar.runtime.generation import Current
from sidecar.telemetry.log import AccessLog
from sidecar.telemetry.loop_lag import LoopLag
from sidecar.telemetry.stats import Stats
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.listener import Listener
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.sockets import bind
from sidecar.transport.tasks import Tasks
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.forwarding import IdSource

# A cut connection's transport tells its end in the next turn of the loop; nothing is waited for beyond that.
_GONE_WITHIN = 1.0


class Proxy:
    """One proxy in this process, on the running loop.

    `write` takes an access log line and says whether it is written. `file` is where the rules came from. `rng` decides
    where a choice is random; seeded, it decides the same each time. `breaker_books` is where a program that runs a
    proxy listens to its circuit breakers.
    """

    def __init__(
        self,
        loaded: Loaded,
        write: Callable[[bytes], bool],
        *,
        file: str | None = None,
        rng: random.Random | None = None,
    ) -> None:
        rules = loaded.rules
        loop = asyncio.get_running_loop()
        self.log = logging.getLogger("sidecar")
        self.loaded = loaded
        self.stats = Stats()
        self.breaker_books = BreakerBooks(self.stats, self.log)
        self.lifecycle = Lifecycle()
        self.access_log = AccessLog("errors" if rules.log.access == "sampled" else rules.log.access, self.stats, write)
        self._tasks = Tasks(loop)
        self._wheel = DeadlineWheel(loop, time.monotonic)
        self._lag = LoopLag(loop, self.stats)
        self.environment = Environment(
            self._wheel, IdSource(os.urandom), self.access_log, trusted_networks(rules.listeners)
        )
        dice = rng or random.Random()  # noqa: S311 - spreads load, hides nothing
        runtime = prepare(rules, loaded.digest, None, self.breaker_books, dice)
        attach_edits(runtime)
        self.current = Current(runtime)
        self.environment.stores = runtime.stores()
        self.channels = Channels(Ground(self._wheel, self.stats.upstream_connections, self._tasks))
        self.dispatcher = Dispatcher(self.current, self.environment, self.stats.unrouted)
        self.front = Front(self.environment, self.stats)
        self.drain = Drain(self.lifecycle, self.front, announce=rules.drain.announce, deadline=rules.drain.deadline)
        self.addresses = [rule.address for rule in rules.listeners]
        self.oversight = Oversight(
            loaded,
            file,
            self.addresses,
            current=self.current,
            stats=self.stats,
            lifecycle=self.lifecycle,
            drain=self.drain,
            front=self.front,
            channels=self.channels,
        )
        self._admin = AdminServer(self.oversight, loopback=rules.admin.address.is_loopback, token=rules.admin.token)
        self.admin_address = rules.admin.address

    async def start(self) -> None:
        """Bind every address, then serve.

        :raises BindError: one of them cannot be had; nothing has been served, and `close` lets go of the others.
        """
        rules = self.loaded.rules
        admin_sockets = bind(rules.admin.address)
        try:
            for place, rule in enumerate(rules.listeners):
                self.front.listeners.append(self._listener(place, rule))
        except OSError:
            for one in admin_sockets:
                one.close()
            raise
        self.admin_address = _with_port(rules.admin.address, admin_sockets)
        self.channels.attach(self.current.runtime)
        self._lag.start()
        self.stats.config_generation = self.current.runtime.number
        self.stats.config_hash = self.loaded.digest
        self.stats.config_reloaded_at = time.time()
        await self._admin.start(admin_sockets)
        if self.lifecycle.phase is Phase.STARTING:  # else a signal was faster
            for listener in self.front.listeners:
                await listener.start()
            self.lifecycle.advance(Phase.SERVING)

    async def close(self) -> None:
        """Take everything down at once, the admin address last; a drain comes before this where one is wanted."""
        self.lifecycle.advance(Phase.CLOSING)
        self.front.stop_accepting()
        self.front.cut()
        await self.front.gone(_GONE_WITHIN)
        self.channels.close()
        await self._tasks.close()
        self._wheel.close()
        self._lag.stop()
        self.access_log.flush()
        await self._admin.close()
        self.lifecycle.advance(Phase.STOPPED)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    def _listener(self, place: int, rule: ListenerRule) -> Listener:
        sockets = bind(rule.address)
        self.addresses[place] = _with_port(rule.address, sockets)
        registry = Registry()
        service = Service(
            downstream_settings(rule),
            self.dispatcher,
            origin_factory(rule, self.addresses[place].port),
            self._wheel,
            self.stats.downstream_connections,
            registry,
        )
        accept = partial(DownstreamConnection, service)
        return Listener(rule.name, sockets, accept, registry, self._wheel.loop, rule.max_connections)


def _with_port(address: Address, sockets: list[socket.socket]) -> Address:
    """The address with the port that the kernel chose, where it was asked to."""
    if address.is_unix or address.port:
        return address
    return Address(address.host, sockets[0].getsockname()[1])
