"""Resident memory against the rules' limit: above it new requests are refused until it has come down.

Owns the reading and the two thresholds. Refusing costs some requests a second of waiting; the kernel, at the
container's limit, kills the process and every request with it. What is refused how is the dispatcher's.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping

from sidecar.app.garbage import give_back
from sidecar.proxy.environment import Environment
from sidecar.rules.schema import OverloadRule
from sidecar.telemetry.stats import Stats

# Below this share of the limit requests are taken again: nearer, one buffer would decide.
_ENOUGH_RATIO = 0.95
# A full collection stops the loop for milliseconds, so under a lasting shortage it is not made each time.
_COLLECT_EVERY = 10.0

_MIB = 1 << 20


class Resident:
    """Reads this process's resident memory, in bytes; 0 where the system does not tell."""

    def __init__(self, path: str = "/proc/self/statm") -> None:
        # Kept open: without a descriptor to spare it could not be opened when it matters.
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._descriptor = -1
        self._page = os.sysconf("SC_PAGESIZE")

    def __call__(self) -> int:
        if self._descriptor < 0:
            return 0
        return int(os.pread(self._descriptor, 256, 0).split()[1]) * self._page

    def close(self) -> None:
        """Read no more."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Footprint:
    """The memory of this process. `reading` gives bytes, `relieve` frees what it can."""

    def __init__(
        self,
        rule: OverloadRule,
        environment: Environment,
        stats: Stats,
        *,
        reading: Callable[[], int] | None = None,
        relieve: Callable[[], None] = give_back,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._stats = stats
        self._own = Resident() if reading is None else None
        self._reading: Callable[[], int] = reading or self._own or int
        self._relieve = relieve
        self._clock = clock
        self._relieved = -_COLLECT_EVERY
        self.follow(rule)

    def follow(self, rule: OverloadRule) -> None:
        """Keep to this rule from the next look on."""
        self._stats.memory_limit = rule.max_memory

    def look(self) -> None:
        """Read, and begin or end refusing."""
        resident = self._stats.memory_resident = self._reading()
        limit = self._stats.memory_limit
        if self._environment.shedding:
            if limit is None or resident < limit * _ENOUGH_RATIO:
                self._environment.shedding = False
                self._tell("requests are taken again", resident, limit)
        elif limit is not None and resident > limit:
            self._environment.shedding = True
            self._tell("new requests are refused", resident, limit)
            now = self._clock()
            if now - self._relieved >= _COLLECT_EVERY:
                self._relieved = now
                self._relieve()

    def close(self) -> None:
        """Let go of what it reads from."""
        if self._own is not None:
            self._own.close()

    def status(self) -> Mapping[str, object]:
        """For /status."""
        return {
            "shedding": self._environment.shedding,
            "resident_bytes": self._stats.memory_resident,
            "limit_bytes": self._stats.memory_limit,
        }

    def _tell(self, what: str, resident: int, limit: int | None) -> None:
        bound = "there is no limit any more" if limit is None else f"the limit is {limit / _MIB:.0f}MiB"
        shedding = self._environment.shedding
        self._stats.events.tell(
            "overload",
            "memory",
            f"{what}: {resident / _MIB:.0f}MiB resident, {bound}",
            {"shedding": shedding, "resident_bytes": resident, "limit_bytes": limit},
            alarming=shedding,
        )
