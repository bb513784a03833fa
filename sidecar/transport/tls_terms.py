"""What the TLS connections of one listener share."""

from __future__ import annotations

import logging
import ssl
import time

from sidecar.model.observer import TlsObserver
from sidecar.transport.sparing_log import SparingLog


class TlsTerms:
    """`context` is what the listener proves itself with. A handshake may take `handshake_timeout` seconds, and
    `max_handshakes` may be under way at once; `handshakes` counts them. `observer` is told how each ended, `log` which
    failed and why. Replaced as a whole: connections keep to those that they were accepted under."""

    __slots__ = ("context", "handshake_timeout", "handshakes", "log", "max_handshakes", "observer")

    def __init__(
        self, context: ssl.SSLContext, handshake_timeout: float, max_handshakes: int, observer: TlsObserver
    ) -> None:
        self.context = context
        self.handshake_timeout = handshake_timeout
        self.max_handshakes = max_handshakes
        self.observer = observer
        self.handshakes = 0
        self.log = SparingLog(logging.getLogger("sidecar.tls"), time.monotonic)
