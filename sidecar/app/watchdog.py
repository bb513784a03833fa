"""The life sign that a service manager demands, given by the loop itself: one that hangs is silent, and is ended.

Owns when it is given. Where several processes serve, crew_watch.py asks the others for theirs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Where a beat was not heard, the next one comes so much sooner: else a single loss would use up the whole time.
_SOONER = 8


class Pulse:
    """Calls `beat` from the loop twice within `seconds`, so that a loop that hangs is one that is silent. `beat` says
    whether it was heard."""

    __slots__ = ("_beat", "_handle", "_loop", "_period")

    def __init__(self, seconds: float, beat: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
        self._period = seconds / 2
        self._beat = beat
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """The first one at once."""
        heard = self._beat()
        self._handle = self._loop.call_later(self._period if heard else self._period / _SOONER, self.start)

    def stop(self) -> None:
        """No more of them."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
