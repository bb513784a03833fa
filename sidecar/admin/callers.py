"""Who is connected to the admin address: so many at most, and nobody for long without asking.

Owns the bound, and what is let go at it: whoever has been there longest without being answered right now. So callers
who say nothing, or never end their head, keep neither an operator nor a probe out, and take no descriptors from the
clients of the proxy. Knows no view.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

MOST = 256
PATIENCE_SECONDS = 10.0
# Prometheus comes back after a minute at most, as a rule; nobody needs the hour that is aiohttp's own.
IDLE_SECONDS = 120.0


class Callers:
    """Makes the connections of one server, which `of` names once there is one."""

    def __init__(self, most: int = MOST, patience: float = PATIENCE_SECONDS) -> None:
        self._most = most
        self._patience = patience
        self._server: web.Server | None = None
        self._silent: set[web.RequestHandler] = set()
        self._answered: set[web.RequestHandler] = set()
        self._shown_out: set[web.RequestHandler] = set()

    def of(self, server: web.Server) -> None:
        """Make connections of this server from now on."""
        self._server = server

    def connection(self) -> web.RequestHandler:
        """The protocol of one more connection; for the listening socket."""
        assert self._server is not None  # noqa: S101 - `of` comes before the first accept
        self._make_room(self._server.connections)
        one = self._server()
        self._silent.add(one)
        asyncio.get_running_loop().call_later(self._patience, self._let_go_if_silent, one)
        return one

    @contextmanager
    def answering(self, one: web.RequestHandler) -> Iterator[None]:
        """Its request is whole, and is being answered inside of this."""
        self._silent.discard(one)
        self._answered.add(one)
        try:
            yield
        finally:
            self._answered.discard(one)

    def _make_room(self, there: list[web.RequestHandler]) -> None:
        # Closing takes a turn of the loop, in which more may come.
        self._shown_out.intersection_update(there)
        left = [one for one in there if one not in self._shown_out]
        if len(left) < self._most:
            return
        idle = next((one for one in left if one not in self._answered), left[0])
        self._shown_out.add(idle)
        idle.force_close()

    def _let_go_if_silent(self, one: web.RequestHandler) -> None:
        if one in self._silent:
            self._silent.discard(one)
            one.force_close()


def log() -> logging.Logger:
    """The log of what aiohttp finds wrong. That a caller speaks no HTTP is not: each would cost a traceback."""
    found = logging.getLogger("sidecar.admin.http")
    if _is_ours not in found.filters:
        found.addFilter(_is_ours)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
