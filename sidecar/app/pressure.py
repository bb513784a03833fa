"""What the process may run out of, looked at four times a second: descriptors and memory.

Owns the timer. What each shortage means is descriptors.py's and footprint.py's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from sidecar.app.descriptors import Descriptors
from sidecar.app.footprint import Footprint
from sidecar.rules.schema import RuleSet

_LOG = logging.getLogger("sidecar.pressure")

PERIOD = 0.25


class Pressure:
    """Looks from `start` to `stop`. On the loop's thread."""

    __slots__ = ("_handle", "_loop", "descriptors", "footprint")

    def __init__(self, loop: asyncio.AbstractEventLoop, descriptors: Descriptors, footprint: Footprint) -> None:
        self._loop = loop
        self.descriptors = descriptors
        self.footprint = footprint
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now and from now on; a second call changes nothing."""
        if self._handle is None:
            self.descriptors.count()
            self._look()

    def stop(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        self.footprint.close()

    def follow(self, rules: RuleSet) -> None:
        """Keep to these rules from now on."""
        self.footprint.follow(rules.overload)

    def status(self) -> Mapping[str, object]:
        """For /status."""
        return {**self.descriptors.status(), "memory": self.footprint.status()}

    def _look(self) -> None:
        self._handle = self._loop.call_later(PERIOD, self._look)
        for one in (self.descriptors, self.footprint):
            try:
                one.look()
            except Exception:  # noqa: BLE001 - a bug in one of them must not end the other, nor the next look
                _LOG.exception("looking at %s failed", type(one).__name__.lower())
