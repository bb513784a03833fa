"""The connections to one endpoint: idle ones lent again, new ones opened within limits, the others waiting in line.

Owns who gets which connection, and when one is opened or closed. Knows nothing of requests. Whoever waits is told in a
later turn of the loop, one after the other in the order they came, so that a receiver's reaction (to cancel, to lease
again) never runs inside another's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import islice
from math import inf

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Cause
from sidecar.transport.dialling import Connector, cause_of, sentence
from sidecar.transport.line import Relief, Waiter
from sidecar.transport.patience import Patience
from sidecar.transport.raw_upstream import RawUpstream
from sidecar.transport.settings import PoolSettings
from sidecar.transport.stream import Receiver
from sidecar.transport.tasks import Tasks
from sidecar.transport.upstream import Home, UpstreamConnection
from sidecar.transport.upstream_state import CLOSED, IDLE, LEASED
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import HeadLimits

_log = logging.getLogger(__name__)

# When connections were born that another connector has made: before all that live on.
_ANOTHER_WAY = -inf


@dataclass(frozen=True, slots=True)
class PoolSnapshot:
    """Counts at one moment. `connecting` counts the attempts under way, those held back by the pace too."""

    in_use: int
    idle: int
    waiting: int
    connecting: int


class EndpointPool(Home):
    """The pool of one endpoint; a Channel. `connect_timeout` in seconds; `connections` counts the upstream side. `raw`:
    its connections carry bytes without HTTP, and each serves whoever it is lent to and nobody after. `version` is that
    of its PROXY headers, None without; `greeting` what a connection for nobody's request begins with."""

    # fmt: off
    __slots__ = (
        "_aside", "_closed", "_connect_timeout", "_connecting", "_connections", "_dialling", "_errand", "_idle",
        "_idle_timeout", "_in_use", "_limits", "_loop", "_max_connections", "_max_lifetime", "_observer", "_open",
        "_pace", "_relief", "_serving", "_settings", "_tasks", "_waiting", "_wheel", "address", "connector", "greeting",
        "raw", "version",
    )
    # fmt: on

    def __init__(
        self,
        address: Address,
        settings: PoolSettings,
        connect_timeout: float,
        connector: Connector,
        wheel: DeadlineWheel,
        observer: UpstreamObserver,
        connections: Connections,
        tasks: Tasks,
        limits: HeadLimits | None = None,
        raw: bool = False,
    ) -> None:
        self.address = address
        self._errand = f"connect {address}"
        self.raw = raw
        self.greeting = b""
        self.version: str | None = None
        self.connector = connector
        self._wheel = wheel
        self._loop = wheel.loop
        self._observer = observer
        self._connections = connections
        self._tasks = tasks
        self._limits = limits or HeadLimits()
        self._keep_to(settings)
        self._connect_timeout = connect_timeout
        self._pace = settings.pace()
        self._open: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []
        self._waiting: dict[Receiver, Waiter] = {}
        self._aside: dict[Receiver, Waiter] = {}  # whose request is not here: in line once there is room for them
        self._relief = Relief(wheel, self._open, self._waiting)
        self._in_use = 0
        self._dialling = 0
        self._connecting = 0
        self._serving = False
        self._closed = False

    # The bridge's calls, see Channel.

    def lease(
        self, receiver: Receiver, deadline: float, fresh: bool = False, whole: bool = True
    ) -> UpstreamConnection | None:
        if not whole and receiver not in self._waiting and self._room() <= 0:
            if receiver not in self._aside:
                self._aside[receiver] = Waiter(self, receiver, fresh)
            self._wheel.set(self._aside[receiver].timer, deadline)
            return None
        if self._idle and not fresh and not self._waiting:
            if self._aside:
                self.forget(receiver)
            return self._lend(self._idle.pop())
        waiter = self._waiting.get(receiver)
        if waiter is None or waiter.fresh != fresh:
            self.forget(receiver)
            waiter = self._waiting[receiver] = Waiter(self, receiver, fresh)
        self._wheel.set(waiter.timer, deadline)
        if self._idle:
            self._serve_soon()
        else:
            self._dial_missing()
        return None

    def forget(self, receiver: Receiver) -> None:
        waiter = self._waiting.pop(receiver, None) or self._aside.pop(receiver, None)
        if waiter is not None:
            self._wheel.drop(waiter.timer)

    # The owner's calls.

    def configure(self, settings: PoolSettings, connect_timeout: float) -> None:
        """Keeps to other settings from now on; connections above a lower limit end as they come back."""
        if settings.max_connects_per_second != self._settings.max_connects_per_second:
            self._pace = settings.pace()
        self._keep_to(settings)
        self._connect_timeout = connect_timeout
        self._dial_missing()
        if self._aside:
            self._serve_soon()

    def reconnect(self, connector: Connector) -> None:
        """Makes connections by another connector from now on. Idle ones of the old are closed at once, those in use as
        they end; those that are being made are not used."""
        self.connector = connector
        self._retire_all()
        for connection in self._open:
            connection.born = _ANOTHER_WAY
        self._dial_missing()

    def close(self) -> None:
        """Closes idle connections at once and the leased ones as they end. Those who still ask are still served."""
        self._closed = True
        self._retire_all()

    def abort(self) -> None:
        """Cuts every connection and refuses whoever waits."""
        self.close()
        for waiter in [*self._waiting.values(), *self._aside.values()]:
            self._refuse(waiter, Cause.CONNECT_FAILURE, "the proxy is closing its connections")
        for connection in list(self._open):
            connection.abort()

    def snapshot(self) -> PoolSnapshot:
        """The counts of this moment."""
        return PoolSnapshot(self._in_use, len(self._idle), len(self._waiting) + len(self._aside), self._dialling)

    # The connections' calls, see Home.

    def give_back(self, connection: UpstreamConnection) -> None:
        self._in_use -= 1
        self._connections.active -= 1
        self._connections.idle += 1
        now = self._wheel.turn
        end = now + self._idle_timeout
        last = connection.born + self._max_lifetime
        if last < end:
            end = last
        if self._waiting:
            self._serve_soon()
        else:
            connection.reused = True  # it waits from here on, and may go stale even if nothing was asked of it yet
            if self._closed or self.raw:
                end = now
        if end <= now or connection.born < 0.0 or self._in_use + len(self._idle) >= self._max_connections:
            self._retire(connection)
        else:
            self._idle.append(connection)
            self._wheel.set(connection.timer, end)
        if self._aside:
            self._serve_soon()

    def lost(self, connection: UpstreamConnection, leased: bool) -> None:
        if connection not in self._open:
            return  # it died before it was counted
        self._open.discard(connection)
        self._wheel.drop(connection.timer)
        if leased:
            self._in_use -= 1
            self._connections.active -= 1
        else:
            self._idle.remove(connection)
            self._connections.idle -= 1
        if self._waiting or self._aside:
            self._serve_soon()

    def aged(self, connection: UpstreamConnection) -> None:
        if connection.state == IDLE and connection in self._open:
            self._idle.remove(connection)
            self._retire(connection)

    def expired(self, waiter: Waiter) -> None:
        """A waiter's deadline has come."""
        # Only as far as there are connects under way: thousands may expire in one turn.
        if any(one is waiter for one in islice(self._waiting.values(), self._connecting)):
            self._refuse(waiter, Cause.CONNECT_TIMEOUT, f"{self.address}: no connection within the attempt's time")
        else:
            self._refuse(waiter, Cause.POOL_FULL, f"{self.address}: no connection came free in time")

    def _keep_to(self, settings: PoolSettings) -> None:
        self._settings = settings
        # Looked at for every exchange, so held as plain numbers.
        self._max_connections = settings.max_connections
        self._idle_timeout = settings.idle_timeout
        self._max_lifetime = inf if settings.max_lifetime is None else settings.max_lifetime

    # Serving.

    def _lend(self, connection: UpstreamConnection) -> UpstreamConnection:
        self._wheel.clear(connection.timer)
        self._connections.idle -= 1
        self._connections.active += 1
        self._in_use += 1
        connection.state = LEASED
        return connection

    def _serve_soon(self) -> None:
        if not self._serving:
            self._serving = True
            self._loop.call_soon(self._serve)

    def _room(self) -> int:
        """How many more connections may carry a request that is not here yet: a quarter of all is for those that are,
        or whoever is slow with his bodies would have them all."""
        return self._max_connections - self._max_connections // 4 - self._in_use - self._dialling

    def _serve(self) -> None:
        self._serving = False
        for receiver in list(islice(self._aside, max(0, self._room() - len(self._waiting)))):
            self._waiting[receiver] = self._aside.pop(receiver)
        while self._idle and self._waiting:
            waiter = next(iter(self._waiting.values()))
            connection = self._take(waiter.fresh)
            if connection is None:
                patient = next((one for one in self._waiting.values() if not one.fresh), None)
                if patient is None:
                    break
                waiter, connection = patient, self._idle.pop()
            self.forget(waiter.receiver)
            self._lend(connection)
            try:
                waiter.receiver.leased(connection)
            except Exception:  # noqa: BLE001 - those behind in line must not pay for it
                _log.exception("a lease's receiver failed")
                connection.cancel()
        if self._closed or self.raw:
            self._retire_all()
        self._dial_missing()

    def _take(self, fresh: bool) -> UpstreamConnection | None:
        if not fresh:
            return self._idle.pop()
        for connection in reversed(self._idle):
            if not connection.reused:
                self._idle.remove(connection)
                return connection
        return None

    def _refuse(self, waiter: Waiter, cause: Cause, detail: str) -> None:
        self.forget(waiter.receiver)
        try:
            waiter.receiver.lease_failed(cause, detail)
        except Exception:  # noqa: BLE001 - as above
            _log.exception("a lease's receiver failed")

    def _retire(self, connection: UpstreamConnection) -> None:
        self._open.discard(connection)
        self._connections.idle -= 1
        self._wheel.drop(connection.timer)
        connection.close()

    def _retire_all(self) -> None:
        while self._idle:
            self._retire(self._idle.pop())

    # Dialling.

    def _dial_missing(self) -> None:
        # Before those who wait have been served from what is idle, it is not known who still misses one.
        while not self._serving and self._dialling < len(self._waiting):
            if self._in_use + len(self._idle) + self._dialling >= self._max_connections:
                # Only those who will not have an idle one still wait: the oldest makes room.
                if not self._idle or not all(waiter.fresh for waiter in self._waiting.values()):
                    self._relief.ask()
                    return
                self._retire(self._idle.pop(0))
            self._dialling += 1
            self._tasks.start(self._dial(), self._errand)

    async def _dial(self) -> None:
        connection: UpstreamConnection | None = None
        try:
            if self._pace is not None:
                await self._pace.acquire()
            if self._waiting:
                connection = await self._connect()
        finally:
            self._dialling -= 1
        if connection is not None:
            self._welcome(connection)
        elif self._aside:
            self._serve_soon()  # its place is free again
        self._dial_missing()

    async def _connect(self) -> UpstreamConnection | None:
        """A connection that is not counted yet; None where there is none, which whoever waits has been told."""
        connector = self.connector
        connection, cause, detail = await self._attempt(connector(self._make))
        if connector is not self.connector:
            # Made in another way than is asked for by now: whoever waits has the next one.
            if connection is not None:
                connection.close()
            return None
        self._observer.connected("ok" if connection is not None else cause.value)
        waiter = next(iter(self._waiting.values()), None)
        if connection is None and waiter is not None:
            self._refuse(waiter, cause, detail)
        return connection

    async def _attempt(self, opening: Awaitable[UpstreamConnection]) -> tuple[UpstreamConnection | None, Cause, str]:
        """A connection, or why there is none."""
        self._connecting += 1
        cause = Cause.CONNECT_FAILURE
        connection: UpstreamConnection | None = None
        detail = ""
        patience = Patience()
        began = self._wheel.now()
        self._wheel.set(patience.timer, began + self._connect_timeout)
        try:
            connection = await opening
            connection.dialled = began
            if connection.state == CLOSED:
                connection = None
                detail = f"{self.address}: the connection was closed as soon as it was made"
        except asyncio.CancelledError:
            if not patience.is_lost():
                raise
            cause = Cause.CONNECT_TIMEOUT
            detail = f"{self.address}: no connection within {self._connect_timeout:g} s"
        except TimeoutError:  # the operating system's own
            cause = Cause.CONNECT_TIMEOUT
            detail = f"{self.address}: no connection within {self._connect_timeout:g} s"
        except OSError as fault:
            cause = cause_of(fault)
            detail = sentence(self.address, fault)
        except Exception as fault:  # noqa: BLE001 - whoever waits must be told, whatever it is
            _log.exception("connecting to %s failed", self.address)
            detail = f"{self.address}: {type(fault).__name__}"
        finally:
            self._connecting -= 1
            self._wheel.drop(patience.timer)
        return connection, cause, detail

    def _make(self) -> UpstreamConnection:
        kind = RawUpstream if self.raw else UpstreamConnection
        return kind(self, self._wheel, self._limits, self._wheel.now())

    def _welcome(self, connection: UpstreamConnection) -> None:
        self._open.add(connection)
        self._in_use += 1
        self._connections.active += 1
        connection.born = self._wheel.now()  # its handshake, if it had one, took nothing of its life
        serves = not self._serving
        self._serving = True
        self.give_back(connection)
        if serves:
            self._serve()  # a turn of its own already: nobody is being told anything
