"""The only place that starts tasks: each is named, kept alive, and heard when it fails.

A task nobody refers to may be collected half-way, and its exception is lost; both have cost others whole outages.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine
from typing import Any
from weakref import WeakKeyDictionary

_log = logging.getLogger(__name__)

# When each was started, monotonic seconds: what somebody who finds a thousand of them asks first.
BEGAN: WeakKeyDictionary[asyncio.Task[Any], float] = WeakKeyDictionary()


class Tasks:
    """Keeps the tasks of one owner until they end."""

    __slots__ = ("_loop", "_running")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs `work`; what it raises is logged under `name`."""
        task = self._loop.create_task(work, name=name)
        self._running.add(task)
        BEGAN[task] = time.monotonic()
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancels what still runs and waits for its end."""
        while self._running:
            running = list(self._running)
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            _log.error("task %s failed", task.get_name(), exc_info=failure)
