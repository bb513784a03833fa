"""Ten thousand requests that fail in every way, and afterwards nothing is left of them.

What is left is read from the proxy's own books while it runs. Descriptors are counted only when proxy and backend are
wholly closed, against a count taken before anything was opened: in between, what the test's own peers hold and what the
pools rightly keep would be in the number.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from contextlib import suppress

from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call, GoneError, refusing
from tests.doubles.peer import Peer
from tests.doubles.running import RunningProxy, running

REQUESTS = 10_000
WORKERS = 40
LEAVE_RATIO = 0.15

RULES = """
version: 1
listeners: [{{name: public, address: '127.0.0.1:0'}}]
admin: {{address: '127.0.0.1:0'}}
log: {{access: 'off'}}
defaults: {{timeout: {{attempt: 30ms, idle: 30ms}}, retry: null}}
upstreams:
  app: {{endpoints: ['{url}'], pool: {{max_connections: 24}}, circuit_breaker: null}}
  nobody: {{endpoints: ['http://127.0.0.1:{refused}'], circuit_breaker: null, hold: null}}
routes:
  - {{name: patient, match: {{path: /patient}}, upstream: app, timeout: {{attempt: 10s, idle: 10s}}}}
  - {{name: refused, match: {{path: /refused}}, upstream: nobody}}
  - {{name: app, upstream: app}}
"""

# A kind, and how many of a hundred requests are of it.
KINDS = {
    "/ok": 20,
    "/reset": 18,
    "/close": 10,
    "/truncated": 12,
    "/truncated-chunks": 8,
    "/reset-in-body": 8,
    "/garbage": 8,
    "/stall": 3,
    "/stall-in-body": 3,
    "/refused": 10,
}


async def misbehave(call: Call) -> None:
    """Fails in the way that the target names."""
    kind = call.request.target
    if kind in (b"/ok", b"/patient"):
        await call.body()
        await call.send(OK)
        return
    call.close()
    if kind in (b"/truncated", b"/reset-in-body", b"/stall-in-body"):
        await call.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
    elif kind == b"/truncated-chunks":
        await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")
    elif kind == b"/garbage":
        await call.send(b"\x00\x01 what is this \r\n\r\n")
    if kind in (b"/reset", b"/reset-in-body"):
        call.reset()
    elif kind in (b"/stall", b"/stall-in-body"):
        await call.wait_gone()


async def one(peer: Peer, kind: str, dice: random.Random) -> bool:
    """One request; whether its connection can carry another."""
    if dice.random() < 0.3:
        head = f"POST {kind} HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nupload"
    else:
        head = f"GET {kind} HTTP/1.1\r\nHost: a\r\n\r\n"
    await peer.send(head.encode())
    if dice.random() < LEAVE_RATIO:
        for _ in range(dice.randrange(8)):
            await asyncio.sleep(0)
        if dice.random() < 0.5:
            peer.reset()
        return False
    answer = await peer.answer(head.split(" ", 1)[0].encode())
    assert answer.status in (200, 502, 503, 504)
    return answer.get("connection") is None


async def work(port: int, count: int, seed: int) -> None:
    """Sends `count` requests, one after the other, over as many connections as it takes."""
    dice = random.Random(seed)
    kinds = dice.choices(list(KINDS), list(KINDS.values()), k=count)
    while kinds:
        async with await Peer.connect(port) as peer:
            with suppress(GoneError, ConnectionError):
                while kinds and await one(peer, kinds.pop(), dice):
                    pass


def descriptors() -> int:
    """Open descriptors of this process; the one that lists them is always among them."""
    return len(os.listdir("/proc/self/fd"))


async def fail(requests: int) -> None:
    """Opens everything, sends the requests, looks into the books, closes everything."""
    with refusing() as refused:
        async with Backend(misbehave) as backend:
            rules = RULES.format(url=backend.url, refused=refused)
            async with running(rules=rules) as proxy:
                async with asyncio.TaskGroup() as workers:
                    for seed in range(WORKERS):
                        workers.create_task(work(proxy.port, requests // WORKERS, seed))
                await assert_nothing_left(proxy)


async def assert_nothing_left(proxy: RunningProxy) -> None:
    """Waits until the last of them is over, and finds every place given back."""
    await proxy.quiet()
    pools = proxy.proxy.channels.pools.values()
    await proxy.until(lambda: all(pool.snapshot().connecting == 0 for pool in pools))
    assert [endpoint.in_flight for endpoint in proxy.proxy.current.runtime.endpoints()] == [0, 0]
    assert proxy.stats.downstream_connections.active == 0
    assert proxy.stats.downstream_connections.idle == 0
    assert proxy.stats.upstream_connections.active == 0
    assert proxy.stats.upstream_connections.idle == proxy.pooled() <= 24
    async with proxy.peer() as peer:
        assert (await peer.get("/patient")).status == 200
    await proxy.quiet()


async def test_nothing_is_left_of_ten_thousand_failures() -> None:
    # Once in small, so that what is made once in a process (resolver threads, lazily opened files) is there.
    await fail(WORKERS * 5)
    # What earlier tests dropped must not be collected in the middle and hide a leak.
    gc.collect()
    before, tasks = descriptors(), len(asyncio.all_tasks())
    await fail(REQUESTS)
    # Sockets are closed in a later turn of the loop than their transports; a leak is what no turn closes.
    async with asyncio.timeout(LIMIT_SECONDS):
        while descriptors() > before or len(asyncio.all_tasks()) > tasks:
            await asyncio.sleep(0)
