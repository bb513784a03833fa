"""An accepted connection with everything around it, and the bytes that its tests send."""

from __future__ import annotations

from collections.abc import Callable

from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import DownstreamStream
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.message import HeadLimits
from sidecar.wire.origin import Origin
from tests.transport.doubles import Calls, FakeAcceptor, FakeTransport, VirtualLoop

GET = b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n"
CHUNKS = b"POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /u HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
OK = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok"
SETTINGS = DownstreamSettings(header_timeout=10, body_timeout=30, idle_timeout=75, limits=HeadLimits(2048, 50, 512))


class Client:
    """One accepted connection with everything around it."""

    def __init__(
        self,
        loop: VirtualLoop,
        on_request: Callable[[DownstreamStream], object] | None = None,
        settings: DownstreamSettings = SETTINGS,
        full: bool = False,
        transport: FakeTransport | None = None,
    ) -> None:
        self.loop = loop
        self.calls: Calls = []
        self.acceptor = FakeAcceptor(self.calls, on_request)
        self.wheel = DeadlineWheel(loop, loop.time)
        self.counts = Connections()
        self.registry = Registry()
        self.transport = transport or FakeTransport()
        origin = Origin("127.0.0.1")
        service = Service(settings, self.acceptor, lambda *_: origin, self.wheel, self.counts, self.registry)
        self.connection = DownstreamConnection(service, (Reason.OVERLOADED, "too many connections") if full else None)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    @property
    def stream(self) -> DownstreamStream:
        return self.acceptor.streams[-1]

    @property
    def state(self) -> int:
        return self.connection.state

    def sends(self, data: bytes) -> None:
        self.connection.data_received(data)

    def take(self) -> Calls:
        taken = self.calls[:]
        self.calls.clear()
        return taken

    def gone(self, fault: Exception | None = None) -> None:
        """What the loop does after a close or an abort."""
        self.connection.connection_lost(fault)
