"""The open connections of one listener, for those who must end them and wait for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol


class Closable(Protocol):
    """An open connection, as its owner sees it."""

    def close_when_idle(self) -> None:
        """Closes now if no request has begun, else after the running answer."""

    def abort(self) -> None:
        """Cuts it."""


class Registry:
    """A set that says when it has become empty. Iterating goes over a copy, so connections may end meanwhile."""

    __slots__ = ("_open", "_when_empty")

    def __init__(self) -> None:
        self._open: set[Closable] = set()
        self._when_empty: list[Callable[[], None]] = []

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
        if not self._open and self._when_empty:
            told = self._when_empty
            self._when_empty = []
            for tell in told:
                tell()

    def when_empty(self, tell: Callable[[], None]) -> None:
        """Calls `tell` once when the last connection is gone; at once if there is none."""
        if self._open:
            self._when_empty.append(tell)
        else:
            tell()
