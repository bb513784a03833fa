"""Whom this system trusts: the certificate authorities that it comes with.

OpenSSL knows where they are from when it was built. In a frozen program it was built for another system, so there the
places are tried where systems keep them.
"""

from __future__ import annotations

import os
import ssl
import sys
from contextlib import suppress
from pathlib import Path

from sidecar.tls.certificates import has_certificate

# Debian and Alpine; Fedora and RHEL; openSUSE; RHEL 7 and its like; Alpine without its package, and BSDs.
PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_TOLD = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trust_the_system(context: ssl.SSLContext) -> None:
    """Trust whom the system does. What `SSL_CERT_FILE` and `SSL_CERT_DIR` name comes first everywhere."""
    if _openssl_knows():
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    elif (place := _place()) is not None:
        context.load_verify_locations(place)


def trusts_nobody() -> bool:
    """Whether there are no authorities where any system keeps them, as far as can be told."""
    return not _openssl_knows() and _place() is None


def _openssl_knows() -> bool:
    return not getattr(sys, "frozen", False) or any(os.environ.get(name) for name in _TOLD)


def _place() -> str | None:
    for place in PLACES:
        with suppress(OSError):
            if has_certificate(Path(place).read_bytes()):
                return place
    return None
