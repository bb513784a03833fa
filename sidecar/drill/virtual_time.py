"""An event loop whose time jumps to the next timer when nothing is left to do at this instant.

Owns time; what is connected is network.py's. A minute of a proxy takes as long as its work, and the same work takes the
same course each time: nothing here asks the machine what time it is, or waits for it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from contextvars import Context
from typing import Any

from sidecar.drill.network import Network, Post

# Not 0: an instant of which nothing lies before would hide who takes none for zero.
_BEGINNING = 1000.0
# No timer comes sooner. Whoever waits for what a rounding has left (AsyncLimiter does) would set one for this very
# instant again and again, and time, which only waiting lets pass here, would stand still.
_SOONEST = 1e-6


class StuckError(Exception):
    """Something is waited for that no timer and nobody at work will bring."""


class _Jumping(selectors.SelectSelector):
    """Waits for nothing: where the loop would sleep, time passes."""

    def __init__(self, passes: Callable[[float], None]) -> None:
        super().__init__()
        self._passes = passes

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0:
            return []
        ready = super().select(0)  # a signal's byte
        if ready:
            return ready
        if timeout is None:
            raise StuckError("nothing is left that could happen, and somebody waits")
        self._passes(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. Connections are made in its `network`, and nowhere else."""

    def __init__(self) -> None:
        self._now = _BEGINNING
        super().__init__(_Jumping(self._pass))
        self.network = Network(self)

    def time(self) -> float:
        """Seconds since the beginning of this time."""
        return self._now

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        return super().call_at(max(when, self._now + _SOONEST), callback, *args, context=context)

    def _pass(self, seconds: float) -> None:
        self._now += seconds

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Any],
        host: str,
        port: int,
        *,
        local_addr: tuple[str, int] | None = None,
    ) -> tuple[asyncio.Transport, Any]:
        """See asyncio. :raises ConnectionRefusedError: nobody listens there."""
        return await self.network.connect(protocol_factory, (host, port), local_addr)

    async def create_unix_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], path: str
    ) -> tuple[asyncio.Transport, Any]:
        """See asyncio."""
        return await self.network.connect(protocol_factory, path)

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], *, sock: Any, backlog: int = 0
    ) -> Post:
        """See asyncio; `sock` is one of the network's."""
        return self.network.listen(sock.getsockname(), protocol_factory)

    async def create_unix_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], Any], *, sock: Any, backlog: int = 0
    ) -> Post:
        """See asyncio; `sock` is one of the network's."""
        return self.network.listen(sock.getsockname(), protocol_factory)
