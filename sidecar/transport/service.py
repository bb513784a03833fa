"""What all accepted connections of one listener share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.model.connections import Connections
from sidecar.transport.registry import Registry
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin


class Service:
    """Made once for each listener. `settings` may be replaced: connections accepted from then on keep to the new ones.

    `origin_factory` says where an accepted transport comes from; `registry` holds the open connections, `connections`
    counts them.
    """

    __slots__ = ("acceptor", "connections", "origin_factory", "registry", "settings", "wheel")

    def __init__(
        self,
        settings: DownstreamSettings,
        acceptor: Acceptor,
        origin_factory: Callable[[asyncio.Transport], Origin],
        wheel: DeadlineWheel,
        connections: Connections,
        registry: Registry,
    ) -> None:
        self.settings = settings
        self.acceptor = acceptor
        self.origin_factory = origin_factory
        self.wheel = wheel
        self.connections = connections
        self.registry = registry
