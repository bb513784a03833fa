"""Several workers as one instance: how exact a limit is, what the death of a worker costs, and what sharing costs."""

import asyncio
import os
import signal
import time
from statistics import median
from typing import Any

import aiohttp

from benchmarks.life.callers import Calling, paced, wrk
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Sidecar, Stage

NAME = "workers"
WORKERS = 4
LIMIT = 1000
RATE = 500
_CONNECTIONS = 64
_CLIENTS = 40
_BETWEEN_KILLS_SECONDS = 2.0  # calm again, so that one death is not counted as another's
# Connections are few enough for the kernel to spread them unevenly over the workers.
_UNEVEN = 12


def rules(origin: int, route: str, upstream: str = "") -> str:
    """One route under these rules."""
    return f"""upstreams:
  app: {{endpoints: ['http://127.0.0.1:{origin}'], {upstream}}}
routes:
  - {{name: all, upstream: app, retry: null, {route}}}
"""


async def play(stage: Stage) -> list[Finding]:
    """The limit, the deaths, the costs."""
    return [await _limit(stage), *await _deaths(stage), await _costs(stage)]


def admitted(told: Any) -> int:
    """How many requests a status says were let through."""
    return sum(int(route["statuses"].get("2xx", 0)) for route in told["routes"])


async def _limit(stage: Stage) -> Finding:
    seconds = int(stage.length(10, 3))
    limited = f"rate_limits: [{{name: all, rate: {LIMIT}/s, burst: 50}}]"
    with stage.origin() as origin, stage.sidecar(rules(origin, limited), "--workers", str(WORKERS)) as sidecar:
        load = asyncio.ensure_future(wrk(sidecar.port, "/small", seconds + 3, stage.room, connections=_UNEVEN))
        await asyncio.sleep(1.0)  # the burst is spent
        began, before = time.monotonic(), await sidecar.status()
        await asyncio.sleep(seconds)
        ended, after = time.monotonic(), await sidecar.status()
        called = await load
    spread = [member["connections"] for member in after["workers"]]
    found = (admitted(after) - admitted(before)) / (ended - began)
    error = found / LIMIT - 1
    return Finding(
        NAME,
        f"{LIMIT}/s for all of {WORKERS} workers together, within 1 %",
        f"{found:.1f}/s ({error:+.2%}) of {called.requests / (seconds + 3):.0f}/s; connections {spread}",
        abs(error) <= 0.01,
    )


async def _deaths(stage: Stage) -> list[Finding]:
    rounds = int(stage.length(10, 2))
    back: list[float] = []
    under_way = 0
    calling = Calling()
    with stage.origin() as origin, stage.sidecar(rules(origin, ""), "--workers", str(WORKERS)) as sidecar:
        async with asyncio.TaskGroup() as clients:
            for _ in range(_CLIENTS):
                clients.create_task(_asking(calling, sidecar.port))
            for number in range(rounds):
                await asyncio.sleep(_BETWEEN_KILLS_SECONDS)
                told = await sidecar.status()
                under_way += told["drain"]["in_flight"]["requests"]
                back.append(await _killed(sidecar, told["workers"][number % WORKERS]))
                stage.say(f"workers: killed one of {WORKERS}, back after {back[-1]:.2f} s")
            calling.ends = True
    share = under_way / WORKERS
    return [
        Finding(
            NAME,
            f"kill -9 of a worker, {rounds} times: fails what is under way there, and nothing else",
            f"{calling.requests} requests, {calling.failed} failed; {share:.0f} were the share of those killed",
            calling.failed <= 2 * share,
        ),
        Finding(
            NAME,
            "a killed worker serves again within a second",
            f"after {median(back):.2f} s, at most {max(back):.2f} s",
            max(back) <= 1.0,
        ),
    ]


async def _asking(calling: Calling, port: int) -> None:
    """A client that asks ten times a second or so, and never twice: POST."""
    async with aiohttp.ClientSession() as session:
        while not calling.ends:
            try:
                async with session.post(f"http://127.0.0.1:{port}/slow/50", data=b"x") as answer:
                    await answer.read()
                    calling.count("" if answer.status == 200 else f"status {answer.status}")
            except (aiohttp.ClientError, OSError) as failure:
                calling.count(repr(failure))
            await asyncio.sleep(0.05)


async def _killed(sidecar: Sidecar, member: Any) -> float:
    """Kill this worker; seconds until its successor serves."""
    began = time.monotonic()
    os.kill(member["pid"], signal.SIGKILL)
    await sidecar.until(lambda told: _serves_again(told["workers"][member["slot"]], member["pid"]))
    return time.monotonic() - began


def _serves_again(member: Any, before: int) -> bool:
    return member["pid"] not in (None, before) and member["phase"] == "serving"


async def _costs(stage: Stage) -> Finding:
    seconds = stage.length(10, 3)
    route = "rate_limits: [{name: all, rate: 1000000/s}], concurrency: {max: 1000, max_queue: 10}"
    found: list[float] = []
    for workers in (1, 2):
        with (
            stage.origin() as origin,
            stage.sidecar(
                rules(origin, route, "circuit_breaker: {min_requests: 100}"), "--workers", str(workers)
            ) as sidecar,
        ):
            await paced(sidecar.port, "/small", RATE, 1.0, _CONNECTIONS)
            before = sidecar.cpu_seconds()
            called = await paced(sidecar.port, "/small", RATE, seconds, _CONNECTIONS)
            found.append((sidecar.cpu_seconds() - before) / called.requests * 1e6)
            stage.say(f"workers: {found[-1]:.0f} us a request with --workers {workers}")
    alone, shared = found
    return Finding(
        NAME,
        f"CPU time of a request under a limit, concurrency and a breaker, at {RATE} requests/s",
        f"{alone:.0f} us with one process, {shared:.0f} us with two workers and their supervisor",
    )
