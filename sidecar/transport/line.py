"""The line for the connections of one pool: who waits in it, and whose client is cut so that it moves on.

Owns one waiter's place, and the looks for connections that clients hold up. Where a client takes nothing of an answer,
its connection to the endpoint is held up with it: a pool's worth of such clients keeps everybody else out. Nobody is
cut while nobody waits.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sidecar.transport.stream import Receiver
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel, Timer

# A slow network is up for the next 200 KB within it, and a player that has enough for now has others to go to.
HELD_UP_SECONDS = 5.0
# For all who come meanwhile.
_LOOK_SECONDS = 0.1
# Each is followed by a new connection: hundreds in one turn would be late, and be taken for the endpoint's failures.
_AT_ONCE = 32
_HELD_UP = "the client took too little of its answer while others waited for a connection"


class Waiter:
    """One receiver in line; `pool.expired` is told when its time is over."""

    __slots__ = ("_pool", "fresh", "receiver", "timer")

    def __init__(self, pool: Any, receiver: Receiver, fresh: bool) -> None:
        self._pool = pool
        self.receiver = receiver
        self.fresh = fresh
        self.timer = Timer(self._expired)

    def _expired(self) -> None:
        self._pool.expired(self)


class Relief:
    """Has those give way that are held up the longest, as many as wait, once each has been for HELD_UP_SECONDS.

    `connections` are the pool's, `line` those who wait; both as they are at each look.
    """

    __slots__ = ("_connections", "_line", "_timer", "_wheel")

    def __init__(
        self, wheel: DeadlineWheel, connections: Collection[UpstreamConnection], line: Collection[Receiver]
    ) -> None:
        self._wheel = wheel
        self._connections = connections
        self._line = line
        self._timer = Timer(self._look)

    def ask(self) -> None:
        """Somebody waits, and no connection may be made."""
        soon = self._wheel.turn + _LOOK_SECONDS
        if soon < self._timer.deadline:
            self._wheel.set(self._timer, soon)

    def _look(self) -> None:
        wanted = min(len(self._line), _AT_ONCE)
        if not wanted:
            return
        now = self._wheel.turn
        held = [(one.held_since(), number, one) for number, one in enumerate(self._connections)]
        held.sort()
        again = now + HELD_UP_SECONDS
        for place, (since, _, connection) in enumerate(held):
            if since > now - HELD_UP_SECONDS:
                again = min(again, since + HELD_UP_SECONDS)
                break
            if place == wanted:
                again = now + _LOOK_SECONDS
                break
            connection.give_way(_HELD_UP)
        self._wheel.set(self._timer, again)
