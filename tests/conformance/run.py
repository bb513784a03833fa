"""Runs cases through one proxy, several lanes at a time, and judges what was seen.

Owns the lanes and the start of the proxy. May not know what any case is about.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import StartError, free_port
from tests.conformance import client
from tests.conformance.backend import Backend
from tests.conformance.case import Case, Seen
from tests.conformance.judge import sound
from tests.conformance.targets import Target

LANES = 8
PATIENCE_SECONDS = 2.0
"""How long an answer may take. A case that ends in silence costs this much."""


@dataclass(frozen=True)
class Result:
    """One case through one proxy; `wrong` is empty when the proxy did its duty."""

    case: Case
    seen: Seen
    wrong: str


def judged(case: Case, seen: Seen) -> Result:
    """What must always hold, then what the case asks."""
    return Result(case, seen, sound(seen) or case.judge(seen))


async def through(
    ports: Sequence[int], backends: Sequence[Backend], cases: Sequence[Case], patience: float
) -> list[Result]:
    """Every case through the listeners of a proxy that runs, in the order of `cases`."""
    left = deque(enumerate(cases))
    results: dict[int, Result] = {}

    async def lane(port: int, backend: Backend) -> None:
        while left:
            number, case = left.popleft()
            seen = await client.run(case, b"k%03d" % number, port, backend, patience)
            results[number] = judged(case, seen)

    async with asyncio.TaskGroup() as group:
        for port, backend in zip(ports, backends, strict=True):
            group.create_task(lane(port, backend))
    return [results[number] for number in sorted(results)]


async def conformance(target: Target, cases: Sequence[Case], patience: float = PATIENCE_SECONDS) -> list[Result]:
    """Starts the proxy and runs the cases. Raises NotInstalledError and StartError."""
    directory = Path(tempfile.mkdtemp(prefix="conformance-"))
    try:
        async with AsyncExitStack() as opened:
            backends = [Backend() for _ in range(LANES)]
            for backend in backends:
                await backend.open()
                opened.push_async_callback(backend.close)
            ports: list[int] = []
            while len(ports) < LANES:
                if (port := free_port()) not in ports:
                    ports.append(port)
            lanes = [(port, backend.port) for port, backend in zip(ports, backends, strict=True)]
            program = await asyncio.to_thread(target.start, directory, lanes)
            opened.push_async_callback(asyncio.to_thread, program.stop)
            await asyncio.to_thread(program.wait_until_answers, ports[-1])
            results = await through(ports, backends, cases, patience)
            if not program.running:
                raise StartError(f"{target.name} ended while it was tested:\n{program.tail()}")
            return results
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def selected(cases: Sequence[Case], pattern: str) -> list[Case]:
    """The cases whose name matches a regular expression."""
    return [case for case in cases if re.search(pattern, case.name)]
