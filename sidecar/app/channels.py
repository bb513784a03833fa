"""How each endpoint is reached: a pool for each, and host names looked up again and again.

Owns the pools by their endpoint's name, from the first generation that names one until none does and its attempts are
over; and the look-ups of each upstream, over every reload that leaves the name in. Knows no rules file; a runtime
comes in.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from sidecar.app.settings import pool_settings
from sidecar.app.upstream_credentials import SecuredUpstream
from sidecar.model.address import RAW, Address, ip_literal
from sidecar.model.connections import Connections
from sidecar.rules.schema import UpstreamRule
from sidecar.rules.upstream_tls import SECURE
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Upstream
from sidecar.transport.announcing import AnnouncingPool
from sidecar.transport.dialling import ClientTls, connector_to
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


class _Watch:
    """The look-ups of one upstream: what its rules name, and what of that is known."""

    __slots__ = ("found", "interval", "resolvers", "upstream", "written")

    def __init__(self, upstream: Upstream) -> None:
        self.upstream = upstream
        self.interval: float | None = None
        self.written: tuple[Endpoint, ...] = ()
        self.resolvers: dict[str, Resolver] = {}
        self.found: dict[str, tuple[Address, ...]] = {}


class Channels:
    """The pools of the process. `moved` is called after the endpoints of an upstream have become others."""

    __slots__ = ("_ground", "_moved", "_secured", "_terms", "_watches", "pools")

    def __init__(self, ground: Ground, moved: Callable[[], None] | None = None) -> None:
        self._ground = ground
        self._moved = moved
        self._watches: dict[str, _Watch] = {}
        self._secured: Mapping[str, SecuredUpstream] = {}
        self._terms: dict[str, ClientTls | None] = {}  # what each pool's connections are made with
        self.pools: dict[str, EndpointPool] = {}

    def attach(self, runtime: Runtime, secured: Mapping[str, SecuredUpstream] = MappingProxyType({})) -> None:
        """Give every endpoint of this generation its pool: the one it has, under the rules of today, or a new one.

        `secured` is what each upstream whose endpoints speak TLS does so with."""
        self._secured = secured
        for name in self._watches.keys() - runtime.upstreams.keys():
            for resolver in self._watches.pop(name).resolvers.values():
                resolver.stop()
        for name, upstream in runtime.upstreams.items():
            for endpoint in upstream.endpoints:
                self._attach(upstream, endpoint)
            self._watch(upstream, runtime.rules.upstreams[name])

    def let_go(self, endpoints: Iterable[Endpoint], runtime: Runtime) -> None:
        """Close the pools of endpoints that no rules name any more; attempts under way end in their own time."""
        # An address may be reached by a name now and have been written as an address before: its pool stays.
        names = {endpoint.name for endpoint in runtime.endpoints()}
        self._close(endpoint for endpoint in endpoints if endpoint.name not in names)

    def is_available(self, endpoint: Endpoint) -> bool:
        """Whether the endpoint takes attempts: not while it is a name that nothing is known of."""
        return endpoint.channel is not None and (endpoint.origin != endpoint.name or not _is_looked_up(endpoint))

    def close(self) -> None:
        """Close every connection to every endpoint."""
        for watch in self._watches.values():
            for resolver in watch.resolvers.values():
                resolver.stop()
        self._watches.clear()
        for pool in self.pools.values():
            pool.abort()
        self.pools.clear()
        self._terms.clear()

    def _close(self, endpoints: Iterable[Endpoint]) -> None:
        for endpoint in endpoints:
            pool = self.pools.pop(endpoint.name, None)
            self._terms.pop(endpoint.name, None)
            if pool is not None:
                pool.close()

    def _watch(self, upstream: Upstream, rule: UpstreamRule) -> None:
        """Look up the upstream's names, and put the addresses in their place whenever they change."""
        watch = self._watches.get(upstream.name)
        if watch is None:
            watch = self._watches[upstream.name] = _Watch(upstream)
        watch.upstream = upstream
        # As written, and not as they stand in the upstream: there, addresses may have taken their place.
        watch.written = tuple(
            [Endpoint(rule.name, one.url.address, one.weight, one.url.scheme) for one in rule.endpoints]
        )
        wanted = {endpoint.name: endpoint for endpoint in watch.written if _is_looked_up(endpoint)}
        for name in list(watch.resolvers):
            if name not in wanted or watch.interval != upstream.resolve:
                watch.resolvers.pop(name).stop()
        watch.interval = upstream.resolve
        watch.found = {name: addresses for name, addresses in watch.found.items() if name in wanted}
        for name, endpoint in wanted.items():
            if name not in watch.resolvers:
                resolver = watch.resolvers[name] = Resolver(
                    endpoint.address,
                    upstream.resolve or _ONCE,
                    partial(self._changed, watch, name),
                    self._ground.wheel.loop,
                    self._ground.tasks,
                )
                resolver.start()

        if any(endpoint.name in watch.found for endpoint in upstream.endpoints):
            self._put_in_place(watch)  # a name that led nowhere leaves no endpoint that a new generation could keep

    def _changed(self, watch: _Watch, name: str, addresses: tuple[Address, ...]) -> None:
        watch.found[name] = addresses
        self._put_in_place(watch)
        where = ", ".join(str(one.address) for one in watch.upstream.endpoints) or "no address"
        _LOG.info("upstream %s is at %s", watch.upstream.name, where)
        if self._moved is not None:
            self._moved()

    def _put_in_place(self, watch: _Watch) -> None:
        upstream = watch.upstream
        known = {endpoint.name: endpoint for endpoint in upstream.endpoints}
        endpoints: list[Endpoint] = []
        for written in watch.written:
            found = watch.found.get(written.name)
            if found is None:
                endpoints.append(known.get(written.name, written))
            else:
                endpoints.extend(map(written.resolved, found))
        gone = upstream.replace_endpoints(endpoints)
        names = set()
        for endpoint in upstream.endpoints:
            self._attach(upstream, endpoint)
            names.add(endpoint.name)
        self._close(endpoint for endpoint in gone if endpoint.name not in names)
        upstream.endpoints_changed(self._ground.wheel.now())

    def _attach(self, upstream: Upstream, endpoint: Endpoint) -> None:
        settings = pool_settings(upstream.pool)
        terms = self._terms_of(endpoint)
        ground = self._ground
        raw = endpoint.scheme in RAW
        version = upstream.proxy_protocol
        pool = self.pools.get(endpoint.name)
        if pool is not None and (pool.raw != raw or pool.version != version):
            pool.close()  # what it leads to is another thing now, at the same address
            pool = None
        if pool is not None:
            pool.configure(settings, upstream.connect_timeout)
            if terms != self._terms[endpoint.name]:
                pool.reconnect(connector_to(ground.wheel.loop, endpoint.address, terms))
        else:
            kind = EndpointPool if version is None else partial(AnnouncingPool, version=version)
            pool = self.pools[endpoint.name] = kind(
                endpoint.address,
                settings,
                upstream.connect_timeout,
                connector_to(ground.wheel.loop, endpoint.address, terms),
                ground.wheel,
                upstream.observer,
                ground.connections,
                ground.tasks,
                raw=raw,
            )
        self._terms[endpoint.name] = terms
        endpoint.channel = pool

    def _terms_of(self, endpoint: Endpoint) -> ClientTls | None:
        if endpoint.scheme not in SECURE:
            return None
        secured = self._secured[endpoint.upstream_name]  # a missing one must not become plaintext
        return ClientTls(
            secured.credentials.context, secured.server_name or endpoint.host.removesuffix("."), self._ground.wheel
        )


def _is_looked_up(endpoint: Endpoint) -> bool:
    """Whether the endpoint's host is a name to look up.

    Not `localhost` (RFC 6761 section 6.3): it is always there, and connecting tries ::1 and 127.0.0.1 in turn, where
    two endpoints would send half of the attempts to the one that nobody listens on.
    """
    host = endpoint.address.host
    local = host == "localhost" or host.endswith(".localhost")
    return not endpoint.address.is_unix and not local and ip_literal(host) is None
