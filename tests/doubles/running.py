"""The proxy as it runs, in this process: real sockets on port 0, real wiring, and its books open to the test.

`running(url, …)` fronts endpoints as the command line does; `running(rules=rules_text(url, …))` runs a rules file.
Leaving the context closes the proxy and then looks into its books: nothing may be in flight, leased, waiting or running
on. Waiting is for a condition, turn by turn of the loop and bounded in time; nothing here sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from sidecar.app.wiring import Proxy
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer

# What an attempt may end in without anybody being to blame; everything else counts against the endpoint.
BLAMELESS = {"success", "ignored", "downstream_gone", "1xx", "2xx", "3xx", "4xx"}


def rules_text(
    *endpoints: str, listener: str = "", upstream: str = "", route: str = "", address: str = "127.0.0.1:0"
) -> str:
    """A rules file of one listener, one upstream and one route; the named parts are YAML in flow style."""
    lines = [
        "version: 1",
        "listeners:",
        f"  - {{name: public, address: {_quoted(address)}, {listener}}}",
        "admin: {address: '127.0.0.1:0'}",
        "log: {access: 'off'}",
        "upstreams:",
        f"  app: {{endpoints: [{', '.join(map(_quoted, endpoints))}], {upstream}}}",
        "routes:",
        f"  - {{name: everything, upstream: app, {route}}}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text if text[:1] in "{'" else f"'{text}'"


def loaded(*urls: str, sets: Sequence[str] = (), rules: str | None = None) -> Loaded:
    """Rules as `sidecar run` would load them, listening on free ports of loopback."""
    if rules is not None:
        return load_text(rules, "rules.yaml", Given(sets=sets))
    given = Given(upstreams=urls, listen="127.0.0.1:0", admin="127.0.0.1:0", sets=("log.access=off", *sets))
    return load_text("", "command line", given)


class RunningProxy:
    """A proxy that serves. `proxy` is the wiring's own object; the rest looks at it as tests need to."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.stats = proxy.stats
        address = proxy.addresses[0]
        self.path = address.path
        self.port = address.port

    @asynccontextmanager
    async def peer(self, receive_buffer: int | None = None, host: str = "127.0.0.1") -> AsyncIterator[Peer]:
        """A raw client connected to the first listener."""
        async with await Peer.connect(self.path or self.port, receive_buffer, host) as peer:
            yield peer

    def requests(self) -> dict[tuple[str, int], int]:
        """Exchanges that are over, by method and status, over all routes."""
        found: dict[tuple[str, int], int] = {}
        for route in (self.stats.unrouted, *self.stats.routes.values()):
            for (method, status), count in route.requests.items():
                key = (method.decode(), status)
                found[key] = found.get(key, 0) + count
        return found

    def failures(self) -> int:
        """Attempts that count against an endpoint."""
        return sum(
            count
            for upstream in self.stats.upstreams.values()
            for word, count in upstream.attempts.items()
            if word not in BLAMELESS
        )

    def in_flight(self) -> int:
        """Exchanges that are not over."""
        return sum(route.in_flight for route in (self.stats.unrouted, *self.stats.routes.values()))

    def waiting(self) -> int:
        """Requests in line for a connection."""
        return sum(pool.snapshot().waiting for pool in self.proxy.channels.pools.values())

    def leased(self) -> int:
        """Connections to endpoints that carry a request."""
        return sum(pool.snapshot().in_use for pool in self.proxy.channels.pools.values())

    def pooled(self) -> int:
        """Connections to endpoints that are kept for the next request."""
        return sum(pool.snapshot().idle for pool in self.proxy.channels.pools.values())

    def attached(self) -> int:
        """Connections of clients that are open."""
        return sum(len(listener.registry) for listener in self.proxy.front.listeners)

    async def turns(self, count: int) -> None:
        """Lets the loop turn."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Waits for a condition, looking at it in every turn of the loop."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while not holds():
                await asyncio.sleep(0)

    async def quiet(self) -> None:
        """Waits until no client is connected and nothing is under way."""
        await self.until(lambda: not (self.attached() or self.in_flight() or self.leased() or self.waiting()))


@asynccontextmanager
async def running(*urls: str, sets: Sequence[str] = (), rules: str | None = None) -> AsyncIterator[RunningProxy]:
    """A proxy in front of these endpoints, or under these rules."""
    proxy = Proxy(loaded(*urls, sets=sets, rules=rules), lambda line: True)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            await proxy.start()
        serving = RunningProxy(proxy)
        yield serving
    finally:
        async with asyncio.timeout(LIMIT_SECONDS):
            await proxy.close()
    await serving.until(lambda: not (serving.attached() or serving.in_flight() or serving.leased()))
    assert (serving.waiting(), serving.pooled()) == (0, 0)
