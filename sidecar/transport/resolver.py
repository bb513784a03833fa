"""A host name kept up to date: resolved again and again, its answer told when it changes.

Owns the last good answer. A resolver that fails for a while changes nothing, because endpoints that were there a moment
ago are a better guess than none.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

from sidecar.model.address import Address
from sidecar.transport.tasks import Tasks

_log = logging.getLogger(__name__)

# Until there is a first answer, requests fail: ask more often than the rules say.
_FIRST_INTERVAL = 1.0


class Resolver:
    """Resolves `address.host` every `interval` seconds; `changed` is told every new set, sorted, never an empty one."""

    __slots__ = ("_address", "_changed", "_failing", "_interval", "_loop", "_task", "_tasks", "known")

    def __init__(
        self,
        address: Address,
        interval: float,
        changed: Callable[[tuple[Address, ...]], None],
        loop: asyncio.AbstractEventLoop,
        tasks: Tasks,
    ) -> None:
        if interval <= 0:
            raise ValueError("a name is resolved again after more than zero seconds")
        self._address = address
        self._interval = interval
        self._changed = changed
        self._loop = loop
        self._tasks = tasks
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self.known: tuple[Address, ...] = ()

    def start(self) -> None:
        """Begins with a first look-up now."""
        if self._task is None:
            self._task = self._tasks.start(self._run(), f"resolve {self._address.host}")

    def stop(self) -> None:
        """Ends; `changed` is not called any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def look_up(self) -> None:
        """Resolves once, now."""
        try:
            found = await self._loop.getaddrinfo(
                # Without the flag a host that has no way to IPv6 addresses is given them all the same.
                self._address.host,
                self._address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_ADDRCONFIG,
            )
        except OSError as fault:
            self._fail(fault)
            return
        self._failing = False
        hosts = sorted({str(where[0]) for _, _, _, _, where in found})
        answer = tuple(Address(host, self._address.port) for host in hosts)
        if answer and answer != self.known:
            self.known = answer
            self._changed(answer)

    def _fail(self, fault: OSError) -> None:
        # Said once, not at every try; and where nothing is known, told: the name leads nowhere yet.
        if not self._failing:
            self._failing = True
            kept = f"keeping the {len(self.known)} known" if self.known else "no address is known yet"
            _log.warning("resolving %s failed: %s; %s", self._address.host, fault.strerror, kept)
            if not self.known:
                self._changed(())

    async def _run(self) -> None:
        while True:
            try:
                await self.look_up()
            except Exception:  # noqa: BLE001 - a callback's bug must not end the looking
                _log.exception("telling the addresses of %s failed", self._address.host)
            await asyncio.sleep(self._interval if self.known else min(self._interval, _FIRST_INTERVAL))
