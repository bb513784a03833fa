"""A client's certificate as one line for a backend: the value of X-Forwarded-Client-Cert, in Envoy's form.

    Hash=<SHA-256 in hex>;Subject="CN=client,O=Shop";URI=spiffe://shop/pay;DNS=pay.shop.test

Owns its quoting: whoever signs certificates decides what stands in them, and it must neither end a value nor begin
another line. `,` parts the certificates of several hops, `;` the fields of one, `=` a field's name from its value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_QUOTED = frozenset(b',;="')


def forwarded(der: bytes) -> bytes:
    """The value for a certificate as the handshake carries it (DER); empty for one that cannot be read."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        certificate = x509.load_der_x509_certificate(der)
        parts = [b"Hash=" + certificate.fingerprint(SHA256()).hex().encode()]
        parts.append(b'Subject="' + _escaped(certificate.subject.rfc4514_string()) + b'"')
        for kind, names in _names(certificate):
            parts += [kind + b"=" + _value(name) for name in names]
    except ValueError:
        return b""
    return b";".join(parts)


def _names(certificate: Certificate) -> list[tuple[bytes, list[str]]]:
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
        return []  # OpenSSL takes the latter two, and hash and subject hold all the same
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return [(b"URI", uris), (b"DNS", names.get_values_for_type(x509.DNSName))]


def _escaped(name: str) -> bytes:
    """A distinguished name (RFC 4514) of visible ASCII: a quote in it is escaped there already, other bytes are written
    as `\\hex`, which that form allows for each."""
    return b"".join(b"%c" % byte if 0x20 <= byte < 0x7F else b"\\%02x" % byte for byte in name.encode())


def _value(name: str) -> bytes:
    """A name that may hold what only quotes make harmless; bytes beyond visible ASCII are percent-encoded."""
    plain = b"".join(b"%c" % byte if 0x20 < byte < 0x7F else b"%%%02X" % byte for byte in name.encode())
    if _QUOTED.isdisjoint(plain):
        return plain
    return b'"' + plain.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
