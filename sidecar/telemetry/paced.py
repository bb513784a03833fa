"""Lines that are let out at an even pace. Those that come faster wait in a short queue; a full one takes no more.

Owns the pace and the queue; which lines come here is the access log's to say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from aiolimiter import AsyncLimiter

Start = Callable[[Coroutine[Any, Any, None], str], object]

# Timers are a millisecond or so late, and a pace of single lines would lose that each time.
_BURST_SECONDS = 0.1


class Paced:
    """Hands lines to `put`, at most `rate` of them a second. `start` starts its task; there is one while lines wait."""

    __slots__ = ("_limiter", "_lines", "_most", "_put", "_rate", "_running", "_start")

    def __init__(self, put: Callable[[bytes], None], start: Start, rate: float) -> None:
        self._put = put
        self._start = start
        self._lines: deque[bytes] = deque()
        self._running = False
        self._rate = 0.0
        self.keep_to(rate)

    @property
    def has_room(self) -> bool:
        """Whether another line may wait: there is room for a second's."""
        return len(self._lines) < self._most

    def __call__(self, line: bytes) -> None:
        """Let this line out when its turn has come. Asked for only where there is room."""
        self._lines.append(line)
        if not self._running:
            self._running = True
            self._start(self._run(), "paced lines")

    def keep_to(self, rate: float) -> None:
        """Another pace from now on, in lines a second; the line that waits next keeps its turn."""
        if rate != self._rate:
            self._rate = rate
            self._most = max(1, int(rate))
            burst = max(1.0, rate * _BURST_SECONDS)
            self._limiter = AsyncLimiter(burst, burst / rate)

    def flush(self) -> None:
        """Let out what waits, at once."""
        while self._lines:
            self._put(self._lines.popleft())

    async def _run(self) -> None:
        try:
            while self._lines:
                await self._limiter.acquire()
                if self._lines:  # not flushed meanwhile
                    self._put(self._lines.popleft())
        finally:
            self._running = False
