"""What the access log is told; exchanges with a route are covered by the corridor's tests."""

from __future__ import annotations

from sidecar.model.reason import Reason
from sidecar.proxy.record import refusal_record
from tests.proxy.bridges import Bridge
from tests.proxy.streams import Downstream


def test_what_is_no_request_has_a_client_and_a_reason_and_nothing_else() -> None:
    bridge = Bridge()
    stream = Downstream(bridge.clock, bridge.origin)
    record = refusal_record(stream, None, None, Reason.BAD_REQUEST, "why", bridge.clock.now + 0.5)
    assert (record.client, record.status, record.reason, record.duration_ms) == (
        "192.0.2.7",
        400,
        Reason.BAD_REQUEST,
        500.0,
    )
    assert (record.method, record.path, record.request_id, record.detail) == (b"", b"", b"", "why")
