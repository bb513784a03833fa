"""A pool without sockets: its connections are opened by the test, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sidecar.model.address import Address
from sidecar.model.connections import Connections
from sidecar.model.observer import UpstreamObserver
from sidecar.transport.pool import EndpointPool
from sidecar.transport.settings import PoolSettings
from sidecar.transport.tasks import Tasks
from sidecar.transport.upstream import UpstreamConnection
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import NO_BODY
from tests.transport.doubles import Calls, FakeTransport, ResponseEar, VirtualLoop

REQUEST = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Endpoint(UpstreamObserver):
    """A pool whose connections are opened by the test: at once, or when `gate` is set."""

    def __init__(
        self,
        loop: VirtualLoop,
        settings: PoolSettings | None = None,
        connect_timeout: float = 1.0,
        kind: Callable[..., EndpointPool] = EndpointPool,
    ) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.results: list[str] = []
        self.counts = Connections()
        self.tasks = Tasks(loop)
        self.wheel = DeadlineWheel(loop, loop.time)
        self.gate = asyncio.Event()
        self.gate.set()
        self.fault: Exception | None = None
        self.dies = False
        self.made: list[UpstreamConnection] = []
        self.dialled: list[float] = []
        self.preambles: list[bytes] = []
        self.pool = kind(
            Address("10.0.0.1", 80),
            settings or PoolSettings(max_lifetime=None),
            connect_timeout,
            self.connect,
            self.wheel,
            self,
            self.counts,
            self.tasks,
        )

    async def connect(self, factory: Callable[[], UpstreamConnection], preamble: bytes = b"") -> UpstreamConnection:
        self.dialled.append(self.loop.time())
        self.preambles.append(preamble)
        await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        connection = factory()
        connection.connection_made(FakeTransport())  # type: ignore[arg-type]
        if self.dies:
            connection.connection_lost(None)
        self.made.append(connection)
        return connection

    def connected(self, result: str) -> None:
        self.results.append(result)

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        raise AssertionError("not the pool's to tell")

    def ear(self, name: str = "", **on: Callable[..., object]) -> ResponseEar:
        return ResponseEar(self.calls, name, **on)

    def ask(self, name: str = "", deadline: float = 100.0, fresh: bool = False, whole: bool = True) -> ResponseEar:
        """Leases, and lets the connection be made; one that was idle is in the ear's streams too."""
        ear = self.ear(name)
        stream = self.pool.lease(ear, deadline, fresh, whole)
        if stream is not None:
            ear.streams.append(stream)
        self.loop.turn()
        return ear

    def serve(self, ear: ResponseEar) -> None:
        """A whole exchange on what the ear was lent."""
        stream = ear.streams[-1]
        stream.start(ear, b"GET", REQUEST, NO_BODY, False)
        assert isinstance(stream, UpstreamConnection)
        stream.data_received(OK)
        self.loop.turn()

    def heard(self, what: str) -> list[str]:
        return [str(call[0]).removesuffix(what) for call in self.calls if str(call[0]).endswith(what)]
