"""Upgrades under load: a successor takes the sockets, the predecessor drains, and nobody is refused or reset."""

import asyncio
import os
import select
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from benchmarks import cpu
from benchmarks.life.callers import Calling, curling, posting, wrk
from benchmarks.life.drain import rules
from benchmarks.life.finding import Finding
from benchmarks.life.stage import Sidecar, Stage
from benchmarks.processes import free_port

NAME = "takeover"
_DRAIN = "{announce: 0s, deadline: 10s}"
_BETWEEN_SECONDS = 1.0
_ROUND_SECONDS = 5
_LIMIT_SECONDS = 30.0

Follow = Callable[[], Awaitable[int]]
"""Has a successor follow; the predecessor's exit code, or 0 where it is not ours to know."""


async def play(stage: Stage) -> list[Finding]:
    """Both ways, each several times in a row, under load."""
    return [await _by_command(stage), await _by_signal(stage)]


async def _by_command(stage: Stage) -> Finding:
    port, admin = free_port(), free_port()
    with ExitStack() as running:
        origin = running.enter_context(stage.origin())

        def start(*options: str) -> Sidecar:
            started = stage.sidecar(rules(origin), *options, port=port, admin=admin, drain=_DRAIN)
            return running.enter_context(started)

        serving = [start()]

        async def follow() -> int:
            # It answers at once, for the predecessor does; that one's end tells that the successor serves.
            serving.append(await asyncio.to_thread(start, "--takeover"))
            return await serving[-2].ended(_LIMIT_SECONDS)

        return await _upgrades(stage, "run --takeover", port, follow)


async def _by_signal(stage: Stage) -> Finding:
    with stage.origin() as origin, stage.sidecar(rules(origin), drain=_DRAIN) as sidecar:

        async def follow() -> int:
            (serving,) = cpu.group(sidecar.pid)
            os.kill(serving, signal.SIGUSR2)
            await asyncio.to_thread(_gone, serving)
            if serving != sidecar.pid:
                return 0  # its parent is gone, so nobody learns its exit code
            return await sidecar.ended(_LIMIT_SECONDS)

        return await _upgrades(stage, "SIGUSR2", sidecar.port, follow)


def _gone(pid: int) -> None:
    ending = os.pidfd_open(pid)
    try:
        if not select.select([ending], (), (), _LIMIT_SECONDS)[0]:
            raise TimeoutError(f"process {pid} has not made way within {_LIMIT_SECONDS:.0f} s")
    finally:
        os.close(ending)


async def _upgrades(stage: Stage, how: str, port: int, follow: Follow) -> Finding:
    rounds = int(stage.length(5, 1))
    seconds = rounds * _ROUND_SECONDS
    calling = Calling()
    async with asyncio.TaskGroup() as group:
        programs = [
            group.create_task(wrk(port, "/small", seconds, stage.room, connections=16)),
            group.create_task(wrk(port, "/small", seconds, stage.room, connections=2, closes=True)),
        ]
        for _ in range(8):
            group.create_task(posting(calling, lambda: port))
        group.create_task(curling(calling, port))
        took: list[float] = []
        codes: list[int] = []
        for _ in range(rounds):
            await asyncio.sleep(_BETWEEN_SECONDS)
            begun = time.monotonic()
            codes.append(await follow())
            took.append(time.monotonic() - begun)
        if any(program.done() for program in programs):
            raise RuntimeError("the load ended before the last upgrade had")
        calling.ends = True
    called = [calling.called, *(program.result() for program in programs)]
    requests, failed = sum(one.requests for one in called), sum(one.failed for one in called)
    stage.say(f"takeover: {how}: failed {[one.failed for one in called]} {calling.failures}, exit codes {codes}")
    return Finding(
        NAME,
        f"{rounds} × {how}, under wrk, aiohttp and curl: 0 failed requests, each predecessor ends with 0",
        f"{requests} requests, {failed} failed; {max(took):.1f} s from the command to the predecessor's end",
        not failed and not any(codes),
    )
