"""What a connection to an endpoint makes of what TLS says after the handshake."""

from __future__ import annotations

import pytest

from sidecar.model.outcome import Cause
from sidecar.tls.failures import TlsFailure
from tests.transport.doubles import VirtualLoop
from tests.transport.test_upstream import CHUNKS, Attempt


@pytest.mark.parametrize(("reused", "cause"), [(False, Cause.TLS_HANDSHAKE_FAILED), (True, Cause.STALE)])
def test_an_alert_where_an_answer_would_be_is_the_end_of_the_handshake(
    virtual: VirtualLoop, reused: bool, cause: Cause
) -> None:
    attempt = Attempt(virtual, reused)
    attempt.start().connection_lost(TlsFailure("failed", "TLS failed: the peer wants a certificate of us"))
    assert attempt.take() == [("lost", True), ("upstream_failed", cause)]


def test_bytes_that_tls_cannot_read_break_off_the_answer(virtual: VirtualLoop) -> None:
    attempt = Attempt(virtual)
    connection = attempt.start()
    attempt.gets(CHUNKS)
    connection.connection_lost(TlsFailure("failed", "TLS failed", Cause.RESET))
    assert attempt.take()[-1] == ("upstream_failed", Cause.RESET)
