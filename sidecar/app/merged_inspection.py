"""What an instance of several workers tells of its inside: every process is asked, and each answers for itself.

A worker that stands still is what somebody looks for, so nobody waits for it longer than for the others, and it is told
of by what is wrong with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from itertools import count
from typing import Any

from sidecar.app.inspection import Inspection
from sidecar.app.messages import Cease, Inspect
from sidecar.debug.terms import BusyError, MemoryTerms, NoSuchWorkerError, ProfileTerms, Terms, lasting
from sidecar.workers.crew import Crew, Worker
from sidecar.workers.link import LinkEndedError, LinkRefusedError

_PATIENCE = 5.0
# To count a million objects takes a worker that is busy with other things some seconds.
_MEMORY_PATIENCE = 30.0


class MergedInspection:
    """Asks the supervisor itself and the workers of `crew`, for `patience` seconds longer than a look takes, and longer
    still where it is the memory that has to be counted."""

    def __init__(self, crew: Crew, patience: float = _PATIENCE) -> None:
        self._crew = crew
        self._own = Inspection()
        self._patience = patience
        self._numbers = count()
        self._is_profiling = False

    def demand(self, terms: Terms, worker: int | None) -> None:
        """Raise NoSuchWorkerError, or BusyError where such a look is under way and can only be one."""
        slots = [member.slot for member in self._crew.members]
        if worker is not None and worker not in slots:
            raise NoSuchWorkerError(worker, slots)
        if self._is_profiling and isinstance(terms, ProfileTerms):
            raise BusyError("a profile is under way; one is taken at a time")

    async def inspect(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        """See Subject. Whoever leaves meanwhile ends what the workers do for it."""
        self.demand(terms, worker)
        if not isinstance(terms, ProfileTerms):
            return await self._all(terms, worker)
        self._is_profiling = True
        try:
            return await self._all(terms, worker)
        finally:
            self._is_profiling = False

    async def _all(self, terms: Terms, worker: int | None) -> Mapping[str, Mapping[str, object]]:
        living = {one.slot: one for one in self._crew.workers if one.ready}
        asked: dict[str, Coroutine[Any, Any, Mapping[str, object]]] = {}
        if worker is None:
            asked["supervisor"] = self._own.answer(terms)
        for member in self._crew.members:
            if worker in (None, member.slot):
                asked[f"worker {member.slot}"] = self._of(living.get(member.slot), terms)
        return dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))

    async def _of(self, worker: Worker | None, terms: Terms) -> Mapping[str, object]:
        if worker is None:
            return {"error": "it does not serve yet"}
        number = next(self._numbers)
        patience = _MEMORY_PATIENCE if isinstance(terms, MemoryTerms) else self._patience
        seconds = lasting(terms) + patience
        try:
            answer = await worker.link.ask(Inspect(number, terms), seconds)
        except LinkEndedError:
            return {"error": "it ended before it answered"}
        except LinkRefusedError as error:
            return {"error": str(error)}
        except TimeoutError:
            self._cease(worker, number)
            return {"error": f"no answer within {seconds:g} s: it stands still, or is very busy"}
        except asyncio.CancelledError:
            self._cease(worker, number)
            raise
        return answer if isinstance(answer, Mapping) else {"error": "its answer is none"}

    def _cease(self, worker: Worker, number: int) -> None:
        with suppress(LinkEndedError):
            worker.link.tell(Cease(number))
