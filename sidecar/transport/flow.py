"""Keeping pace: who stopped the reading, and whether the peer takes what it is sent.

Owns the two counters of one connection. Idempotent both ways, because a receiver may ask twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.transport.wheel import DeadlineWheel, Timer

# Above so many unsent bytes a peer does not keep up. More would only be memory; less, a wake-up for each few reads.
HIGH_WATER = 262144

# What uvloop reads at once; after a read that is full it reads on, 32 times in one turn.
FULL_READ = 256000

# Who stopped the reading; bits.
BY_RECEIVER = 1
BY_BACKLOG = 2
BY_TURN = 4  # until the loop's next turn
BY_ANY = 7

# What the receiver knows of the peer's pace. A transport says `full` inside our own write, so the receiver is told in
# the next turn of the loop: in between the pressure is there and nobody told.
FLOWING = 0
FULL = 1
TOLD = 2


def _nothing() -> None:
    """What is told when nobody listens any more."""


class ReadGate:
    """Reading goes on while nobody has stopped it."""

    __slots__ = ("stops", "transport")

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.stops = 0

    def stop(self, who: int) -> None:
        """Stops the reading on behalf of `who`."""
        if not self.stops:
            self.transport.pause_reading()
        self.stops |= who

    def start(self, who: int) -> None:
        """Takes the stop of `who` back."""
        if self.stops:
            self.stops &= ~who
            if not self.stops:
                self.transport.resume_reading()

    def rest(self, loop: asyncio.AbstractEventLoop) -> None:
        """Stops the reading until the loop's next turn, after a full read: a receiver whose peer does not keep up is
        told only then, and 32 more such reads would by then be 8 MB that somebody has to keep."""
        if not self.transport.is_closing():
            self.stop(BY_TURN)
            loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if not self.transport.is_closing():
            self.start(BY_TURN)


class WriteWatch:
    """Whether the peer reads.

    `stalled` is called when it has taken nothing at all for `patience` seconds, `paused` in the turn
    after the buffer became full. `since` is when it did last; once the connection closes, when the peer last took
    anything, as far as anybody has looked.
    """

    __slots__ = ("_patience", "_paused", "_stalled", "_timer", "_unsent", "_wheel", "pressure", "since", "transport")

    transport: asyncio.Transport

    def __init__(
        self,
        wheel: DeadlineWheel,
        patience: float,
        stalled: Callable[[], object],
        paused: Callable[[], object],
    ) -> None:
        self._wheel = wheel
        self._patience = patience
        self._paused = paused
        self._timer = Timer(self._look)
        self._stalled = stalled
        self._unsent = 0
        self.pressure = FLOWING
        self.since = 0.0

    def full(self) -> None:
        """The buffer is past its high-water mark."""
        self.pressure = FULL
        self.since = self._wheel.turn
        self.watch()
        self._wheel.loop.call_soon(self._paused)

    def flows(self) -> bool:
        """The buffer is down again. Whether the receiver had been told otherwise."""
        told = self.pressure == TOLD
        self.pressure = FLOWING
        self._wheel.clear(self._timer)
        return told

    def watch(self) -> None:
        """Starts to count the patience, if anything is unsent."""
        self._unsent = self.transport.get_write_buffer_size()
        if self._unsent:
            now = self._wheel.now()
            if self.pressure == FLOWING:
                self.since = now
            self._wheel.set(self._timer, now + self._patience)

    def drop(self) -> None:
        """The connection is over; its owner is let go, or only the garbage collector would free the two."""
        self._wheel.drop(self._timer)
        self._stalled = self._paused = _nothing

    def _look(self) -> None:
        # If something was taken in the meantime, the patience begins anew.
        before = self._unsent
        self.watch()
        if self._unsent >= before > 0:
            self._stalled()
