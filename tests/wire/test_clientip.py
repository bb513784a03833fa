"""Who the client is, through proxies that are believed and others that are not."""

import pytest

from sidecar.wire.clientip import TrustedNetworks, client_ip, client_key, plain_address
from sidecar.wire.message import RequestHead
from sidecar.wire.origin import Origin

TRUSTED = TrustedNetworks(["10.0.0.0/8", "2001:db8:1::/48"])


def seen(chain: bytes | None = None, forwarded: bytes | None = None, trusted: bool = True) -> str:
    head = RequestHead()
    head.forwarded_for = chain
    head.forwarded = forwarded
    return client_ip(Origin("10.0.0.1", trusted=trusted), head, TRUSTED)


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (b"1.2.3.4", "1.2.3.4"),
        (b"9.9.9.9, 1.2.3.4", "1.2.3.4"),
        (b"9.9.9.9, 1.2.3.4, 10.9.9.9", "1.2.3.4"),
        (b"10.2.2.2,10.3.3.3", "10.2.2.2"),
        (b"junk, 1.2.3.4 , 10.9.9.9", "1.2.3.4"),
        (b"1.2.3.4:5678", "1.2.3.4"),
        (b"[2001:db8::1]:443", "2001:db8::1"),
        (b"[2001:db8::1]", "2001:db8::1"),
        (b"2001:DB8:0::1", "2001:db8::1"),
        (b"5.5.5.5, 2001:db8:1::7", "5.5.5.5"),
        (b"::ffff:1.2.3.4", "1.2.3.4"),
        (b"1.2.3.4, ::ffff:10.1.1.1", "1.2.3.4"),
    ],
)
def test_the_first_untrusted_from_the_right_is_the_client(chain: bytes, address: str) -> None:
    assert seen(chain) == address


@pytest.mark.parametrize(
    "chain",
    [
        b"",
        b",",
        b"1.2.3.4,",
        b"1.2.3.4, junk",
        b"junk, 10.2.2.2",
        b"unknown",
        b"1.2.3",
        b"1.2.3.4.5",
        b"01.2.3.4",
        b"1.2.3.4:",
        b"1.2.3.4:x",
        b"1.2.3.4:123456",
        b"[1.2.3.4]",
        b"[::1",
        b"[::1]x",
        b"fe80::1%eth0",
        b"\xff",
        b"1.2.3.4;5.6.7.8",
        b", ".join([b"10.2.2.2"] * 65),
    ],
)
def test_a_malformed_chain_means_the_socket_peer(chain: bytes) -> None:
    assert seen(chain) == "10.0.0.1"


def test_nothing_is_believed_of_an_untrusted_peer() -> None:
    assert seen(b"1.2.3.4", b"for=1.2.3.4", trusted=False) == "10.0.0.1"
    assert seen() == "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (b"for=1.2.3.4", "1.2.3.4"),
        (b'For="1.2.3.4:80";proto=http;by=10.0.0.1', "1.2.3.4"),
        (b'for=9.9.9.9, proto=https;FOR="[2001:db8::1]:4711"', "2001:db8::1"),
        (b"for=1.2.3.4, for=10.4.4.4", "1.2.3.4"),
        (b"for=unknown", "10.0.0.1"),
        (b"for=_hidden", "10.0.0.1"),
        (b"proto=https", "10.0.0.1"),
        (b"for=1.2.3.4;for=5.6.7.8", "10.0.0.1"),
        (b"for=[::1]", "10.0.0.1"),
        (b'for="1.2.3.4', "10.0.0.1"),
        (b"for = 1.2.3.4", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_as_rfc_7239_writes_it(forwarded: bytes, address: str) -> None:
    assert seen(None, forwarded) == address


def test_two_chains_that_disagree_are_both_dropped() -> None:
    assert seen(b"1.2.3.4", b"for=1.2.3.4") == "1.2.3.4"
    assert seen(b"1.2.3.4", b"for=5.6.7.8") == "10.0.0.1"


def test_ipv6_clients_are_counted_by_their_64() -> None:
    assert client_key("1.2.3.4") == "1.2.3.4"
    assert client_key("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert client_key("2001:db8:1:2::1") == client_key("2001:db8:1:2:ffff::")


def test_addresses_have_one_spelling() -> None:
    assert plain_address("2001:DB8::0:1") == "2001:db8::1"
    assert plain_address("::ffff:a.b.c.d") == ""
    assert plain_address("::FFFF:1.2.3.4") == "1.2.3.4"
    assert plain_address("fe80::1%1") == ""


def test_no_network_is_trusted_by_default_and_a_malformed_one_is_refused() -> None:
    assert not TrustedNetworks().contains("127.0.0.1")
    assert TRUSTED.contains("10.255.0.1")
    assert TRUSTED.contains("2001:db8:1:ffff::1")
    assert not TRUSTED.contains("11.0.0.1")
    assert not TRUSTED.contains("")
    with pytest.raises(ValueError, match="10/x"):
        TrustedNetworks(["10/x"])


def test_more_addresses_than_are_remembered_are_still_judged() -> None:
    networks = TrustedNetworks(["10.0.0.0/24"])
    verdicts = [networks.contains(f"10.0.{n // 256}.{n % 256}") for n in range(4500)]
    assert verdicts == [n < 256 for n in range(4500)]
    assert networks.contains("10.0.0.1")
