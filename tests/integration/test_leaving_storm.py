"""Clients by the ten thousand that leave at any moment (a hundred thousand in the deep run): nothing is left of them.

Each sends some bytes of one to three requests, lets the loop turn a few times, and goes, with a FIN or with an RST,
while limits, queues, retries and a breaker are in force and the backend is slow, fails, and breaks off. What is left is
read from the proxy's own books, and descriptors and tasks are counted once everything is closed.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, running
from tests.integration.test_soak import descriptors

CLIENTS = 100_000 if os.environ.get("SIDECAR_DEEP") == "1" else 10_000
CROWD = 50
TURNS = (2, 8, 32, 64, 128, 256)

RULES = """
version: 1
listeners:
  - {{name: public, address: '127.0.0.1:0'}}
  - {{name: local, address: 'unix:{path}'}}
admin: {{address: '127.0.0.1:0'}}
log: {{access: 'off'}}
upstreams:
  app:
    endpoints: ['http://127.0.0.1:{port}']
    pool: {{max_connections: 8}}
    circuit_breaker: {{failure_ratio: 0.2, min_requests: 10, window: 1s, open_for: 10ms}}
routes:
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits: [{{name: pace, rate: 500/s, burst: 5, max_wait: 20ms}}]
  - name: queued
    match: {{path: /queued}}
    upstream: app
    concurrency: {{max: 2, max_queue: 5, max_wait: 1s}}
  - name: retried
    match: {{path: /retried}}
    upstream: app
    retry: {{max_attempts: 3, on: [reset, 503, connect_failure], budget: null, backoff: {{base: 1ms, max: 5ms}}}}
  - {{name: everything, upstream: app}}
"""
PATHS = ("/limited", "/queued", "/retried", "/other")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Erratic(asyncio.Protocol):
    """A backend's connection: answers at once or later, fails, breaks off, or is silent. Reads no further than heads:
    a body holds no empty line."""

    dice: random.Random

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.tail = b""

    def data_received(self, data: bytes) -> None:
        heads = (self.tail + data).split(b"\r\n\r\n")
        self.tail = heads.pop()[-200_000:]
        for _ in heads:
            self.answer(self.dice.random())

    def ok(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(OK)

    def answer(self, chance: float) -> None:
        if chance < 0.5:
            self.ok()
        elif chance < 0.75:
            asyncio.get_running_loop().call_later(chance / 100, self.ok)
        elif chance < 0.85:
            self.transport.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nbusy")
        elif chance < 0.9:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it")
        elif chance < 0.95:
            self.transport.abort()


def request(dice: random.Random) -> bytes:
    """One request, with a body or without, framed one way or the other."""
    line = f"{dice.choice(PATHS)} HTTP/1.1\r\nHost: a\r\n"
    kind = dice.randrange(4)
    if kind == 0:
        return f"POST {line}Content-Length: 2000\r\n\r\n{'x' * 2000}".encode()
    if kind == 1:
        return f"PUT {line}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".encode()
    return f"GET {line}\r\n".encode()


async def turns(dice: random.Random) -> None:
    """Some turns of the loop: most often a few, and as likely as not so many that an answer comes."""
    for _ in range(dice.randrange(dice.choice(TURNS))):
        await asyncio.sleep(0)


async def come_and_go(where: str | tuple[str, int], dice: random.Random) -> None:
    """One client, from its connection to its leaving."""
    data = b"".join(request(dice) for _ in range(dice.choice((1, 1, 1, 2, 3))))
    if dice.random() < 0.3:
        data = data[: dice.randrange(len(data))]
    cut = dice.randrange(len(data) + 1)
    with socket.socket(socket.AF_UNIX if isinstance(where, str) else socket.AF_INET) as sock:
        sock.setblocking(False)
        with suppress(OSError):  # it may be cut while it sends: that is its right
            sock.connect_ex(where)
            sock.send(data[:cut])
            await turns(dice)
            sock.send(data[cut:])
            await turns(dice)
            if dice.random() < 0.3:
                sock.recv(65536)
            if dice.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            elif dice.random() < 0.5:
                sock.shutdown(socket.SHUT_WR)
                await asyncio.sleep(0)


async def crowd(places: list[str | tuple[str, int]], count: int, seed: int) -> None:
    """So many clients, one after the other."""
    dice = random.Random(seed)
    for _ in range(count):
        await come_and_go(dice.choice(places), dice)


def held(policies: Any) -> int:
    """What the machines of /status say that somebody holds or waits for."""
    if isinstance(policies, dict):
        return sum(
            value if key in ("in_flight", "queued", "waiting", "held") and isinstance(value, int) else held(value)
            for key, value in policies.items()
        )
    return sum(map(held, policies)) if isinstance(policies, list) else 0


async def assert_nothing_left(proxy: RunningProxy) -> None:
    """Waits until the last of them is over, and finds every place given back."""
    await proxy.quiet()
    pools = proxy.proxy.channels.pools.values()
    await proxy.until(lambda: all(pool.snapshot().connecting == 0 for pool in pools))
    assert {endpoint.in_flight for endpoint in proxy.proxy.current.runtime.endpoints()} == {0}
    down, up = proxy.stats.downstream_connections, proxy.stats.upstream_connections
    assert (down.active, down.idle, up.active) == (0, 0, 0)
    assert up.idle == proxy.pooled() <= 8 * len(pools)
    told = await proxy.status()
    assert held(told["routes"]) == held(told["upstreams"]) == 0


async def storm(folder: Path, clients: int) -> None:
    """Opens everything, lets the clients come and go, looks into the books, closes everything."""
    loop = asyncio.get_running_loop()
    bugs: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: bugs.append(context))
    Erratic.dice = random.Random(1)
    backend = await loop.create_server(Erratic, "127.0.0.1", 0)
    rules = RULES.format(port=backend.sockets[0].getsockname()[1], path=folder / "s")
    try:
        async with running(rules=rules, seed=2) as proxy:
            places: list[str | tuple[str, int]] = [str(folder / "s"), ("127.0.0.1", proxy.port)]
            async with asyncio.TaskGroup() as crowds:
                for seed in range(CROWD):
                    crowds.create_task(crowd(places, clients // CROWD, seed))
            await assert_nothing_left(proxy)
            statuses = {status for _, status in proxy.requests()}
            assert {200, 499} <= statuses
            assert 500 not in statuses, "a bug in the proxy"
            assert proxy.heard() > clients // 2
            await serves_on(proxy)
            assert bugs == []
    finally:
        backend.close()


async def serves_on(proxy: RunningProxy) -> None:
    """Somebody who stays is answered, on every route."""
    Erratic.dice = Patient()
    for path in PATHS:
        async with await Peer.connect(proxy.port) as peer, asyncio.timeout(LIMIT_SECONDS):
            while (await peer.get(path)).status != 200:  # the breaker may be open for some milliseconds yet
                await asyncio.sleep(0)


class Patient(random.Random):
    """Dice that always make the backend answer."""

    def random(self) -> float:
        return 0.0


async def test_nothing_is_left_of_clients_that_leave_at_any_moment(tmp_path: Path) -> None:
    await storm(tmp_path, CROWD * 4)  # once in small, so that what is made once in a process is there
    gc.collect()
    before, tasks = descriptors(), len(asyncio.all_tasks())
    await storm(tmp_path, CLIENTS)
    async with asyncio.timeout(LIMIT_SECONDS):
        while descriptors() > before or len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0)
