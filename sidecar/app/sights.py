"""What the workers see, asked for again at each look.

Owns what each told last, and the counts of those that died. A worker that does not answer in time is told of as it was,
and until it has answered nobody waits for it again: one that stands still must not fail every probe of the instance.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sidecar.admin.subject import Condition
from sidecar.app.messages import Count, Look, Sight
from sidecar.telemetry.merging import Merged
from sidecar.telemetry.parts import unpacked
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from sidecar.workers.crew import Crew, Worker
from sidecar.workers.link import LinkEndedError, LinkRefusedError

# A worker answers between two requests; a scrape waits for nobody longer than this.
_LOOK_SECONDS = 2.0
_PERIOD = 1.0
# To count ten thousand routes takes a worker a fifth of a second: nine tenths of the time it is left alone.
_REST = 9.0
# One that has not answered goes on being asked: its answer counts whenever it comes.
_PATIENCE = 3600.0
_KINDS = ("requests", "tunnels", "websockets")


@dataclass(frozen=True, slots=True)
class Seen:
    """A sight, its status unpacked."""

    conditions: Sequence[Condition]
    status: Mapping[str, Any]
    breakers: Sequence[str]
    endpoints: Sequence[str]


class Sights:
    """The last sight of each worker by its slot, and `merged`, the instance's counts. `own` are the supervisor's.
    `silent` are the slots of those that have left the last look without an answer."""

    def __init__(self, own: Stats, tasks: Tasks) -> None:
        self.merged = Merged(own)
        self.last: dict[int, Seen] = {}
        self._tasks = tasks
        self.silent: set[int] = set()
        self._asked: dict[Worker, asyncio.Task[None]] = {}
        self._counting: dict[Worker, asyncio.Task[None]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def refresh(self, crew: Crew) -> None:
        """Ask every worker. Who asks during a look shares the next one: what has happened by now must be in it. Never
        raises."""
        if self._next is None:
            self._next = self._tasks.start(self._look(crew, self._looking), "look at the workers")
        # Not awaited itself: one who asked may leave, and others wait for the same.
        await asyncio.wait((self._next,))

    async def keep_looking(self, crew: Crew) -> None:
        """Have the workers' counts now and then also when nobody asks, or they would go with one that is killed."""
        while True:
            await asyncio.sleep(_PERIOD)
            for worker in crew.workers:
                if worker.ready and worker not in self._counting:
                    self._counting[worker] = self._tasks.start(self._count(worker), f"count worker {worker.slot}")

    def lost(self, slot: int) -> None:
        """The worker that had this place is gone; what it counted stays."""
        self.last.pop(slot, None)
        self.silent.discard(slot)
        self.merged.lost(slot)

    def in_flight(self) -> dict[str, int]:
        """What is under way, as the workers told it last."""
        told = [sight.status["drain"]["in_flight"] for sight in self.last.values()]
        return {kind: sum(one[kind] for one in told) for kind in _KINDS}

    async def _look(self, crew: Crew, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait((before,))
        self._looking, self._next = self._next, None
        asked = [self._ask(worker) for worker in crew.workers if worker.ready and worker not in self._asked]
        if asked:
            await asyncio.wait(asked, timeout=_LOOK_SECONDS)
        self.silent = {worker.slot for worker in self._asked}

    def _ask(self, worker: Worker) -> asyncio.Task[None]:
        asked = self._asked[worker] = self._tasks.start(self._look_at(worker), f"look at worker {worker.slot}")
        return asked

    async def _look_at(self, worker: Worker) -> None:
        try:
            sight = cast(Sight, await worker.link.ask(Look(), _PATIENCE))
            seen = Seen(sight.conditions, await unpacked(sight.status), sight.breakers, sight.endpoints)
            counts = await unpacked(sight.counts)
        except (LinkEndedError, LinkRefusedError, TimeoutError):
            return
        finally:
            del self._asked[worker]
        if not worker.link.ended:
            self.silent.discard(worker.slot)
            self.last[worker.slot] = seen
            self.merged.update(worker.slot, counts)

    async def _count(self, worker: Worker) -> None:
        begun = time.monotonic()
        try:
            counts = await unpacked(cast("list[bytes]", await worker.link.ask(Count(), _PATIENCE)))
            if not worker.link.ended:
                self.merged.update(worker.slot, counts)
            await asyncio.sleep(_REST * (time.monotonic() - begun))
        except (LinkEndedError, LinkRefusedError, TimeoutError):
            return
        finally:
            del self._counting[worker]
