"""What a PROXY header says of a connection."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sidecar.app.settings import origin_factory
from sidecar.model.address import Address
from sidecar.rules.schema import ListenerRule
from sidecar.transport.arrival import Announced, Ends, announcement, ends_of, peer_name


def test_who_was_announced_is_the_peer_and_not_who_has_connected() -> None:
    transport = SimpleNamespace(get_extra_info=lambda _: ("10.0.0.1", 1))
    factory = origin_factory(ListenerRule(address=Address("127.0.0.1", 80)), 80)
    assert factory(transport, Announced("203.0.113.9", 5, "10.0.0.2", 80)).peer_ip == "203.0.113.9"
    assert factory(transport, None).peer_ip == "10.0.0.1"


V4 = Ends(("203.0.113.9", 51000), ("10.0.0.2", 443))


def test_the_ends_of_a_connection_are_the_socket_s_or_those_that_were_announced() -> None:
    names = {"peername": ("fd00::1", 5, 0, 0), "sockname": ("fd00::2", 80, 0, 0)}
    transport = SimpleNamespace(get_extra_info=names.get)
    assert ends_of(transport, None) == Ends(("fd00::1", 5), ("fd00::2", 80))
    assert ends_of(transport, Announced("203.0.113.9", 51000, "10.0.0.2", 443)) == V4


@pytest.mark.parametrize("name", ["", "/run/s.sock", None])
def test_a_unix_socket_has_no_ends_and_its_peer_no_name(name: str | None) -> None:
    transport = SimpleNamespace(get_extra_info=lambda _: name)
    assert ends_of(transport, None) == Ends(None, None)
    assert peer_name(transport) == ""


@pytest.mark.parametrize(
    ("ends", "client", "line"),
    [
        (V4, "203.0.113.9", b"PROXY TCP4 203.0.113.9 10.0.0.2 51000 443\r\n"),
        (
            Ends(("::ffff:203.0.113.9", 7), ("10.0.0.2", 443)),
            "203.0.113.9",
            b"PROXY TCP4 203.0.113.9 10.0.0.2 7 443\r\n",
        ),
        (V4, "192.0.2.1", b"PROXY TCP4 192.0.2.1 10.0.0.2 0 443\r\n"),  # from a field, which has no port
        (V4, "", b"PROXY UNKNOWN\r\n"),
        (Ends(None, None), "192.0.2.1", b"PROXY UNKNOWN\r\n"),
        (Ends(None, ("10.0.0.2", 443)), "192.0.2.1", b"PROXY TCP4 192.0.2.1 10.0.0.2 0 443\r\n"),
    ],
)
def test_a_backend_is_told_of_who_asks(ends: Ends, client: str, line: bytes) -> None:
    assert announcement("v1", ends, client).startswith(line)
