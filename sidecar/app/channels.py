"""How each endpoint is reached: a pool for each, and host names looked up again and again.

Owns the pools by their endpoint's name, from the first generation that names one until none does and its attempts are
over. Knows no rules file; a runtime comes in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from sidecar.app.settings import pool_settings
from sidecar.model.address import Address, ip_literal
from sidecar.model.connections import Connections
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Endpoint, Upstream
from sidecar.transport.dialling import connector_to
from sidecar.transport.pool import EndpointPool
from sidecar.transport.resolver import Resolver
from sidecar.transport.tasks import Tasks
from sidecar.transport.wheel import DeadlineWheel

_LOG = logging.getLogger("sidecar.upstreams")


# `resolve: 0` asks for one look-up; the next one is past every process's life.
_ONCE = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True)
class Ground:
    """What every pool stands on."""

    wheel: DeadlineWheel
    connections: Connections
    tasks: Tasks


class Channels:
    """The pools of the process."""

    __slots__ = ("_ground", "_resolvers", "pools")

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._resolvers: list[Resolver] = []
        self.pools: dict[str, EndpointPool] = {}

    def attach(self, runtime: Runtime) -> None:
        """Give every endpoint of this generation its pool: the one it has, under the rules of today, or a new one."""
        for upstream in runtime.upstreams.values():
            for endpoint in upstream.endpoints:
                self._attach(upstream, endpoint)
            self._watch(upstream)

    def let_go(self, endpoints: Iterable[Endpoint]) -> None:
        """Close the pools of endpoints that no rules name any more; attempts under way end in their own time."""
        for endpoint in endpoints:
            pool = self.pools.pop(endpoint.name, None)
            if pool is not None:
                pool.close()

    def is_available(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint takes attempts: not while it is a name that nothing is known of."""
        return endpoint.channel is not None and (endpoint.origin != endpoint.name or not _is_looked_up(endpoint))

    def close(self) -> None:
        """Close every connection to every endpoint."""
        for resolver in self._resolvers:
            resolver.stop()
        self._resolvers.clear()
        for pool in self.pools.values():
            pool.abort()
        self.pools.clear()

    def _watch(self, upstream: Upstream) -> None:
        """Look up the upstream's names, and put the addresses in their place whenever they change."""
        written = upstream.endpoints
        found: dict[str, tuple[Address, ...]] = {}

        def changed(name: str, addresses: tuple[Address, ...]) -> None:
            found[name] = addresses
            self._replace(upstream, written, found)

        for endpoint in written:
            if _is_looked_up(endpoint):
                resolver = Resolver(
                    endpoint.address,
                    upstream.resolve or _ONCE,
                    partial(changed, endpoint.name),
                    self._ground.wheel.loop,
                    self._ground.tasks,
                )
                self._resolvers.append(resolver)
                resolver.start()

    def _replace(
        self, upstream: Upstream, written: Iterable[Endpoint], found: Mapping[str, tuple[Address, ...]]
    ) -> None:
        endpoints: list[Endpoint] = []
        for endpoint in written:
            addresses = found.get(endpoint.name)
            endpoints.extend([endpoint] if addresses is None else map(endpoint.resolved, addresses))
        gone = upstream.replace_endpoints(endpoints)
        for endpoint in upstream.endpoints:
            self._attach(upstream, endpoint)
        # An address may be reached by a name now and have been written as an address before: its pool stays.
        names = {endpoint.name for endpoint in upstream.endpoints}
        self.let_go(endpoint for endpoint in gone if endpoint.name not in names)
        where = ", ".join(str(one.address) for one in upstream.endpoints) or "no address"
        _LOG.info("upstream %s is at %s", upstream.name, where)

    def _attach(self, upstream: Upstream, endpoint: Endpoint) -> None:
        settings = pool_settings(upstream.pool)
        pool = self.pools.get(endpoint.name)
        if pool is not None:
            pool.configure(settings, upstream.connect_timeout)
        else:
            ground = self._ground
            pool = self.pools[endpoint.name] = EndpointPool(
                endpoint.address,
                settings,
                upstream.connect_timeout,
                connector_to(ground.wheel.loop, endpoint.address),
                ground.wheel,
                upstream.observer,
                ground.connections,
                ground.tasks,
            )
        endpoint.channel = pool


def _is_looked_up(endpoint: Endpoint) -> bool:
    """Whether the endpoint's host is a name to look up.

    Not `localhost` (RFC 6761 section 6.3): it is always there, and connecting tries ::1 and 127.0.0.1 in turn, where
    two endpoints would send half of the attempts to the one that nobody listens on.
    """
    host = endpoint.address.host
    local = host == "localhost" or host.endswith(".localhost")
    return not endpoint.address.is_unix and not local and ip_literal(host) is None
