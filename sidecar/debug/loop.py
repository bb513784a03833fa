"""How the event loop of this process does: what it is, how late it was, and what it has to look after.

The garbage collector stops the loop while it looks; it is watched only for as long as somebody asks, since a call for
each of its looks is not free.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Self

_MOST_PAUSES = 50
_FOLDER = "/proc/self/fd"


def facts(lag: Callable[[], Mapping[str, object]] | None, timers: Callable[[], int] | None) -> dict[str, object]:
    """What the running loop can tell at once. `lag` tells how late it was, `timers` how many deadlines are set; None
    where nobody measures that."""
    loop = asyncio.get_running_loop()
    return {
        "loop": _what(loop),
        "python": sys.version.split()[0],
        "lag": None if lag is None else lag(),
        "deadlines": None if timers is None else timers(),
        "tasks": len(asyncio.all_tasks(loop)),
    }


def descriptors() -> dict[str, object]:
    """What is open, by its kind. Asks the kernel about each, so it belongs on a thread."""
    kinds: Counter[str] = Counter()
    try:
        names = os.listdir(_FOLDER)
    except OSError:
        names = []
    for name in names:
        try:
            kinds[_kind(os.readlink(f"{_FOLDER}/{name}"))] += 1
        except OSError:  # closed meanwhile
            continue
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return {"open": kinds.total(), "kinds": dict(kinds.most_common()), "limit": soft, "hard_limit": hard}


class CollectorWatch:
    """Notes every look of the garbage collector within a `with`, on whatever thread it is taken."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._begun = self._entered = clock()
        self._seconds = 0.0
        self._pauses: list[tuple[float, int, int]] = []

    def __enter__(self) -> Self:
        self._entered = self._clock()
        gc.callbacks.append(self._called)
        return self

    def __exit__(self, *_exc: object) -> None:
        gc.callbacks.remove(self._called)
        self._seconds = self._clock() - self._entered

    def told(self) -> dict[str, object]:
        """The pauses, the longest first."""
        longest = sorted(self._pauses, reverse=True)[:_MOST_PAUSES]
        return {
            "watched_seconds": round(self._seconds, 3),
            "count": len(self._pauses),
            "seconds": round(sum(pause[0] for pause in self._pauses), 6),
            "longest": [
                {"seconds": round(seconds, 6), "generation": generation, "collected": collected}
                for seconds, generation, collected in longest
            ],
        }

    def _called(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._begun = self._clock()
        else:
            self._pauses.append((self._clock() - self._begun, info["generation"], info["collected"]))


def _what(loop: asyncio.AbstractEventLoop) -> str:
    module = type(loop).__module__.partition(".")[0]
    version = getattr(sys.modules.get(module), "__version__", "")
    return f"{type(loop).__module__}.{type(loop).__qualname__}" + (f" {version}" if version else "")


def _kind(target: str) -> str:
    """`socket:[123]`, `anon_inode:[eventpoll]`, `/dev/null`, `/path`: what it is, and not which."""
    if target.startswith("anon_inode:"):
        return target.removeprefix("anon_inode:").strip("[]")
    head, colon, _ = target.partition(":[")
    if colon:
        return head
    return "shared memory" if target.startswith("/memfd:") else "device" if target.startswith("/dev/") else "file"
