"""From the rules' values to the transport's."""

import logging
import math

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from sidecar.app.settings import (
    downstream_settings,
    origin_factory,
    pool_settings,
    preamble_terms,
    trusted_networks,
    unix_file,
)
from sidecar.policies.pool import PoolSpec
from sidecar.rules.load import load_rules
from sidecar.rules.schema import ListenerRule
from sidecar.tls.client_certificate import forwarded
from sidecar.transport.arrival import Announced
from sidecar.transport.sockets import UnixFile
from sidecar.transport.sparing_log import SparingLog
from tests.doubles.certificates import client_certificate


def listener(*sets: str) -> ListenerRule:
    return load_rules(None, upstreams=["http://127.0.0.1:1"], sets=sets).rules.listeners[0]


class FakeTransport:
    def __init__(self, peername: object) -> None:
        self.peername = peername

    def get_extra_info(self, name: str) -> object:
        return self.peername if name == "peername" else None


def test_a_listeners_limits_are_passed_on() -> None:
    told = downstream_settings(
        listener(
            "listeners.0.timeouts.headers=3s",
            "listeners.0.max_header_bytes=16KiB",
            "listeners.0.max_headers=7",
            "listeners.0.max_body_bytes=1MiB",
        )
    )
    assert (told.header_timeout, told.body_timeout, told.idle_timeout) == (3.0, 30.0, 75.0)
    assert (told.limits.max_bytes, told.limits.max_fields, told.max_body_bytes) == (16384, 7, 1 << 20)


def test_a_timeout_that_is_off_never_comes() -> None:
    assert downstream_settings(listener("listeners.0.timeouts.idle=0")).idle_timeout == math.inf


def test_a_pools_limits_are_passed_on() -> None:
    told = pool_settings(PoolSpec(max_connections=3, max_connects=5.0, idle_timeout=None, max_lifetime=None))
    assert (told.max_connections, told.max_connects_per_second) == (3, 5.0)
    assert (told.idle_timeout, told.max_lifetime) == (math.inf, None)


def test_along_a_chain_every_listeners_trust_counts() -> None:
    rules = [listener("listeners.0.trusted_proxies=[10.0.0.0/8]"), listener("listeners.0.trusted_proxies=[fd00::/8]")]
    trusted = trusted_networks(rules)
    assert [trusted.contains(address) for address in ("10.1.1.1", "fd00::1", "11.0.0.1")] == [True, True, False]


@pytest.mark.parametrize(
    ("peername", "peer", "trusted"),
    [
        (("10.1.1.1", 5), "10.1.1.1", True),
        (("11.1.1.1", 5), "11.1.1.1", False),
        (("::ffff:10.1.1.1", 5, 0, 0), "10.1.1.1", True),
        ("", "", False),
        (None, "", False),
    ],
)
def test_a_connection_comes_from_its_peer_and_is_believed_when_trusted(
    peername: object, peer: str, trusted: bool
) -> None:
    origin = origin_factory(listener("listeners.0.trusted_proxies=[10.0.0.0/8]"), 8080)(FakeTransport(peername), None)
    assert (origin.peer_ip, origin.trusted, origin.port) == (peer, trusted, 8080)


class FakeSession:
    def __init__(self, certificate: bytes | None) -> None:
        self.certificate = certificate

    def getpeercert(self, binary_form: bool) -> bytes | None:
        assert binary_form
        return self.certificate


class SecureTransport(FakeTransport):
    def __init__(self, certificate: bytes | None) -> None:
        super().__init__(("10.1.1.1", 5))
        self.session = FakeSession(certificate)

    def get_extra_info(self, name: str) -> object:
        return self.session if name == "ssl_object" else super().get_extra_info(name)


TLS = "listeners.0.tls={certificate: /a, private_key: /b, client_ca: /c, forward_client_certificate: %s}"


def test_behind_tls_the_scheme_is_https() -> None:
    origin = origin_factory(listener(TLS % "false"), 8443)(SecureTransport(None), None)
    assert (origin.scheme, origin.certificate, origin.peer_ip) == (b"https", b"", "10.1.1.1")


def test_a_certificate_is_told_of_its_own_connection_only_and_where_the_rules_say_so() -> None:
    der = client_certificate().x509.public_bytes(Encoding.DER)
    tells, silent = origin_factory(listener(TLS % "true"), 8443), origin_factory(listener(TLS % "false"), 8443)
    assert tells(SecureTransport(der), None).certificate == forwarded(der)
    assert tells(SecureTransport(None), None).certificate == b""
    assert silent(SecureTransport(der), None).certificate == b""
    known = tells(SecureTransport(der), None)
    assert (known.scheme, known.peer_ip, known.port, known.listener) == (b"https", "10.1.1.1", 8443, "public")


UNIX = ("listeners.0.address=unix:/run/s.sock", "listeners.0.trusted_proxies=[unix, 10.0.0.0/8]")


def test_peers_of_a_unix_socket_are_believed_where_the_rules_say_so() -> None:
    known = origin_factory(listener(*UNIX), 0)(FakeTransport(""), None)
    assert (known.peer_ip, known.trusted) == ("", True)
    unknown = origin_factory(listener(UNIX[0]), 0)(FakeTransport(""), None)
    assert (unknown.peer_ip, unknown.trusted) == ("", False)


def test_a_peer_without_an_address_is_not_believed_where_there_is_no_unix_socket() -> None:
    """It may have left already: then nobody knows who it was."""
    assert not origin_factory(listener(UNIX[1]), 80)(FakeTransport(None), None).trusted


def test_the_client_that_was_announced_is_believed_only_if_it_is_itself_trusted() -> None:
    factory = origin_factory(listener("listeners.0.trusted_proxies=[10.0.0.0/8]"), 80)
    proxy = FakeTransport(("10.1.1.1", 5))
    assert not factory(proxy, Announced("203.0.113.9", 5, "10.0.0.2", 80)).trusted
    assert factory(proxy, Announced("10.2.2.2", 5, "10.0.0.2", 80)).trusted


def test_a_proxy_header_is_believed_from_those_who_are_trusted() -> None:
    log = SparingLog(logging.getLogger("sidecar.listener"), lambda: 0.0)
    assert preamble_terms(listener(), print, log) is None
    trusting = listener("listeners.0.trusted_proxies=[10.0.0.0/8]", "listeners.0.proxy_protocol=true")
    terms = preamble_terms(trusting, print, log)
    assert terms is not None
    peers: list[object] = [("10.1.1.1", 5), ("::ffff:10.1.1.1", 5, 0, 0), ("11.1.1.1", 5), "", None]
    assert [terms.trusts(FakeTransport(peer)) for peer in peers] == [True, True, False, False, False]  # type: ignore[arg-type]


def test_a_unix_socket_s_file_is_what_the_rules_say_and_nothing_where_they_say_nothing() -> None:
    assert unix_file(listener(UNIX[0])) is None
    told = unix_file(listener(UNIX[0], "listeners.0.unix={mode: 0600, owner: root}"))
    assert told == UnixFile(0o600, "root", None)
