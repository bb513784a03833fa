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

# Debian and Alpine; Fedora and RHEL; openSUSE; RHEL 7 and its like; Alpine without its package, and BSDs.
PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_TOLD = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trust_the_system(context: ssl.SSLContext) -> bool:
    """Trust whom the system does; whether that is anybody, as far as a frozen program can tell. `SSL_CERT_FILE` and
    `SSL_CERT_DIR` come first everywhere."""
    if not getattr(sys, "frozen", False) or any(os.environ.get(name) for name in _TOLD):
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return True
    for place in PLACES:
        if Path(place).is_file():
            with suppress(OSError):
                context.load_verify_locations(place)
                return True
    return False
