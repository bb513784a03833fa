"""What certificates say of themselves, as plain facts.

Owns the reading of X.509. Judges nothing: whether a certificate is good is asked where it is used (contexts.py), and by
OpenSSL. The library that reads it is imported with the first certificate, so a proxy without TLS never loads it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, GeneralName

_BEGIN = b"-----BEGIN CERTIFICATE-----"


class CertificateFacts(NamedTuple):
    """One certificate. `names` are what it is for: DNS names and addresses of its subjectAltName, then URIs, or its
    common name where it has none of them. `subject` and `issuer` are written as in RFC 4514, `serial` and `fingerprint`
    (SHA-256 of its DER form) in lower-case hex digits. `not_before` and `not_after` are Unix seconds."""

    names: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    fingerprint: str


def has_certificate(pem: bytes) -> bool:
    """Whether a file's text holds a certificate at all."""
    return _BEGIN in pem


def read_certificates(pem: bytes) -> list[CertificateFacts]:
    """The certificates of a PEM text in their order: in a server's file the leaf is first.

    :raises ValueError: there is none in it, or one cannot be read.
    """
    from cryptography.x509 import load_pem_x509_certificates

    return [_facts(certificate) for certificate in load_pem_x509_certificates(pem)]


def _facts(certificate: Certificate) -> CertificateFacts:
    from cryptography.hazmat.primitives.hashes import SHA256

    return CertificateFacts(
        names=_names(certificate),
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc.timestamp(),
        not_after=certificate.not_valid_after_utc.timestamp(),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def _names(certificate: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    others: list[GeneralName] = []
    # OpenSSL takes names that the library does not know, and extensions that are there twice.
    with suppress(x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        others += certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    kinds = (x509.DNSName, x509.IPAddress, x509.UniformResourceIdentifier)
    names = [str(name.value) for kind in kinds for name in others if isinstance(name, kind)]
    if not names:
        names = [str(one.value) for one in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    return tuple(names)
