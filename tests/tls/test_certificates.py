"""A certificate's facts are those that the authority wrote into it."""

from __future__ import annotations

import time

import pytest

from sidecar.tls.certificates import has_certificate, read_certificates
from tests.doubles.certificates import client_certificate, server_certificate


def test_the_leaf_comes_first_and_the_chain_after_it() -> None:
    made = server_certificate("app.test", "*.app.test", "10.0.0.1")
    leaf, signer = read_certificates(made.pem + made.chain)
    assert leaf.names == ("app.test", "*.app.test", "10.0.0.1")
    assert leaf.subject == "CN=app.test"
    assert leaf.issuer == signer.subject == "CN=Sidecar Test Intermediate"
    assert leaf.serial == f"{made.x509.serial_number:x}"
    assert leaf.fingerprint == made.fingerprint
    assert leaf.not_before < time.time() < leaf.not_after


def test_without_alternative_names_the_common_name_counts() -> None:
    assert read_certificates(client_certificate("worker").pem)[0].names == ("worker",)


def test_a_uri_is_a_name() -> None:
    made = client_certificate("worker", uris=("spiffe://test/worker",))
    assert read_certificates(made.pem)[0].names == ("spiffe://test/worker",)


@pytest.mark.parametrize("text", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_certificates(text)


def test_a_text_tells_whether_there_is_a_certificate_in_it() -> None:
    made = server_certificate()
    assert has_certificate(made.private_key + made.pem)
    assert not has_certificate(made.private_key)
