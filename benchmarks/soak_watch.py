"""Looking at a process from outside: what the kernel and its admin address tell of it."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.cpu import cpu_seconds
from benchmarks.soak_verdict import Sample

_PATIENCE = aiohttp.ClientTimeout(20.0)


class Watch:
    """Takes samples of the process `pid`, whose admin address has this port. Times count from the first."""

    def __init__(self, pid: int, admin: int) -> None:
        self._pid = pid
        self._admin = f"http://127.0.0.1:{admin}"
        self._began = time.monotonic()

    async def sample(self, window: dict[str, float] | None = None, *, objects: bool = False) -> Sample:
        """One sample, with what the steady client told last. Raises OSError, aiohttp.ClientError."""
        memory = rollup((Path("/proc") / str(self._pid) / "smaps_rollup").read_text())
        # A session for each look: one that is kept would be a descriptor and a task of the process looked at.
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session:
            status = await self._ask(session, "/status")
            inside = next(iter((await self._ask(session, "/debug/loop"))["processes"].values()))
            found = None
            if objects:
                told = await self._ask(session, "/debug/memory?top=1")
                found = next(iter(told["processes"].values()))["objects"]["count"]
        sides = status["connections"]
        return Sample(
            seconds=time.monotonic() - self._began,
            resident=memory["Rss"],
            anonymous=memory["Anonymous"],
            descriptors=inside["descriptors"]["open"],
            tasks=inside["tasks"],
            deadlines=inside["deadlines"],
            lag=max(inside["lag"]["samples"], default=0.0),
            downstream=sum(sides["downstream"].values()),
            upstream=sum(sides["upstream"].values()),
            in_flight=sum(route["in_flight"] for route in status["routes"]),
            cpu_seconds=cpu_seconds(self._pid),
            objects=found,
            p50_ms=None if window is None else window["p50_ms"],
            p99_ms=None if window is None else window["p99_ms"],
        )

    async def reloads(self) -> dict[str, float]:
        """How many rules were adopted, and how many refused, since the start."""
        async with aiohttp.ClientSession(timeout=_PATIENCE) as session, session.get(self._admin + "/metrics") as answer:
            return counted(await answer.text(), "sidecar_config_reloads_total")

    async def _ask(self, session: aiohttp.ClientSession, path: str) -> Any:
        async with session.get(self._admin + path) as answer:
            return json.loads(await answer.read())


def rollup(text: str) -> dict[str, float]:
    """The sizes of /proc/PID/smaps_rollup, in bytes."""
    lines = (line.split() for line in text.splitlines()[1:])
    return {parts[0].rstrip(":"): float(parts[1]) * 1024 for parts in lines if len(parts) == 3}


def counted(text: str, name: str) -> dict[str, float]:
    """The values of one metric with one label, by that label."""
    found = {}
    for row in text.splitlines():
        if row.startswith(name + "{"):
            labels, _, value = row.partition("} ")
            found[labels.split('"')[1]] = float(value)
    return found


async def windows(reader: asyncio.StreamReader, told: list[dict[str, float]]) -> None:
    """Keep what the steady client writes, line by line, until it ends."""
    while row := await reader.readline():
        told.append(json.loads(row))
