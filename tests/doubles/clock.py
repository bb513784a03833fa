"""Time that stands still until a test moves it, for a proxy on real sockets.

Promises about seconds (a breaker's open time, an ejection's, a rate) are kept or broken here by the clock that the
proxy reads and by nothing else, so a loaded machine changes no result and nobody waits for real seconds.
"""

from __future__ import annotations

import asyncio
from math import inf

from sidecar.transport.wheel import DeadlineWheel, Timer
from tests.doubles.backend import LIMIT_SECONDS

# The wheel's own grain: between two of its slots nothing could be noticed.
TICK = 0.02


class Clock:
    """Monotonic seconds, in whole ticks. Calling it reads it."""

    def __init__(self) -> None:
        self._ticks = 1_000_000
        self._wheel: DeadlineWheel | None = None

    def __call__(self) -> float:
        return self._ticks * TICK

    def wheel(self, loop: asyncio.AbstractEventLoop, _clock: object) -> DeadlineWheel:
        """A wheel that reads this clock instead; stands in for the class where the proxy makes its own."""
        self._wheel = DeadlineWheel(loop, self, TICK, inf)  # a step of this clock is no stall of the loop
        return self._wheel

    async def advance(self, seconds: float) -> None:
        """Moves the time, in one step, and returns when everything that came due by it has been called."""
        assert self._wheel is not None
        ticks = round(seconds / TICK)
        if ticks < 1:
            raise ValueError(f"{seconds} s are no tick of this clock")
        self._ticks += ticks
        passed = asyncio.Event()
        # Longer overdue than anything else, so the wheel has to look now, and calls whatever else is due with it.
        self._wheel.set(Timer(passed.set), 0.0)
        async with asyncio.timeout(LIMIT_SECONDS):
            await passed.wait()

    async def passed(self, seconds: float) -> None:
        """Waits until so much time has passed by this clock."""
        assert self._wheel is not None
        passed = asyncio.Event()
        self._wheel.set(Timer(passed.set), self() + seconds)
        async with asyncio.timeout(LIMIT_SECONDS):
            await passed.wait()
