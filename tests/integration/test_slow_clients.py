"""slowhttptest against a proxy in this process: slow heads, slow bodies, slow reading, ranges. Others are served.

Its attacks last two seconds each; what they would need longer for is scaled down.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.doubles import servers
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.running import RunningProxy, rules_text, running

SECONDS = 2
LARGE = b"HTTP/1.1 200 OK\r\nContent-Length: 16000000\r\n\r\n" + b"x" * 16_000_000
HEADS = ("-H", "-i", "1")
BODIES = ("-B", "-i", "1", "-s", "8192")
READING = ("-X", "-w", "10", "-y", "20", "-n", "1", "-z", "32")
RANGES = ("-R",)


async def served(call: Call) -> None:
    """A large answer at /large, and a body's answer once it is whole."""
    if call.request.head.startswith(b"GET /large"):
        await call.send(LARGE)
    else:
        await call.body()
        await call.send(OK)


@asynccontextmanager
async def attacked(proxy: RunningProxy, path: str, count: int, *options: str) -> AsyncIterator[asyncio.Event]:
    """Under attack by so many connections; the event is set once it is over."""
    tester = servers.require("slowhttptest")
    size = ("-c", str(count), "-r", str(count), "-l", str(SECONDS), "-v", "0")
    attacker = await asyncio.create_subprocess_exec(
        *(tester, *options, *size, "-u", f"http://127.0.0.1:{proxy.port}{path}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    over = asyncio.Event()

    async def wait() -> None:
        await attacker.wait()
        over.set()

    waiting = asyncio.ensure_future(wait())
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            yield over
    finally:
        if attacker.returncode is None:
            attacker.kill()
        await waiting


async def statuses(proxy: RunningProxy, over: asyncio.Event) -> set[int]:
    """What somebody ordinary is answered meanwhile, each time over a new connection."""
    found = set()
    while not over.is_set():
        found.add((await proxy.ask()).status)
    return found


async def test_slow_heads_are_ended_in_time_and_give_way() -> None:
    listener = "timeouts: {headers: 1s}, max_connections: 50"
    async with Backend(served) as backend, running(rules=rules_text(backend.url, listener=listener)) as proxy:
        async with proxy.peer() as kept, attacked(proxy, "/", 200, *HEADS) as over:
            await proxy.until(lambda: proxy.attached() >= 50)
            assert (await kept.get()).status == 200, "who is there is served"
            found = await statuses(proxy, over)
        assert found <= {200, 503}, "503 while all heads are younger than a second"
        assert proxy.requests()[("OTHER", 408)] > 0
        assert proxy.attached() <= 50 + 64


async def test_slow_bodies_take_no_connection_from_requests_that_are_whole() -> None:
    async with Backend(served) as backend:
        rules = rules_text(backend.url, upstream="pool: {max_connections: 8}")
        async with running(rules=rules) as proxy, attacked(proxy, "/", 60, *BODIES) as over:
            await proxy.until(lambda: proxy.waiting() > 20)
            assert proxy.leased() <= 8
            assert await statuses(proxy, over) == {200}


async def test_slow_readers_keep_nobody_waiting() -> None:
    async with Backend(served) as backend:
        async with running(backend.url) as proxy, attacked(proxy, "/large", 20, *READING) as over:
            await proxy.until(lambda: proxy.leased() >= 20)
            assert await statuses(proxy, over) == {200}
        assert proxy.failures() == 0


async def test_endless_ranges_are_one_request_each() -> None:
    async with Backend(served) as backend:
        async with running(backend.url) as proxy, attacked(proxy, "/", 40, *RANGES) as over:
            assert await statuses(proxy, over) == {200}
        assert proxy.failures() == 0
