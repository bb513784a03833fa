"""The listeners as one thing that can be opened and drained: the Traffic that a drain acts on.

Knows listeners, what their connections carry, and where the drain is told; knows no order and no deadline.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping

from sidecar.app.drain import Stage
from sidecar.proxy.environment import Environment
from sidecar.telemetry.stats import Stats
from sidecar.transport.listener import Listener
from sidecar.transport.registry import RAW_TUNNEL, REQUEST, WEBSOCKET, Closable


class Front:
    """Every listener of the proxy; see drain.Traffic."""

    __slots__ = ("_environment", "_let_go", "_stats", "listeners")

    def __init__(self, environment: Environment, stats: Stats, let_go: Callable[[], None] = lambda: None) -> None:
        """`let_go` closes the sockets that the listeners have copies of."""
        self._environment = environment
        self._stats = stats
        self._let_go = let_go
        self.listeners: list[Listener] = []

    def announce(self, ends_at: float) -> None:
        """See Traffic."""
        self._environment.draining = True
        self._stats.drain_deadline = ends_at

    def stop_accepting(self) -> None:
        """See Traffic."""
        self._environment.draining = True
        for listener in self.listeners:
            listener.stop_accepting()
        self._let_go()

    async def refresh(self) -> None:
        """See Traffic. A turn of the loop for what nobody has read."""
        await asyncio.sleep(0)

    def close_idle(self) -> None:
        """See Traffic."""
        for listener in self.listeners:
            listener.close_idle()

    def in_flight(self) -> Mapping[str, int]:
        """See Traffic."""
        carried = [connection.carries() for connection in self._connections()]
        return {
            "requests": carried.count(REQUEST),
            "tunnels": carried.count(RAW_TUNNEL),
            "websockets": carried.count(WEBSOCKET),
        }

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

    def leave_websockets(self) -> None:
        """See Traffic."""
        for connection in self._connections():
            connection.leave_websocket()

    def hurry(self, tell: Callable[[], None]) -> None:
        """See Traffic."""
        tell()

    def cut(self) -> int:
        """See Traffic. Again: ends what has come meanwhile. Those that were told why have until `gone` to take it."""
        return sum(connection.end_now() for connection in self._connections())

    def report(self, stage: Stage, text: str, cut: int = 0) -> None:
        """See Traffic."""
        self._stats.drain_phase = int(stage)
        self._stats.drain_cut_requests += cut
        self._stats.events.tell("drain", "instance", text, {"stage": stage.word, "cut": cut}, alarming=cut > 0)

    def forget(self, listener: Listener) -> None:
        """A listener that rules no longer name has seen its last connection go."""
        if listener in self.listeners:
            self.listeners.remove(listener)

    async def gone(self, seconds: float) -> None:
        """Wait at most so long until every connection has told its end; then cut, and wait as long for those."""
        if not await self._quiet(seconds):
            for listener in self.listeners:
                listener.abort()
            await self._quiet(seconds)

    def _connections(self) -> Iterator[Closable]:
        for listener in self.listeners:
            yield from listener.registry

    async def _quiet(self, seconds: float) -> bool:
        quiet = asyncio.Event()
        self.when_quiet(quiet.set)
        try:
            async with asyncio.timeout(seconds):
                await quiet.wait()
        except TimeoutError:
            return False
        return True
