"""What a PROXY header says of a connection."""

from __future__ import annotations

from types import SimpleNamespace

from sidecar.app.settings import origin_factory
from sidecar.model.address import Address
from sidecar.rules.schema import ListenerRule
from sidecar.transport.arrival import Announced


def test_who_was_announced_is_the_peer_and_not_who_has_connected() -> None:
    transport = SimpleNamespace(get_extra_info=lambda _: ("10.0.0.1", 1))
    factory = origin_factory(ListenerRule(address=Address("127.0.0.1", 80)), 80)
    assert factory(transport, Announced("203.0.113.9", 5, "10.0.0.2", 80)).peer_ip == "203.0.113.9"
    assert factory(transport, None).peer_ip == "10.0.0.1"
