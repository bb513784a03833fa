"""The open connections of one listener, for those who must end them and wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

# What a connection carries.
NOTHING = 0
REQUEST = 1
RAW_TUNNEL = 2
WEBSOCKET = 3

# What a connection that waits is behind with; the first of these gives way first.
A_HEAD = 0
NOTHING_MORE = 1  # it is kept after an answer
A_BODY = 2
READING = 3


class Closable(Protocol):
    """An open connection, as its owner sees it."""

    def carries(self) -> int:
        """NOTHING, a REQUEST, a RAW_TUNNEL or a WEBSOCKET."""

    def close_when_idle(self) -> None:
        """Closes now if no request has begun or is about to, else after the running answer."""

    def leave_websocket(self) -> None:
        """Tells the client of a WebSocket that it goes; nothing else is touched."""

    def end_now(self) -> int:
        """Ends it as well as that can be done at once; how many requests and tunnels that cut short."""

    def abort(self) -> None:
        """Cuts it."""

    def waits(self) -> tuple[int, float] | None:
        """None while it carries something, or is about to. Else what it is behind with, and since when, as an instant
        of its loop's wheel."""

    def give_way(self) -> bool:
        """Ends it for another's sake, at once; for one that `waits`. Whether it did: it may have spoken just now."""


class Registry:
    """A set that says when it has shrunk to a size. Iterating goes over a copy, so connections may end meanwhile.

    `leaving`: whoever comes late, accepted before the sockets were closed, is to close when idle like all others.
    """

    __slots__ = ("_open", "_told_at", "leaving")

    def __init__(self) -> None:
        self.leaving = False
        self._open: set[Closable] = set()
        self._told_at: list[tuple[int, Callable[[], None]]] = []

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Closable]:
        return iter(list(self._open))

    def add(self, connection: Closable) -> None:
        """The connection is open."""
        self._open.add(connection)

    def discard(self, connection: Closable) -> None:
        """The connection is closed."""
        self._open.discard(connection)
        if self._told_at:
            self._tell()

    def close_idle(self) -> None:
        """Closes idle connections now, each of the others once it is idle, and whoever comes late."""
        self.leaving = True
        for connection in self:
            connection.close_when_idle()

    def when_empty(self, tell: Callable[[], None]) -> None:
        """Calls `tell` once when the last connection is gone; at once if there is none."""
        self.when_at_most(0, tell)

    def when_at_most(self, count: int, tell: Callable[[], None]) -> None:
        """Calls `tell` once when no more than `count` connections are left; at once if it is so."""
        if len(self._open) <= count:
            tell()
        else:
            self._told_at.append((count, tell))

    def _tell(self) -> None:
        left = len(self._open)
        due = [tell for count, tell in self._told_at if left <= count]
        if due:
            self._told_at = [one for one in self._told_at if left > one[0]]
            for tell in due:
                tell()
