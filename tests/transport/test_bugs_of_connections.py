"""A bug in what an accepted connection leads to costs that connection, and leaves no place taken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.arrival import Announced
from sidecar.transport.byte_connection import ByteConnection
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.stream import Acceptor, DownstreamStream, Receiver
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.transport.doubles import FakeTransport, VirtualLoop


class _Broken(Acceptor):
    """Fails at whatever it is asked."""

    def refuse(self, stream: DownstreamStream, reason: Reason, detail: str) -> None:
        raise RuntimeError("boom")

    def connection(self, stream: DownstreamStream, refusal: tuple[Reason, str] | None) -> Receiver:
        raise RuntimeError("boom")


class _Scene:
    """A listener whose connections fail: at naming where they come from, or at the acceptor."""

    def __init__(self, loop: VirtualLoop, nameless: bool) -> None:
        self.nameless = nameless
        self.counts = Connections()
        self.registry = Registry()
        self.transport = FakeTransport()
        wheel = DeadlineWheel(loop, loop.time)
        settings = DownstreamSettings(header_timeout=10)
        self.service = Service(settings, _Broken(), self._origin, wheel, self.counts, self.registry)

    def _origin(self, transport: asyncio.Transport, announced: Announced | None) -> Origin:
        if self.nameless:
            raise RuntimeError("boom")
        return Origin("127.0.0.1")

    def is_over(self, connection: Any) -> bool:
        """Whether it was cut, and what it had is given back once the loop says so."""
        cut = self.transport.aborted
        connection.connection_lost(None)
        return cut and (self.counts.idle, self.counts.active, len(self.registry)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("nameless", "kind", "refusal"),
    [
        (True, DownstreamConnection, None),
        (False, DownstreamConnection, (Reason.OVERLOADED, "too many connections")),
        (True, ByteConnection, None),
        (False, ByteConnection, None),
    ],
)
def test_where_it_stands(
    virtual: VirtualLoop,
    nameless: bool,
    kind: type[DownstreamConnection | ByteConnection],
    refusal: tuple[Reason, str] | None,
) -> None:
    scene = _Scene(virtual, nameless)
    connection = kind(scene.service, refusal)
    with pytest.raises(RuntimeError, match="boom"):
        connection.connection_made(scene.transport)  # type: ignore[arg-type]
    assert scene.is_over(connection)


@pytest.mark.usefixtures("caplog")
def test_where_its_head_is_refused_for_being_late(virtual: VirtualLoop) -> None:
    scene = _Scene(virtual, nameless=False)
    connection = DownstreamConnection(scene.service)
    connection.connection_made(scene.transport)  # type: ignore[arg-type]
    connection.data_received(b"GET / HT")
    virtual.advance(11)
    assert scene.is_over(connection)
