"""The layers between an accepted socket and its connection."""

from __future__ import annotations

import pytest

from sidecar.model.connections import Connections
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.entrance import Entrance
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.transport.doubles import FakeAcceptor, FakeTransport, VirtualLoop


@pytest.mark.parametrize("full", [False, True])
def test_a_plain_listener_has_no_layer_and_one_too_many_is_refused(virtual: VirtualLoop, full: bool) -> None:
    calls: list[tuple[object, ...]] = []
    wheel = DeadlineWheel(virtual, virtual.time)
    acceptor = FakeAcceptor(calls)
    service = Service(DownstreamSettings(), acceptor, lambda *_: Origin("::1"), wheel, Connections(), Registry())
    made = Entrance(service)(full)
    assert isinstance(made, DownstreamConnection)
    made.connection_made(FakeTransport())  # type: ignore[arg-type]
    assert bool(calls) is full
