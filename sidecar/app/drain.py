"""How the process leaves: announced, then no new work, then the rest in its own time, under one deadline.

Owns the order and the deadline. What it acts on is a protocol, so this knows no socket and no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Protocol

from sidecar.app.lifecycle import Lifecycle, Phase

_LOG = logging.getLogger("sidecar.drain")


class Stage(IntEnum):
    """How far a drain is; the numbers are the metric `drain_phase`."""

    NONE = 0
    ANNOUNCED = 1
    DRAINING = 2
    CLOSING = 3

    @property
    def word(self) -> str:
        """The stage as status writes it."""
        return self.name.lower()


class Traffic(Protocol):
    """What is drained: everything that serves downstreams."""

    def announce(self) -> None:
        """From now on every answer closes its connection; new ones are still accepted."""

    def stop_accepting(self) -> None:
        """Close the listening sockets and every connection without a request."""

    def busy(self) -> int:
        """Connections that still have a request or a tunnel."""

    def when_quiet(self, tell: Callable[[], None]) -> None:
        """Call `tell` once the last connection is gone: an event, not a poll. At once when there is none."""

    def cut(self) -> int:
        """Cut whatever is left at once, and say how many requests and tunnels that were."""


class Drain:
    """One drain. `announce` and `deadline` in seconds, both counted from `begin`."""

    __slots__ = ("_hurried", "_lifecycle", "_over", "_traffic", "announce", "cut", "deadline", "stage", "why")

    def __init__(self, lifecycle: Lifecycle, traffic: Traffic, *, announce: float, deadline: float) -> None:
        self.announce = announce
        self.deadline = deadline
        self.stage = Stage.NONE
        self.why = ""
        self.cut = 0
        self._lifecycle = lifecycle
        self._traffic = traffic
        self._hurried = asyncio.Event()
        self._over = asyncio.Event()  # nothing is left to wait for

    def begin(self, why: str) -> None:
        """Enter the drain: not ready from this instant. Does nothing when it has begun."""
        if not self._lifecycle.advance(Phase.DRAINING):
            return
        self.why = why
        self.stage = Stage.ANNOUNCED
        self._traffic.announce()
        accepting = f"still accepting for {self.announce:g}s, " if self.announce else ""
        _LOG.info("draining (%s): %sat most %gs in all", why, accepting, self.deadline)

    def hurry(self) -> None:
        """End now: what is left is cut."""
        self._hurried.set()
        self._over.set()

    async def run(self) -> int:
        """See a drain that has begun to its end, and return how many requests and tunnels had to be cut."""
        clock = asyncio.get_running_loop().time
        began = clock()
        await self._within(began + min(self.announce, self.deadline), self._hurried.wait())
        self.stage = Stage.DRAINING
        self._traffic.stop_accepting()
        if not self._hurried.is_set():
            _LOG.info("no longer accepting; still busy: %s", counted(self._traffic.busy(), "connection"))
            self._traffic.when_quiet(self._over.set)
            await self._within(began + self.deadline, self._over.wait())
        self.cut = self._traffic.cut()
        self.stage = Stage.CLOSING
        self._lifecycle.advance(Phase.CLOSING)
        if self.cut:
            _LOG.warning("cut off, not finished in time: %s", counted(self.cut, "request"))
        else:
            _LOG.info("drained: every request was answered")
        return self.cut

    @staticmethod
    async def _within(instant: float, wait: Awaitable[object]) -> None:
        """Await until `instant` on the loop's clock at the latest."""
        try:
            async with asyncio.timeout_at(instant):
                await wait
        except TimeoutError:
            pass


def counted(number: int, thing: str) -> str:
    """As in `1 request`, `2 requests`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"
