"""A small shop behind a `sidecar` process: its rules, its backends, and visitors who keep asking for every route.

Its orders fail when they are told to, and then its searches are slow as well: the outage that people know.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import ProxyProcess, process

RULES = """\
version: 1
listeners:
  - address: 127.0.0.1:8080
    trusted_proxies: [127.0.0.0/8]
upstreams:
  app:
    endpoints: [{endpoints}]
    health_check: {{path: /healthz, interval: 1s}}
  orders:
    endpoints: [{orders}]
    health_check: {{path: /healthz, interval: 1s}}
    circuit_breaker: {{failure_ratio: 0.5, consecutive_failures: 8, open_for: {open_for}}}
routes:
  - name: login
    match: {{path: /login}}
    upstream: app
    rate_limits:
      - {{name: per-client, rate: 1/s, burst: 5, key: client_ip}}
      - {{name: everybody, rate: 15/s, burst: 20}}
  - name: search
    match: {{path: /search}}
    upstream: app
    concurrency: {{max: 12, max_queue: 6, max_wait: 500ms}}
  - name: orders
    match: {{path: /orders}}
    upstream: orders
    timeout: {{request: 3s, attempt: 500ms}}
  - name: everything-else
    match: {{path: /}}
    upstream: app
"""
FAILED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
# Where to, how many visitors, how long each of them thinks between two requests, in seconds on average.
VISITORS = (("/login", 12, 1.0), ("/search", 24, 0.3), ("/orders", 8, 0.4), ("/", 24, 0.4))
CUSTOMERS = [f"203.0.113.{number}" for number in range(256)]
# One who tries passwords.
GREEDY = ("/login", ["198.51.100.23"], 0.25)


class Shop:
    """`proxy` is in front of it, `fails` tells what becomes of its orders, `answered` counts the visitors' answers."""

    def __init__(self, proxy: ProxyProcess, work: Work) -> None:
        self.proxy = proxy
        self.answered = 0
        self._work = work
        self._rng = random.Random(11)
        self._grew = asyncio.Event()

    def fail(self, fails: bool) -> None:
        """Begins the outage, or ends it."""
        self._work.fails = fails

    async def more(self, count: int) -> None:
        """Waits for so many more answers."""
        wanted = self.answered + count
        async with asyncio.timeout(LIMIT_SECONDS + count / 10):
            while self.answered < wanted:
                self._grew.clear()
                await self._grew.wait()

    async def visitor(self, target: str, addresses: Sequence[str], thinks: float) -> None:
        """Somebody behind these addresses who asks, reads the answer whatever it is, thinks, and asks again, until
        cancelled."""
        while True:
            async with self.proxy.peer() as peer:
                await self._stay(peer, target, addresses, thinks)

    async def _stay(self, peer: Peer, target: str, addresses: Sequence[str], thinks: float) -> None:
        while True:
            await asyncio.sleep(self._rng.expovariate(1 / thinks))
            answer = await peer.get(target, f"X-Forwarded-For: {self._rng.choice(addresses)}")
            self.answered += 1
            self._grew.set()
            if answer.get("connection") == b"close":
                return


class Work:
    """What the backends do: they take their time, and fail the orders when told to."""

    def __init__(self) -> None:
        self.fails = False
        self._rng = random.Random(7)

    async def app(self, call: Call) -> None:
        await call.body()
        usual = 0.012
        if call.request.target.startswith(b"/search"):
            usual = 0.8 if self.fails else 0.06
        await asyncio.sleep(usual * self._rng.lognormvariate(0, 0.5))
        await call.send(OK)

    async def orders(self, call: Call) -> None:
        await call.body()
        if self.fails and call.request.target != b"/healthz":
            # Half of them fail, the others hang until nobody waits any longer.
            await asyncio.sleep(self._rng.choice((0.1, 1.0)))
        else:
            await asyncio.sleep(0.025 * self._rng.lognormvariate(0, 0.5))
        await call.send(FAILED if self.fails else OK)


@asynccontextmanager
async def shop(folder: Path, open_for: str) -> AsyncIterator[Shop]:
    """The shop, with all its visitors, until they leave with the context. `folder` is where its sidecar runs, under
    `sidecar.yaml`; `open_for` is the first pause of the orders' breaker."""
    work = Work()
    async with AsyncExitStack() as stack:
        app, spare, orders = [
            await stack.enter_async_context(Backend(step)) for step in (work.app, work.app, work.orders)
        ]
        endpoints = f"{app.url}, {spare.url}"
        written = RULES.format(endpoints=endpoints, orders=orders.url, open_for=open_for)
        (folder / "sidecar.yaml").write_text(written)
        proxy = await stack.enter_async_context(process(rules=Path("sidecar.yaml"), folder=folder))
        opened = Shop(proxy, work)
        people = [(target, CUSTOMERS, thinks) for target, count, thinks in VISITORS for _ in range(count)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(opened.visitor(*one)) for one in (GREEDY, *people)]
            yield opened
            for task in tasks:
                task.cancel()
