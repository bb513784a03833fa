"""What all accepted connections of one listener share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.model.connections import Connections
from sidecar.transport.arrival import Announced, PreambleTerms
from sidecar.transport.registry import Registry
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor
from sidecar.transport.tls_terms import TlsTerms
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin


class Service:
    """Made once for each listener. `settings` may be replaced: connections accepted from then on keep to the new ones.

    `name` is the listener's. `origin_factory` says where an accepted transport comes from, given what a PROXY header
    has announced; `registry` holds the open connections, `connections` counts them. `raw`: bytes are relayed as they
    are, without HTTP. `proxy_protocol` is not None where each connection begins with a PROXY header, and `tls` where it
    speaks TLS.
    """

    # fmt: off
    __slots__ = (
        "acceptor", "connections", "name", "origin_factory", "proxy_protocol", "raw", "registry", "settings", "tls",
        "wheel",
    )
    # fmt: on

    def __init__(
        self,
        settings: DownstreamSettings,
        acceptor: Acceptor,
        origin_factory: Callable[[asyncio.Transport, Announced | None], Origin],
        wheel: DeadlineWheel,
        connections: Connections,
        registry: Registry,
        name: str = "",
    ) -> None:
        self.name = name
        self.settings = settings
        self.acceptor = acceptor
        self.origin_factory = origin_factory
        self.wheel = wheel
        self.connections = connections
        self.registry = registry
        self.raw = False
        self.proxy_protocol: PreambleTerms | None = None
        self.tls: TlsTerms | None = None
