"""What the memory of this process holds: objects by their types, and how they have grown since the look before.

Blocks, so it belongs on a thread. The list of objects itself is had in one step that nothing interrupts; counting them
goes in small bites with a pause after each, in which the loop has its turn. What was there when serving began is set
aside from the collector (see app.garbage), and so is not counted: leaks come later.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sidecar.debug.terms import BusyError, MemoryTerms
from sidecar.debug.tracing import Tracing

# So many objects take a fraction of a millisecond; a pause is longer than the loop needs for most of its turns.
BITE = 1000
_PAUSE = 0.0005
# Whoever has not looked for so long has forgotten that every allocation pays for it.
FORGOTTEN_SECONDS = 3600.0

_LOG = logging.getLogger("sidecar.debug")


class MemoryBook:
    """Looks, and remembers what it saw for the next look. One for each process; `look` may be called on any thread.
    Tracing ends by itself when nobody has looked for `forgotten` seconds."""

    def __init__(self, pause: Callable[[float], None] = time.sleep, forgotten: float = FORGOTTEN_SECONDS) -> None:
        self._pause = pause
        self._forgotten = forgotten
        self._ending: threading.Timer | None = None
        self._counts: Counter[str] | None = None
        self._tracing = Tracing(lambda: pause(_PAUSE))
        self._lock = threading.Lock()

    def look(self, terms: MemoryTerms) -> dict[str, object]:
        """Everything that `terms` ask for. Raises BusyError while another look is under way."""
        if not self._lock.acquire(blocking=False):
            raise BusyError("another look at the memory is under way")
        try:
            begun = time.perf_counter()
            # Before the count: its own allocations are nobody's leak.
            traced = self._traced(terms)
            objects = self._objects(terms.top) if terms.top else None
            resident = _resident()
            # The kernel brings its peak up to date late: it may be below what is resident now.
            peak = max(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT, resident or 0)
            return {
                "resident_bytes": resident,
                "peak_resident_bytes": peak,
                "collector": _collector(),
                "objects": objects,
                "trace": traced,
                "took_seconds": round(time.perf_counter() - begun, 3),
            }
        finally:
            self._lock.release()

    def _traced(self, terms: MemoryTerms) -> dict[str, object] | None:
        if terms.trace == "start":
            self._tracing.start(terms.frames)
        elif terms.trace == "stop":
            self._tracing.stop()
        traced = self._tracing.look(terms.top)
        self._end_later(traced is not None)
        return traced

    def _end_later(self, traces: bool) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
        if traces:
            self._ending = threading.Timer(self._forgotten, self._end)
            self._ending.name = "end of tracing"
            self._ending.daemon = True
            self._ending.start()

    def _end(self) -> None:
        with self._lock:
            if self._ending is not threading.current_thread():
                return  # somebody has looked meanwhile
            self._tracing.stop()
            _LOG.warning("allocations are traced no more: nobody has looked for %g s", self._forgotten)
            self._ending = None

    def _objects(self, top: int) -> dict[str, object]:
        counts: Counter[type] = Counter()
        sizes: Counter[type] = Counter()
        for generation in range(3):
            self._count(gc.get_objects(generation), counts, sizes)
        named: Counter[str] = Counter()
        weights: Counter[str] = Counter()
        for kind, count in counts.items():
            named[_name(kind)] += count
            weights[_name(kind)] += sizes[kind]
        before, self._counts = self._counts, named
        return {
            "count": named.total(),
            "types": [
                {"type": name, "count": count, "bytes": weights[name], "grown": _grown(before, name, count)}
                for name, count in named.most_common(top)
            ],
            "growing": _growing(before, named, top),
        }

    def _count(self, objects: list[object], counts: Counter[type], sizes: Counter[type]) -> None:
        while objects:
            # Taken off the list: what dies meanwhile is held for as short as can be, and is freed bite by bite.
            bite = objects[-BITE:]
            del objects[-BITE:]
            for one in bite:
                kind = type(one)
                counts[kind] += 1
                sizes[kind] += sys.getsizeof(one, 0)
            del bite
            self._pause(_PAUSE)


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def _name(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def _grown(before: Counter[str] | None, name: str, count: int) -> int | None:
    return None if before is None else count - before[name]


def _growing(before: Counter[str] | None, now: Counter[str], top: int) -> list[dict[str, object]] | None:
    """The types with the most objects more than at the look before; None where there was none."""
    if before is None:
        return None
    more = Counter({name: count - before[name] for name, count in now.items() if count > before[name]})
    return [{"type": name, "grown": grown, "count": now[name]} for name, grown in more.most_common(top)]


def _collector() -> dict[str, object]:
    return {
        "enabled": gc.isenabled(),
        "counts": list(gc.get_count()),
        "thresholds": list(gc.get_threshold()),
        "set_aside": gc.get_freeze_count(),
        "generations": [dict(one) for one in gc.get_stats()],
    }


def _resident() -> int | None:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return None
