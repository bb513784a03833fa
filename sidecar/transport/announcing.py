"""Connections to an endpoint that begin with a PROXY header: each is made for one exchange, and nobody else's after.

Owns whom a connection is made for, and that its header goes before everything else. What the header says is the
receiver's; how many connections there may be, and how they fail, is the pool's.
"""

from __future__ import annotations

import logging
from typing import Any

from sidecar.transport.dialling import Connector
from sidecar.transport.pool import EndpointPool
from sidecar.transport.stream import Receiver
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.upstream_state import LEASED
from sidecar.wire.proxy_protocol import Version, write

_log = logging.getLogger("sidecar.transport.pool")


class AnnouncingPool(EndpointPool):
    """The pool of an endpoint that is told of each client in a header of this `version`.

    Nothing is ever idle here: a connection made for somebody who has left would tell of the wrong client.
    """

    __slots__ = ("_dialled", "_version")

    def __init__(self, *terms: Any, version: Version, **more: Any) -> None:
        """As EndpointPool has it."""
        EndpointPool.__init__(self, *terms, **more)
        self.version = version
        self._version = version
        self.greeting = write(version, None, None)
        self._dialled: set[Receiver] = set()

    def give_back(self, connection: UpstreamConnection) -> None:
        self._in_use -= 1
        self._connections.active -= 1
        self._connections.idle += 1
        self._retire(connection)
        if self._waiting or self._aside:
            self._serve_soon()

    def _dial_missing(self) -> None:
        for receiver in [one for one in self._waiting if one not in self._dialled]:
            if self._in_use + self._dialling >= self._max_connections:
                self._relief.ask()
                return
            self._dialling += 1
            self._dialled.add(receiver)
            self._tasks.start(self._dial_for(receiver), self._errand)

    async def _dial_for(self, receiver: Receiver) -> None:
        try:
            if self._pace is not None:
                await self._pace.acquire()
            if receiver in self._waiting:
                await self._connect_for(receiver)
        finally:
            self._dialling -= 1
            self._dialled.discard(receiver)
        if self._aside:
            self._serve_soon()  # its place may be free again
        self._dial_missing()

    async def _connect_for(self, receiver: Receiver) -> None:
        connector = self.connector
        connection, cause, detail = await self._attempt(self._opened(connector, receiver))
        if connector is not self.connector:
            if connection is not None:
                connection.close()
            return  # made in another way than is asked for by now
        waiter = self._waiting.get(receiver)
        if connection is None:
            self._observer.connected(cause.value)
            if waiter is not None:
                self._refuse(waiter, cause, detail)
            return
        self._observer.connected("ok")
        if waiter is None:
            connection.close()
            return
        self.forget(receiver)
        self._open.add(connection)
        self._in_use += 1
        self._connections.active += 1
        connection.state = LEASED
        self._wheel.now()
        try:
            receiver.leased(connection)
        except Exception:  # noqa: BLE001 - as in the pool
            _log.exception("a lease's receiver failed")
            connection.cancel()

    async def _opened(self, connector: Connector, receiver: Receiver) -> UpstreamConnection:
        return await connector(self._make, receiver.announcement(self._version))
