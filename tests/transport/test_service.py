"""What the connections of a listener share can change for those to come."""

from __future__ import annotations

import pytest

from sidecar.model.connections import Connections
from sidecar.model.reason import Reason
from sidecar.transport.downstream import DownstreamConnection
from sidecar.transport.registry import Registry
from sidecar.transport.service import Service
from sidecar.transport.settings import DownstreamSettings
from sidecar.transport.wheel import DeadlineWheel
from sidecar.wire.origin import Origin
from tests.transport.clients import POST
from tests.transport.doubles import Calls, FakeAcceptor, FakeTransport, VirtualLoop


@pytest.mark.parametrize(("changed_before", "told"), [(True, True), (False, False)])
def test_new_settings_hold_for_connections_accepted_after_them(
    virtual: VirtualLoop, changed_before: bool, told: bool
) -> None:
    calls: Calls = []
    wheel = DeadlineWheel(virtual, virtual.time)
    service = Service(
        DownstreamSettings(),
        FakeAcceptor(calls),
        lambda *_: Origin("::1"),
        wheel,
        Connections(),
        Registry(),
    )
    strict = DownstreamSettings(max_body_bytes=1)
    if changed_before:
        service.settings = strict
    connection = DownstreamConnection(service)
    service.settings = strict
    connection.connection_made(FakeTransport())  # type: ignore[arg-type]
    connection.data_received(POST)
    assert (("request_broken", Reason.BODY_TOO_LARGE) in calls) is told
