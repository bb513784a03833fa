"""Deadlines by the thousand for one loop timer: a wheel of coarse slots.

Owns the loop's timer handle. An exchange moves its deadlines several times and hardly any is ever reached, so moving
one later, or clearing it, is one store into the timer; the wheel looks again only when the timer's old slot comes up.
(`loop.call_at` per exchange cost 20 % of the throughput, measured.) Late by up to one tick, never early. After a turn
of the loop that took very long, what came meanwhile is heard first.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Callable
from math import ceil, inf

_log = logging.getLogger(__name__)

# uvloop rounds delays down to whole milliseconds: a shorter one would spin until the slot comes.
_SHORTEST_SLEEP = 0.001
# uvloop fires timers before it reads. After a turn as long as this, or a process that was stopped for so long, whatever
# came in time, an answer or a connection, lies unread, and would all be taken for somebody's silence.
STALL_SECONDS = 0.25
_NOWHERE = -1


def _nothing() -> None:
    """What a dropped timer calls."""


class Timer:
    """One deadline that can be moved; calls `callback` when it passes. Belongs to at most one wheel."""

    __slots__ = ("callback", "deadline", "slot")

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.deadline = inf
        self.slot = _NOWHERE


class DeadlineWheel:
    """The timers of one loop. `clock` gives monotonic seconds and need not be the loop's; `tick` is a slot's width. One
    that wakes later than `stall` seconds hears first what came meanwhile.

    `turn` is what the clock said last. Whoever is called within a call chain that began with `now` reads it instead:
    all that one event leads to then happens at one instant, and the clock is asked once instead of eight times.
    """

    __slots__ = ("_clock", "_due", "_handle", "_is_late", "_slots", "_stall", "_tick", "_wake_slot", "loop", "turn")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        tick: float = 0.02,
        stall: float = STALL_SECONDS,
    ) -> None:
        self.loop = loop
        self._clock = clock
        self._tick = tick
        self._stall = stall
        self._slots: dict[int, dict[Timer, None]] = {}
        self._due: list[int] = []
        self._handle: asyncio.TimerHandle | None = None
        self._is_late = False
        self._wake_slot = 0
        self.turn = clock()

    def timers(self) -> int:
        """How many timers have a slot, those that were cleared and have not been met since among them."""
        count = 0
        for slot in self._slots.values():
            count += len(slot)
        return count

    def now(self) -> float:
        """The clock's time, monotonic seconds; begins a turn."""
        self.turn = self._clock()
        return self.turn

    def set(self, timer: Timer, deadline: float) -> None:
        """Calls the timer's callback once, at `deadline` or up to a tick (plus the loop's lag) after it."""
        timer.deadline = deadline
        slot = timer.slot
        if deadline == inf:
            return
        if slot != _NOWHERE and slot * self._tick <= deadline:
            return
        self._place(timer)

    def clear(self, timer: Timer) -> None:
        """The timer does not fire until it is set again. It keeps its slot, which makes setting it again cheap."""
        timer.deadline = inf

    def drop(self, timer: Timer) -> None:
        """Clears the timer for good and lets go of it at once, for one whose owner is done.

        Its callback goes too: owner and timer refer to each other, and only the garbage collector would free them.
        """
        timer.deadline = inf
        timer.callback = _nothing
        if timer.slot != _NOWHERE:
            del self._slots[timer.slot][timer]
            timer.slot = _NOWHERE

    def close(self) -> None:
        """Stops the wheel; nothing fires any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        for timers in self._slots.values():
            for timer in timers:
                timer.slot = _NOWHERE
        self._slots.clear()
        self._due.clear()

    def _place(self, timer: Timer) -> None:
        slot = ceil(timer.deadline / self._tick)
        if slot * self._tick < timer.deadline:
            slot += 1  # the quotient was rounded down
        if timer.slot != _NOWHERE:
            if timer.slot == slot:
                return
            del self._slots[timer.slot][timer]
        timer.slot = slot
        timers = self._slots.get(slot)
        if timers is not None:
            timers[timer] = None
            if self._handle is None:  # every timer here was dropped, and the wheel went to sleep for good
                self._sleep(self.now())
            return
        self._slots[slot] = {timer: None}
        heapq.heappush(self._due, slot)
        if self._handle is None or slot < self._wake_slot:
            self._sleep(self.now())

    def _sleep(self, now: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        # A slot whose timers were all dropped needs no waking.
        while self._due and not self._slots[self._due[0]]:
            del self._slots[heapq.heappop(self._due)]
        if self._due:
            self._wake_slot = self._due[0]
            delay = self._wake_slot * self._tick - now
            self._handle = self.loop.call_later(max(delay, _SHORTEST_SLEEP), self._wake)

    def _wake(self) -> None:
        self._handle = None
        now = self.now()
        if not self._is_late and now - self._wake_slot * self._tick > self._stall:
            self._is_late = True
            self._handle = self.loop.call_later(self._tick, self._wake)
            return
        self._is_late = False
        due = self._due
        fired: list[Timer] = []
        while due and due[0] * self._tick <= now:
            for timer in self._slots.pop(heapq.heappop(due)):
                timer.slot = _NOWHERE
                if timer.deadline <= now:
                    fired.append(timer)
                elif timer.deadline != inf:
                    self._place(timer)
        for timer in fired:
            # An earlier callback of this round may have moved or cleared it.
            if timer.deadline <= now:
                self._fire(timer)
        self._sleep(self.now())

    def _fire(self, timer: Timer) -> None:
        timer.deadline = inf
        try:
            timer.callback()
        except Exception:  # noqa: BLE001 - one owner's bug must not cost the others their deadlines
            _log.exception("a deadline's callback failed")
