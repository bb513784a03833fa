"""The listeners as one thing that can be opened and drained: the Traffic that a drain acts on.

Knows listeners and the environment's draining flag; knows no phase and no deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.proxy.environment import Environment
from sidecar.telemetry.stats import Stats
from sidecar.transport.listener import Listener


class Front:
    """Every listener of the proxy; see drain.Traffic."""

    __slots__ = ("_environment", "_let_go", "_stats", "listeners")

    def __init__(self, environment: Environment, stats: Stats, let_go: Callable[[], None] = lambda: None) -> None:
        """`let_go` closes the sockets that the listeners have copies of."""
        self._environment = environment
        self._stats = stats
        self._let_go = let_go
        self.listeners: list[Listener] = []

    def announce(self) -> None:
        """See Traffic."""
        self._environment.draining = True

    def stop_accepting(self) -> None:
        """See Traffic."""
        self._environment.draining = True
        for listener in self.listeners:
            listener.stop_accepting()
            listener.close_idle()
        self._let_go()

    def busy(self) -> int:
        """See Traffic."""
        return sum(len(listener.registry) for listener in self.listeners)

    def when_quiet(self, tell: Callable[[], None]) -> None:
        """See Traffic."""
        left = len(self.listeners)
        if not left:
            tell()

        def one_quiet() -> None:
            nonlocal left
            left -= 1
            if not left:
                tell()

        for listener in self.listeners:
            listener.registry.when_empty(one_quiet)

    def cut(self) -> int:
        """See Traffic. A connection that only waits for its last bytes to be taken is cut too, but no request is."""
        routes = (self._stats.unrouted, *self._stats.routes.values())
        in_flight = sum(route.in_flight for route in routes)
        for listener in self.listeners:
            listener.abort()
        return in_flight

    def forget(self, listener: Listener) -> None:
        """A listener that rules no longer name has seen its last connection go."""
        if listener in self.listeners:
            self.listeners.remove(listener)

    async def gone(self, seconds: float) -> None:
        """Wait at most so long until every connection has told its end."""
        quiet = asyncio.Event()
        self.when_quiet(quiet.set)
        try:
            async with asyncio.timeout(seconds):
                await quiet.wait()
        except TimeoutError:
            pass
