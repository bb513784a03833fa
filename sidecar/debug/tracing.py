"""Which lines of the program hold more memory than at the look before (tracemalloc).

Off until it is started, because every allocation costs more then. Keeps sums by line between two looks and no
snapshot: those would weigh more than what is looked for. Blocks, so it belongs on a thread.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from sidecar.debug.places import short

Lines = tuple[tuple[str, int], ...]
_Sums = dict[Lines, list[int]]

_BITE = 500
# What looking itself holds, and what imports leave behind.
_NOT_TOLD = (tracemalloc.__file__, str(Path(__file__).parent), "<frozen importlib.")


class Tracing:
    """Traces on demand. `pause` is called between two bites of work."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self._pause = pause
        self._before: _Sums = {}
        self._since = time.monotonic()
        self._looked = self._since

    def start(self, frames: int) -> None:
        """Trace from now on, each allocation by its last `frames` lines; begins anew where it was on."""
        self.stop()
        tracemalloc.start(frames)
        self._since = self._looked = time.monotonic()

    def stop(self) -> None:
        """Trace no more, and forget."""
        if tracemalloc.is_tracing():
            tracemalloc.stop()
        self._before = {}

    def look(self, top: int) -> dict[str, object] | None:
        """What holds most more than at the look before, or than when it was started; None while it is off."""
        if not tracemalloc.is_tracing():
            return None
        traced, peak = tracemalloc.get_traced_memory()
        sums = self._sums()
        before, self._before = self._before, sums
        now = time.monotonic()
        looked, self._looked = self._looked, now
        return {
            "frames": tracemalloc.get_traceback_limit(),
            "since_seconds": round(now - self._since, 3),
            "compared_with_seconds_ago": round(now - looked, 3),
            "traced_bytes": traced,
            "peak_bytes": peak,
            "cost_bytes": tracemalloc.get_tracemalloc_memory(),
            "growing": _growing(before, sums, top),
        }

    def _sums(self) -> _Sums:
        sums: _Sums = {}
        for number, trace in enumerate(tracemalloc.take_snapshot().traces):
            lines = tuple((frame.filename, frame.lineno) for frame in trace.traceback)
            if not lines[-1][0].startswith(_NOT_TOLD):
                held = sums.setdefault(lines, [0, 0])
                held[0] += trace.size
                held[1] += 1
            if number % _BITE == _BITE - 1:
                self._pause()
        return sums


def _growing(before: _Sums, now: _Sums, top: int) -> list[dict[str, object]]:
    nothing = [0, 0]
    more = [(size - before.get(lines, nothing)[0], lines) for lines, (size, _) in now.items()]
    more = sorted((one for one in more if one[0] > 0), key=lambda one: -one[0])[:top]
    return [
        {
            "grown_bytes": grown,
            "grown_blocks": now[lines][1] - before.get(lines, nothing)[1],
            "bytes": now[lines][0],
            "at": [f"{short(file)}:{line}" for file, line in reversed(lines)],
        }
        for grown, lines in more
    ]
