"""What a backend is told of a client's certificate, whatever its authority has signed."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sidecar.tls.certificates import read_certificates
from sidecar.tls.client_certificate import forwarded
from tests.doubles.certificates import client_certificate

KEY = ec.generate_private_key(ec.SECP256R1())


def der(common_name: str, *names: x509.GeneralName, organization: str = "", encoded: bytes = b"") -> bytes:
    subject = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        subject.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([]))
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if encoded:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, encoded), critical=False
        )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def told(certificate: bytes) -> bytes:
    """Without the hash, which no two runs share."""
    value = forwarded(certificate)
    assert value.startswith(b"Hash=")
    assert len(value.partition(b";")[0]) == len("Hash=") + 64
    return value.partition(b";")[2]


def test_it_is_told_by_its_hash_its_subject_and_its_names() -> None:
    certificate = client_certificate("pay", uris=("spiffe://shop/pay",))
    value = forwarded(certificate.x509.public_bytes(Encoding.DER))
    assert value == b'Hash=%s;Subject="CN=pay";URI=spiffe://shop/pay' % certificate.fingerprint.encode()


def test_a_subject_is_written_with_its_most_special_part_first() -> None:
    names = (x509.DNSName("a.test"), x509.DNSName("b.test"), x509.IPAddress(IPv6Address("::1")))
    assert told(der("pay", *names, organization="Shop")) == b'Subject="O=Shop,CN=pay";DNS=a.test;DNS=b.test'


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a";By=b', rb'Subject="CN=a\"\;By=b"'),
        ("a,b=c", rb'Subject="CN=a\,b=c"'),
        ("a\\", rb'Subject="CN=a\\"'),
        ("a\r\nHost: b", rb'Subject="CN=a\0d\0aHost: b"'),
        ("ä", rb'Subject="CN=\c3\a4"'),
    ],
)
def test_nothing_in_a_subject_ends_its_value_or_its_line(name: str, written: bytes) -> None:
    assert told(der(name)) == written


def test_nothing_in_a_name_does_either() -> None:
    uri = x509.UniformResourceIdentifier('urn:a;Hash=0,b="c"')
    assert told(der("a", uri)) == rb'Subject="CN=a";URI="urn:a;Hash=0,b=\"c\""'
    lines = x509.UniformResourceIdentifier("urn:a\r\nHost: b")
    assert told(der("a", lines)) == b'Subject="CN=a";URI=urn:a%0D%0AHost:%20b'


@given(st.text(min_size=1, max_size=20))
def test_whatever_a_name_holds_the_value_is_one_visible_line(name: str) -> None:
    try:
        certificate = der(name)
    except ValueError:
        return  # no authority can sign it
    value = forwarded(certificate)
    assert all(0x20 <= byte < 0x7F for byte in value)
    inner = value.partition(b'Subject="')[2][:-1]
    assert b'"' not in inner.replace(rb"\\", b"").replace(rb"\"", b"")


@pytest.mark.parametrize("tag", [b"\xa3", b"\xa5"], ids=["x400Address", "ediPartyName"])
def test_names_of_a_kind_that_cannot_be_read_leave_the_rest(tag: bytes) -> None:
    certificate = der("pay", encoded=b"\x30\x04" + tag + b"\x02\x30\x00")
    assert told(certificate) == b'Subject="CN=pay"'
    assert read_certificates(ssl.DER_cert_to_PEM_cert(certificate).encode())[0].names == ("pay",)


def test_what_is_no_certificate_is_not_told() -> None:
    assert forwarded(b"nothing") == b""
