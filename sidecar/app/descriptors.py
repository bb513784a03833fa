"""Descriptors as a budget: accepting pauses before they run out, and begins again as connections end.

Owns the count and the pauses. Without it a process at its limit resets its clients: libuv accepts with a spare
descriptor and closes. Paused, they wait in the kernel's queue, and answers close their connections so that others have
their turn. Knows listeners and counts of connections, no request.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from sidecar.telemetry.stats import Stats
from sidecar.transport.listener import ACCEPT_BATCH, Listener

# Kept for what is not counted: what one turn of the loop accepts, connections being opened, files, look-ups of names,
# the admin's clients.
_LEAST_RESERVE = ACCEPT_BATCH
_MOST_RESERVE = 1024
_RESERVE_RATIO = 1 / 16

# Accepting begins again once so much of the budget is free, and is called calm after so many looks without a pause.
_FREE_RATIO = 1 / 16
_CALM_LOOKS = 8

_FOLDER = "/proc/self/fd"


def raise_limit() -> int:
    """Make all descriptors that this process may have its limit, and return how many those are.

    The soft limit is what `select` can bear, usually 1024; Go's runtime and Envoy's images raise theirs as well.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return soft
    return hard


class Descriptors:
    """The budget of one process. `listeners` may grow and shrink; `crowd` is told when connections are to close after
    their answer and when they may stay again. `most_upstream` says how many connections to endpoints there can be.
    `limit` is the process's by default."""

    def __init__(
        self,
        listeners: Sequence[Listener],
        stats: Stats,
        crowd: Callable[[bool], None],
        loop: asyncio.AbstractEventLoop,
        limit: int | None = None,
        most_upstream: Callable[[], int] = lambda: sys.maxsize,
    ) -> None:
        self._listeners = listeners
        self._stats = stats
        self._crowd = crowd
        self._loop = loop
        self.limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0] if limit is None else limit
        self._most_upstream = most_upstream
        self._most = sys.maxsize  # what it said last: asking takes long where endpoints are many
        self._reserve = int(min(_MOST_RESERVE, max(_LEAST_RESERVE, self.limit * _RESERVE_RATIO)))
        self.budget = 0
        self.is_paused = False
        self._is_pausing = False
        self._is_crowded = False
        self._calm = 0
        self._watched: set[Listener] = set()
        self.count()

    @property
    def used(self) -> int:
        """Descriptors that the open connections need: each of a client may need one to an endpoint, as long as pools
        have one for it."""
        down, up = self._stats.downstream_connections, self._stats.upstream_connections
        clients = down.active + down.idle
        return clients + max(min(clients, self._most), up.active + up.idle)

    def accepted(self) -> None:
        """A listener has accepted one more."""
        if self.used >= self.budget and not self._is_pausing:
            # Not here: closing a server while it accepts would close what it has just accepted.
            self._is_pausing = True
            self._loop.call_soon(self._pause, f"all {self.budget} descriptors for connections are in use")

    def count(self) -> None:
        """Find out what is left for connections beside everything that is open now."""
        down, up = self._stats.downstream_connections, self._stats.upstream_connections
        try:
            found = len(os.listdir(_FOLDER)) - 1
        except OSError:
            found = self._reserve
        others = max(0, found - down.active - down.idle - up.active - up.idle)
        # One client must always have its two, or nobody would ever be served.
        self.budget = max(2, self.limit - self._reserve - others)

    def look(self) -> None:
        """Notice what no connection tells: descriptors that others use up, and those that have come free again."""
        self._most = self._most_upstream()
        for listener in self._listeners:
            listener.on_accept = self.accepted
        lowest, fault = _lowest_free()
        if fault:
            self._pause(fault)
            return
        if self.is_paused:
            if not self._resume_if_free():
                self._have_some_give_way()
            return
        if lowest >= self.limit - self._reserve // 2:
            self.count()  # the lowest free number is at most how many are open: more are than we know
            if self.used >= self.budget:
                self._pause("others in this process use up its descriptors")
                return
        for listener in self._listeners:
            listener.resume()  # one that could not
        self._calm += 1
        if self._is_crowded and self._calm >= _CALM_LOOKS:
            self._tell_calm()

    def status(self) -> Mapping[str, object]:
        """For /status."""
        return {
            "accepting": not self.is_paused,
            "pauses": self._stats.accept_pauses,
            "descriptors": {"limit": self.limit, "for_connections": self.budget, "needed": self.used},
        }

    def _pause(self, why: str) -> None:
        self._is_pausing = False
        self._calm = 0
        for listener in self._listeners:
            listener.pause()
        if self.is_paused:
            return
        self.is_paused = True
        self._stats.accepting = False
        self._stats.accept_pauses += 1
        if not self._is_crowded:
            self._is_crowded = True
            self._crowd(True)
            self._stats.events.tell(
                "accepting",
                "instance",
                f"new connections wait: {why}",
                {"accepting": False, "limit": self.limit, "needed": self.used},
                alarming=True,
            )
        for listener in self._listeners:
            self._watch(listener)

    def _watch(self, listener: Listener) -> None:
        open_now = len(listener.registry)
        if open_now and listener not in self._watched:
            self._watched.add(listener)
            listener.registry.when_at_most(open_now - 1, partial(self._fewer, listener))

    def _fewer(self, listener: Listener) -> None:
        self._watched.discard(listener)
        if self.is_paused and not self._resume_if_free():
            self._watch(listener)

    def _have_some_give_way(self) -> None:
        for listener in self._listeners:
            listener.give_way()

    def _resume_if_free(self) -> bool:
        if self.used > self.budget - max(2, int(self.budget * _FREE_RATIO)):
            return False
        self.is_paused = False
        self._stats.accepting = True
        for listener in self._listeners:
            listener.resume()
        return True

    def _tell_calm(self) -> None:
        # Once, after a while: under a lasting rush accepting pauses many times a second.
        self._is_crowded = False
        self._crowd(False)
        self.count()
        self._stats.events.tell(
            "accepting", "instance", "new connections are accepted as they come", {"accepting": True}
        )


def _lowest_free() -> tuple[int, str]:
    """The lowest number that the next descriptor gets, or why there is none."""
    try:
        number = os.open("/", os.O_RDONLY)
    except OSError as fault:
        return 0, str(fault.strerror).lower()
    os.close(number)
    return number, ""
