"""How the process leaves: announced, then no new work, then the rest in its own time, under one deadline.

Owns the order and the deadline. What it acts on is a protocol, so this knows no socket and no HTTP.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import IntEnum
from typing import Protocol

from sidecar.app.lifecycle import Lifecycle, Phase

# How long before the deadline a WebSocket is told: it never ends by itself, and a closing handshake is one round trip.
# Of a short deadline it takes no more than this share from those who would have had something to say until then.
_NOTICE_SECONDS = 2.0
_NOTICE_SHARE = 0.1

# Under load, whoever is between two requests asks again within this time, and learns from the answer that it is the
# last one here. To close at once would meet requests that are on their way: measured, one for each client.
_FAREWELL_SECONDS = 1.0


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

    def announce(self, ends_at: float) -> None:
        """From now on every answer closes its connection; new ones are still accepted. What is left is cut at `ends_at`
        (Unix seconds)."""

    def stop_accepting(self) -> None:
        """Close the listening sockets; whoever they have let in is served."""

    async def refresh(self) -> None:
        """Return once `in_flight` knows what clients have sent until now."""

    def close_idle(self) -> None:
        """Close every connection without a request, and each of the others once it has none."""

    def in_flight(self) -> Mapping[str, int]:
        """How many `requests`, `tunnels` and `websockets` are under way."""

    def when_quiet(self, tell: Callable[[], None]) -> None:
        """Call `tell` once the last connection is gone: an event, not a poll. At once when there is none."""

    def leave_websockets(self) -> None:
        """Have the clients of WebSockets close them (RFC 6455: status 1001)."""

    def hurry(self, tell: Callable[[], None]) -> None:
        """It is to end now: call `tell` when that can be done, at once or a little later."""

    def cut(self) -> int:
        """End whatever is left at once, and say how many requests and tunnels that cut short."""

    def report(self, stage: Stage, text: str, cut: int = 0) -> None:
        """The drain has come to this stage; `cut` as above."""


class Drain:
    """One drain. `announce` and `deadline` in seconds, both counted from `begin`."""

    # fmt: off
    __slots__ = (
        "_began", "_farewell", "_hurried", "_lifecycle", "_over", "_patience", "_traffic", "announce", "cut",
        "deadline", "stage", "why",
    )
    # fmt: on

    def __init__(
        self, lifecycle: Lifecycle, traffic: Traffic, *, announce: float, deadline: float, patience: float = 0.0
    ) -> None:
        """`patience`: seconds past the deadline that others, who keep it themselves, have to say what they cut."""
        self.announce = announce
        self.deadline = deadline
        self.stage = Stage.NONE
        self.why = ""
        self.cut = 0
        self._lifecycle = lifecycle
        self._traffic = traffic
        self._patience = patience
        self._began = 0.0
        self._farewell = 0.0
        self._hurried = asyncio.Event()
        self._over = asyncio.Event()  # nothing is left to wait for

    def begin(self, why: str) -> None:
        """Enter the drain: not ready from this instant. Does nothing when it has begun."""
        starting = self._lifecycle.phase is Phase.STARTING
        if not self._lifecycle.advance(Phase.DRAINING):
            return
        if starting:
            self.announce = 0.0  # it was never ready: there is nobody to notice that it is not
        self.why = why
        self._began = _now()
        self._traffic.announce(time.time() + self.deadline)
        accepting = f"still accepting for {self.announce:g}s, " if self.announce else ""
        self._enter(Stage.ANNOUNCED, f"draining ({why}): {accepting}at most {self.deadline:g}s in all")

    def follow(self) -> None:
        """A successor accepts on the same sockets: nothing is announced, and idle connections close after a moment."""
        self.announce = 0.0
        self._farewell = _FAREWELL_SECONDS

    def hurry(self) -> None:
        """End now: what is left is cut."""
        self._hurried.set()
        self._traffic.hurry(self._over.set)

    async def run(self) -> int:
        """See a drain that has begun to its end, and return how many requests and tunnels had to be cut."""
        traffic = self._traffic
        end = self._began + self.deadline
        await _within(min(self._began + self.announce, end), self._hurried.wait())
        traffic.stop_accepting()
        await traffic.refresh()
        if self._farewell:
            traffic.when_quiet(self._over.set)
            await _within(min(_now() + self._farewell, end), self._over.wait())
        traffic.close_idle()
        self._enter(Stage.DRAINING, f"no longer accepting; still busy: {self.left()}")
        traffic.when_quiet(self._over.set)
        await _within(end - min(_NOTICE_SECONDS, self.deadline * _NOTICE_SHARE), self._over.wait())
        traffic.leave_websockets()
        await _within(end + self._patience, self._over.wait())
        self.cut = traffic.cut()
        if self.cut:
            text = f"cut off, not finished in time: {counted(self.cut, 'request')}"
        else:
            text = "drained: every request was answered"
        self._enter(Stage.CLOSING, text, self.cut)
        self._lifecycle.advance(Phase.CLOSING)
        return self.cut

    async def refresh(self) -> None:
        """Return once `left` knows what is under way now."""
        await self._traffic.refresh()

    def left(self) -> str:
        """What is under way, in words."""
        return told(self._traffic.in_flight())

    def standing(self) -> str:
        """What readiness says of it: the stage, and how long it may still last."""
        now = _now()
        if self.stage is Stage.ANNOUNCED:
            return f"draining: announced, still accepting for {self._left(self.announce, now):g}s"
        if self.stage is Stage.DRAINING:
            return f"draining: no longer accepting, at most {self._left(self.deadline, now):g}s left"
        return self._lifecycle.phase.word

    def snapshot(self) -> dict[str, object]:
        """The drain as status shows it; seconds left are null where nothing is running out."""
        now = _now()
        running = self.stage in (Stage.ANNOUNCED, Stage.DRAINING)
        return {
            "stage": self.stage.word,
            "why": self.why,
            "announce_seconds": self.announce,
            "announce_left_seconds": self._left(self.announce, now) if self.stage is Stage.ANNOUNCED else None,
            "deadline_seconds": self.deadline,
            "deadline_left_seconds": self._left(self.deadline, now) if running else None,
            "in_flight": dict(self._traffic.in_flight()),
            "cut": self.cut,
        }

    def _enter(self, stage: Stage, text: str, cut: int = 0) -> None:
        self.stage = stage
        self._traffic.report(stage, text, cut)

    def _left(self, seconds: float, now: float) -> float:
        return round(max(0.0, self._began + min(seconds, self.deadline) - now), 1)


def counted(number: int, thing: str) -> str:
    """As in `1 request`, `2 requests`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def told(in_flight: Mapping[str, int]) -> str:
    """As in `2 requests, 1 websocket`; `nothing` where there is nothing."""
    some = [counted(number, kind.removesuffix("s")) for kind, number in in_flight.items() if number]
    return ", ".join(some) or "nothing"


async def _within(instant: float, wait: Awaitable[object]) -> None:
    """Await until `instant` on the loop's clock at the latest."""
    try:
        async with asyncio.timeout_at(instant):
            await wait
    except TimeoutError:
        pass


def _now() -> float:
    return asyncio.get_running_loop().time()
