"""The proxy as it runs, in this process: real sockets on port 0, real wiring, and its books open to the test.

`running(url, …)` fronts endpoints as the command line does; `running(rules=rules_text(url, …))` runs a rules file.
Leaving the context closes the proxy and then looks into its books: nothing may be in flight, leased, waiting or running
on. Waiting is for a condition, turn by turn of the loop and bounded in time; nothing here sleeps.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from sidecar.app.surroundings import examined
from sidecar.app.wiring import Proxy
from sidecar.health.prober import Prober
from sidecar.rules.load import Loaded, load_text
from sidecar.rules.overlay import Given
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.clock import Clock
from tests.doubles.peer import Answer, Peer

EXAMPLES = Path(__file__).resolve().parents[2] / "config" / "examples"

# What an attempt may end in without anybody being to blame; everything else counts against the endpoint.
BLAMELESS = {"success", "downstream_gone"}


# `sets` for those who look at one attempt and its end.
ONE_ATTEMPT = ("defaults.retry=null", "upstreams.app.circuit_breaker=null")


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
        return load_text(rules, "rules.yaml", Given(sets=sets, examine=examined))
    given = Given(upstreams=urls, listen="127.0.0.1:0", admin="127.0.0.1:0", sets=("log.access=off", *sets))
    return load_text("", "command line", given)


def example(name: str, *urls: str, sets: Sequence[str] = (), upstream: str = "app") -> Loaded:
    """The file config/examples/NAME.yaml as `sidecar run` would load it, on free ports of loopback, its endpoints
    replaced as `--set upstreams.app.endpoints=[…]` does, or those of another upstream."""
    file = EXAMPLES / f"{name}.yaml"
    given = Given(
        listen="127.0.0.1:0",
        admin="127.0.0.1:0",
        sets=("log.access=off", f"upstreams.{upstream}.endpoints=[{', '.join(map(_quoted, urls))}]", *sets),
        allow_faults=True,
    )
    return load_text(file.read_text(), file.name, given).to_run()


class RunningProxy:
    """A proxy that serves. `proxy` is the wiring's own object; the rest looks at it as tests need to."""

    def __init__(self, proxy: Proxy, clock: Clock | None = None) -> None:
        self.proxy = proxy
        self.clock = clock
        self.stats = proxy.stats
        address = proxy.addresses[0]
        self.path = address.path
        self.port = address.port

    @property
    def prober(self) -> Prober:
        """Whoever looks at the endpoints' health."""
        found = self.proxy.checks.prober
        assert found is not None
        return found

    @asynccontextmanager
    async def peer(
        self, receive_buffer: int | None = None, host: str = "127.0.0.1", source: str | None = None
    ) -> AsyncIterator[Peer]:
        """A raw client connected to the first listener, from another address of this machine where one is given."""
        async with await Peer.connect(self.path or self.port, receive_buffer, host, source) as peer:
            yield peer

    async def ask(self, target: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
        """One request on a connection of its own."""
        async with self.peer() as peer:
            lines = [f"{method} {target} HTTP/1.1", "Host: test", *fields]
            if body:
                lines.append(f"Content-Length: {len(body)}")
            return await peer.ask("\r\n".join([*lines, "", ""]).encode() + body)

    async def adopt(self, rules: str) -> None:
        """Puts these rules in force, as a reload does once it has read them."""
        async with asyncio.timeout(LIMIT_SECONDS):
            await self.proxy.adopt(loaded(rules=rules))

    async def admin(self, method: str, target: str, *fields: str) -> Answer:
        """Asks the admin address."""
        address = self.proxy.admin_address
        lines = [f"{method} {target} HTTP/1.1", f"Host: {address}", "Content-Length: 0", "Connection: close", *fields]
        async with await Peer.connect(address.port, None, address.host) as peer:
            return await peer.ask("\r\n".join([*lines, "", ""]).encode())

    async def status(self) -> dict[str, Any]:
        """What the proxy says of itself."""
        told: dict[str, Any] = json.loads((await self.admin("GET", "/status")).body)
        return told

    async def breaker(self, label: str = "upstream.app") -> dict[str, Any]:
        """What it says of a circuit breaker."""
        told: dict[str, Any] = (await self.status())["breakers"][label]
        return told

    async def pass_time(self, seconds: float) -> None:
        """Moves the proxy's clock, and waits until what came due has been called."""
        assert self.clock is not None
        await self.clock.advance(seconds)

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

    def heard(self) -> int:
        """Exchanges that have begun."""
        return self.in_flight() + sum(self.requests().values())

    async def settled(self, heard: int) -> None:
        """Waits until so many exchanges have begun, and each of them is over or waits for time to pass."""
        await self.until(lambda: self.heard() >= heard and not (self.leased() or self.waiting()))

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

    async def ask_in_time(self, target: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
        """`ask`, with the clock moved on by a little whenever the exchange waits for time to pass."""
        heard = self.heard() + 1
        async with asyncio.timeout(LIMIT_SECONDS), asyncio.TaskGroup() as client:
            asked = client.create_task(self.ask(target, *fields, method=method, body=body))
            await self.until(lambda: asked.done() or self.heard() >= heard)
            while not asked.done():
                await self.until(lambda: asked.done() or not (self.leased() or self.waiting()))
                await self.pass_time(0.06)
        return asked.result()

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
async def running(
    *urls: str,
    sets: Sequence[str] = (),
    rules: str | None = None,
    given: Loaded | None = None,
    clock: Clock | None = None,
    seed: int | None = None,
    write: Callable[[bytes], bool] = lambda line: True,
) -> AsyncIterator[RunningProxy]:
    """A proxy in front of these endpoints, or under these rules, or under rules that are loaded already. `write` takes
    the lines of its access log."""
    rng = None if seed is None else random.Random(seed)
    with _reading(clock):
        proxy = Proxy(given or loaded(*urls, sets=sets, rules=rules), write, rng=rng, clock=clock or time.monotonic)
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await proxy.start()
            serving = RunningProxy(proxy, clock)
            yield serving
        finally:
            async with asyncio.timeout(LIMIT_SECONDS):
                await proxy.close()
    await serving.until(lambda: not (serving.attached() or serving.in_flight() or serving.leased()))
    assert (serving.waiting(), serving.pooled()) == (0, 0)


@contextmanager
def _reading(clock: Clock | None) -> Iterator[None]:
    """A wheel that is made in here turns with this clock."""
    if clock is None:
        yield
        return
    with patch("sidecar.app.wiring.DeadlineWheel", clock.wheel):
        yield
