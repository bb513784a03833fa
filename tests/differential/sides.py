"""The same bytes to Sidecar and to each peer, side by side: who takes what, and whether they take it for the same.

Owns the questions; what is known is in known.py. A finding is what two peers refuse and we take, what two peers
take and we refuse, what one of them reads as another request than we do, and what a peer forwards that we, behind it,
would read as another request than it meant.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from tests.differential.front import LAST, Front, Verdict, front
from tests.differential.judging import core_difference
from tests.differential.known import REFUSED, TAKEN
from tests.differential.norms import NORMS
from tests.differential.ours import Taken, taken
from tests.differential.pure import one_request
from tests.differential.reading import Reading

_AT_ONCE = 32
# Whoever has all it needs answers in milliseconds. On a busy machine it may not, so what was found is asked again.
_HASTY_SECONDS, _PATIENT_SECONDS = 0.4, 2.0


class Sides:
    """The peers, asked directly. `compared` counts requests that we and a peer have both taken."""

    def __init__(self, fronts: Mapping[str, Front]) -> None:
        self.compared = 0
        self._fronts = fronts

    async def findings(self, connections: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """What differs, each with the bytes that show it."""
        queue = list(connections)
        suspects: list[bytes] = []

        async def client() -> None:
            while queue:
                data = queue.pop()
                if await self._one(data, _HASTY_SECONDS):
                    suspects.append(data)

        async with asyncio.TaskGroup() as clients:
            for _ in range(_AT_ONCE):
                clients.create_task(client())
        return [one for one in [(data, await self.alone(data)) for data in suspects] if one[1]]

    async def alone(self, data: bytes) -> str:
        """What differs about one connection; empty when nothing does that is not known."""
        return await self._one(data, _PATIENT_SECONDS)

    async def _one(self, data: bytes, patience: float) -> str:
        asked = await asyncio.gather(*[one.verdict(data, patience) for one in self._fronts.values()])
        verdicts = dict(zip(self._fronts, asked, strict=True))
        ours = taken(data + LAST, b"")
        mine = [one_request(passed.sent) for passed in ours.passed]
        return _votes(data, ours, mine, verdicts) or self._readings(ours, mine, verdicts)

    def _readings(self, ours: Taken, mine: list[Reading], verdicts: Mapping[str, Verdict]) -> str:
        for name, verdict in verdicts.items():
            for sent, read in zip_longest(mine, verdict.readings):
                if sent is None or read is None:
                    # Somebody stopped there; whether by right is asked elsewhere, of two who agree.
                    stopped = ours.refusal or ours.closed if sent is None else verdict.refused
                    if not stopped and (sent or read).target != b"/last":
                        return f"{name} reads {len(verdict.readings)} requests where we read {len(mine)}"
                    break
                self.compared += 1
                if said := core_difference(NORMS[name].sent(sent), _in_origin_form(read)):
                    return f"{name}: {said}"
            for read in verdict.readings:
                if said := _behind(read):
                    return f"behind {name}: {said}"
        return ""


def _votes(data: bytes, ours: Taken, mine: list[Reading], verdicts: Mapping[str, Verdict]) -> str:
    """Whether two peers see the first request otherwise than we do, and nobody has said why."""
    first = mine[0] if mine else None
    if first is not None and first.target != b"/last":
        known = any(taking.holds(data) for taking in TAKEN)
        against = [
            name
            for name, verdict in verdicts.items()
            if not verdict.readings and verdict.refused and not known and not NORMS[name].may_refuse(first)
        ]
        return f"taken, and refused by {', '.join(against)}" if len(against) > 1 else ""
    if first is None and ours.refusal and ours.refusal not in REFUSED:
        taking = [name for name, verdict in verdicts.items() if verdict.readings]
        return f"refused as {ours.refusal!r}, and taken by {', '.join(taking)}" if len(taking) > 1 else ""
    return ""


def _behind(read: Reading) -> str:
    """What we would make of what a peer forwards, were we behind it."""
    again = taken(read.raw, b"")
    if len(again.passed) == 1:
        return core_difference(_in_origin_form(read), one_request(again.passed[0].sent))
    return (
        "" if again.refusal in REFUSED else f"{len(again.passed)} requests, {again.refusal}, {again.rest!r} left over"
    )


def _in_origin_form(reading: Reading) -> Reading:
    # HAProxy and others pass the absolute-form on as it came.
    form = re.match(rb"https?://[^/?]*", reading.target, re.IGNORECASE)
    if form is None:
        return reading
    rest = reading.target[form.end() :]
    if not rest and reading.method == b"OPTIONS":
        return replace(reading, target=b"*")
    return replace(reading, target=rest if rest[:1] == b"/" else b"/" + rest)


@asynccontextmanager
async def sides(programs: Mapping[str, str], folder: Path) -> AsyncIterator[Sides]:
    """All peers side by side; `programs` by name."""
    async with AsyncExitStack() as stack:
        yield Sides(
            {name: await stack.enter_async_context(front(name, program, folder)) for name, program in programs.items()}
        )
