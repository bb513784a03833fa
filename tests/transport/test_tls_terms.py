"""What a listener's TLS connections share begins with nobody shaking hands, and warns where TLS does."""

from __future__ import annotations

import ssl

import pytest

from sidecar.model.observer import TlsObserver
from sidecar.transport.tls_terms import TlsTerms


def test_terms_count_from_nothing_and_warn_as_tls(caplog: pytest.LogCaptureFixture) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    terms = TlsTerms(context, 10.0, 512, TlsObserver())
    assert (terms.context, terms.handshake_timeout, terms.max_handshakes, terms.handshakes) == (context, 10.0, 512, 0)
    terms.log.warn("no TLS with somebody")
    assert [(record.name, record.getMessage()) for record in caplog.records] == [
        ("sidecar.tls", "no TLS with somebody")
    ]
