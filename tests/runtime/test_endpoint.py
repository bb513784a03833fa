"""An endpoint's names, and what it is to others at the same place."""

from __future__ import annotations

import pytest

from sidecar.model.address import Address
from sidecar.runtime.endpoint import Endpoint
from tests.runtime.requests import endpoint


def test_an_endpoint_is_named_after_its_upstream_and_address() -> None:
    one = endpoint(3000, weight=2)
    assert (one.name, one.upstream_name, one.origin) == ("app/127.0.0.1:3000", "app", "app/127.0.0.1:3000")
    assert (one.weight, one.in_flight, one.channel) == (2, 0, None)


@pytest.mark.parametrize(
    ("address", "scheme", "authority"),
    [
        (Address("127.0.0.1", 3000), "http", b"127.0.0.1:3000"),
        (Address("app.internal", 80), "http", b"app.internal"),
        (Address("app.internal", 443), "https", b"app.internal"),
        (Address("app.internal", 443), "http", b"app.internal:443"),
        (Address("::1", 80), "http", b"[::1]"),
        (Address("::1", 81), "http", b"[::1]:81"),
        (Address(path="/run/app.sock"), "http", b"localhost"),
    ],
)
def test_the_authority_is_what_host_carries(address: Address, scheme: str, authority: bytes) -> None:
    assert Endpoint("app", address, scheme=scheme).authority == authority


def test_an_address_of_a_name_keeps_the_name_for_host() -> None:
    named = Endpoint("app", Address("app.internal", 80), 4)
    found = named.resolved(Address("10.0.0.1", 80))
    assert (found.name, found.authority, found.origin) == ("app/10.0.0.1:80", b"app.internal", "app/app.internal:80")
    assert (found.weight, found.scheme) == (4, "http")
    assert not found.same_place(named)
