"""The life of the process as one enum that moves forward only, and whoever wants to be told.

Knows no signal, no socket and no clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum


class Phase(IntEnum):
    """Where the process is in its life. A phase may be skipped, none comes back."""

    STARTING = 0
    SERVING = 1
    DRAINING = 2
    CLOSING = 3
    STOPPED = 4

    @property
    def word(self) -> str:
        """The phase as status and log write it."""
        return self.name.lower()


class Lifecycle:
    """The current phase, its subscribers and its waiters. Lives on the loop's thread."""

    __slots__ = ("_reached", "_subscribers", "phase")

    def __init__(self) -> None:
        self.phase = Phase.STARTING
        self._subscribers: list[Callable[[Phase], None]] = []
        self._reached = {phase: asyncio.Event() for phase in Phase}
        self._reached[Phase.STARTING].set()

    def subscribe(self, subscriber: Callable[[Phase], None]) -> None:
        """Tell `subscriber` of every later phase, after the phase is in force."""
        self._subscribers.append(subscriber)

    def advance(self, phase: Phase) -> bool:
        """Enter `phase`; False, and nothing happens, when it is reached or past already."""
        if phase <= self.phase:
            return False
        self.phase = phase
        for subscriber in tuple(self._subscribers):
            subscriber(phase)
        for passed in Phase:
            if passed <= phase:
                self._reached[passed].set()
        return True

    def demand_staying(self) -> None:
        """To be asked before other rules are put in force. OSError once it leaves."""
        if self.phase > Phase.SERVING:
            raise OSError("it is leaving, and its rules stay as they are")

    async def reached(self, phase: Phase, within: float | None = None) -> bool:
        """Wait until `phase`, or one past it, is in force, at most `within` seconds; whether it is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._reached[phase].wait()
        return self.phase >= phase
