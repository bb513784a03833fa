"""How long a task waits for something, by a timer of the wheel.

Owns one cancellation, and whose it was. What asyncio.timeout does; that takes a timer of the loop each time.
"""

from __future__ import annotations

import asyncio

from sidecar.transport.wheel import Timer


class Patience:
    """The patience of the task that makes it: when `timer` fires, whatever the task waits for is cancelled."""

    __slots__ = ("_fired", "_task", "timer")

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._fired = False
        self.timer = Timer(self._lose)

    def is_lost(self) -> bool:
        """Whether the task was cancelled by its patience, and by nobody else; it then counts as not cancelled."""
        return self._fired and self._task is not None and self._task.uncancel() == 0

    def _lose(self) -> None:
        self._fired = True
        if self._task is not None:
            self._task.cancel()
