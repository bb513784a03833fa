"""SIGTERM under load: clients that heed `Connection: close` fail in nothing, downloads end whole, the stuck are cut.

Programs that know one address only are measured while the drain is announced, when it still accepts; an aiohttp client
goes to a second Sidecar as soon as an answer tells it to, and the first one leaves.
"""

import asyncio
import signal
import time
from collections.abc import Callable, Coroutine
from typing import Any

from benchmarks.life.callers import Called, Calling, curling, download, h2load, posting, wrk
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Sidecar, Stage

NAME = "drain"
Load = Callable[[int], Coroutine[Any, Any, Called]]

_EXIT_DONE, _EXIT_CUT = 0, 4
_TOLD_SECONDS = 1.0
_CLIENTS = 8


def rules(origin: int) -> str:
    """One route to the backend."""
    return (
        f"upstreams:\n  app: {{endpoints: ['http://127.0.0.1:{origin}']}}\nroutes:\n  - {{name: all, upstream: app}}\n"
    )


async def play(stage: Stage) -> list[Finding]:
    """One process after the other is told to leave."""
    seconds = int(stage.length(5, 2))
    with stage.origin() as origin:
        return [
            await _programs(
                stage, origin, "wrk, 64 connections", lambda port: wrk(port, "/small", seconds, stage.room)
            ),
            await _programs(
                stage, origin, "h2load, 16 connections", lambda port: h2load(port, "/small", 4000 * seconds)
            ),
            await _programs(stage, origin, "curl in a loop", lambda port: _curl(port, seconds)),
            await _moving(stage, origin, seconds),
            await _downloading(stage, origin, stage.length(10, 2)),
            await _stuck(stage, origin, stage.length(5, 1)),
        ]


async def _programs(stage: Stage, origin: int, name: str, load: Load) -> Finding:
    """A load that lasts for as long as the drain is announced."""
    with stage.sidecar(rules(origin), drain="{announce: 60s, deadline: 70s}") as sidecar:
        running = asyncio.ensure_future(load(sidecar.port))
        await asyncio.sleep(_TOLD_SECONDS)
        sidecar.signal(signal.SIGTERM)
        called = await running
        await sidecar.until(lambda told: not told["drain"]["in_flight"]["requests"])
        sidecar.signal(signal.SIGTERM)  # the announcement is over
        code = await sidecar.ended(10)
    return _under_load(stage, name, called, code)


async def _moving(stage: Stage, origin: int, seconds: float) -> Finding:
    calling, moved = Calling(), asyncio.Event()
    with (
        stage.sidecar(rules(origin)) as second,
        stage.sidecar(rules(origin), drain="{announce: 2s, deadline: 20s}") as first,
    ):
        ports = [first.port]

        def leaves() -> None:
            ports[:] = [second.port]
            moved.set()

        clients = [asyncio.ensure_future(posting(calling, lambda: ports[0], leaves)) for _ in range(_CLIENTS)]
        await asyncio.sleep(_TOLD_SECONDS)
        first.signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await moved.wait()
        code = await first.ended(20)
        await asyncio.sleep(seconds / 2)
        calling.ends = True
        await asyncio.gather(*clients)
    return _under_load(stage, f"{_CLIENTS} aiohttp clients, POST, that move on", calling.called, code)


async def _curl(port: int, seconds: float) -> Called:
    calling = Calling()
    clients = [asyncio.ensure_future(curling(calling, port)) for _ in range(4)]
    await asyncio.sleep(seconds)
    calling.ends = True
    await asyncio.gather(*clients)
    return calling.called


async def _downloading(stage: Stage, origin: int, seconds: float) -> Finding:
    with stage.sidecar(rules(origin), drain="{announce: 0s, deadline: 25s}") as sidecar:
        fetching = asyncio.ensure_future(download(sidecar.port, f"/download/{seconds:g}"))
        await _is_under_way(sidecar)
        sidecar.signal(signal.SIGTERM)
        whole, took = await fetching
        code = await sidecar.ended(10)
    return Finding(
        NAME,
        f"a download of {seconds:g} s that is under way at SIGTERM ends whole, exit code 0",
        f"{'whole' if whole else 'cut'}, after {took:.1f} s; exit code {code}",
        whole and code == _EXIT_DONE,
    )


async def _stuck(stage: Stage, origin: int, deadline: float) -> Finding:
    with stage.sidecar(rules(origin), drain=f"{{announce: 0s, deadline: {deadline:g}s}}") as sidecar:
        fetching = asyncio.ensure_future(download(sidecar.port, "/stuck"))
        await _is_under_way(sidecar)
        begun = time.monotonic()
        sidecar.signal(signal.SIGTERM)
        code = await sidecar.ended(deadline + 10)
        took = time.monotonic() - begun
        whole, _ = await fetching
    return Finding(
        NAME,
        f"a stuck answer is cut at the deadline of {deadline:g} s, and not passed for whole; exit code 4",
        f"ended after {took:.2f} s, exit code {code}",
        code == _EXIT_CUT and not whole and took < deadline + 1.0,
    )


async def _is_under_way(sidecar: Sidecar) -> None:
    await sidecar.until(lambda told: told["drain"]["in_flight"]["requests"] >= 1)


def _under_load(stage: Stage, name: str, called: Called, code: int) -> Finding:
    stage.say(f"drain: {name}: {called.requests} requests, {called.failed} failed, exit code {code}")
    return Finding(
        NAME,
        f"SIGTERM under {name}: 0 failed requests, exit code 0",
        f"{called.requests} requests, {called.failed} failed; exit code {code}",
        called.requests > 0 and not called.failed and code == _EXIT_DONE,
    )
