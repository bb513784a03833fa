"""What this process tells of its inside when somebody asks: see sidecar.debug for the looks.

Owns what runs where: what would hold the loop up goes to a thread that takes short turns. The looks themselves are
imported when somebody wants one: no start, and no worker that is started again, has to wait for them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from sidecar.app.aside import aside, short_turns
from sidecar.debug.terms import BusyError, LoopTerms, MemoryTerms, ProfileTerms, TaskTerms, Terms
from sidecar.transport.tasks import BEGAN

if TYPE_CHECKING:
    from sidecar.debug.memory import MemoryBook

# A sampler that waits for the usual five milliseconds would nearly always see the loop at its ease.
_SAMPLE_SECONDS = 0.00001


class Inspection:
    """The looks into one process. `lag` tells how late its loop was and `timers` how many deadlines it has; None where
    nobody measures that."""

    def __init__(
        self, lag: Callable[[], Mapping[str, object]] | None = None, timers: Callable[[], int] | None = None
    ) -> None:
        self._lag = lag
        self._timers = timers
        self._memory: MemoryBook | None = None  # once somebody has looked
        self._is_profiling = False

    def demand_free(self, terms: Terms) -> None:
        """Raise BusyError where such a look is under way and can only be one."""
        if self._is_profiling and isinstance(terms, ProfileTerms):
            raise BusyError("a profile is under way; one is taken at a time")

    async def answer(self, terms: Terms) -> Mapping[str, object]:
        """What `terms` ask for, JSON-ready. Raises BusyError, see `demand_free`."""
        self.demand_free(terms)
        match terms:
            case TaskTerms():
                from sidecar.debug import stacks

                return stacks.tasks(BEGAN, time.monotonic())
            case MemoryTerms():
                from sidecar.debug.memory import MemoryBook

                if self._memory is None:
                    self._memory = MemoryBook()
                with short_turns():
                    return await aside(partial(self._memory.look, terms))
            case LoopTerms():
                return await self._loop(terms.seconds)
            case ProfileTerms():
                return await self._profile(terms)

    async def _loop(self, seconds: float) -> Mapping[str, object]:
        from sidecar.debug import loop

        told = loop.facts(self._lag, self._timers)
        told["descriptors"] = await aside(loop.descriptors)
        told["collector_pauses"] = None
        if seconds:
            watch = loop.CollectorWatch()
            with watch:
                await asyncio.sleep(seconds)
            told["collector_pauses"] = watch.told()
            told["lag"] = None if self._lag is None else self._lag()
        return told

    async def _profile(self, terms: ProfileTerms) -> Mapping[str, object]:
        from sidecar.debug.sampler import profile

        self._is_profiling = True
        try:
            with short_turns(_SAMPLE_SECONDS):
                return await profile(terms.seconds, terms.hz)
        finally:
            self._is_profiling = False
