"""What one look at an endpoint found: a word that is counted, and a few words for people."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.model.outcome import Cause

# The label `result` of `health_checks_total`.
SUCCESS = "success"
CONNECT_FAILURE = "connect_failure"
TIMEOUT = "timeout"
STATUS = "status"
ANSWER = "answer"
RESET = "reset"
PROTOCOL_ERROR = "protocol_error"
SHORTAGE = "shortage"
# Why no TLS came of a connection.
TLS_FAILURES = (
    Cause.TLS_HANDSHAKE_FAILED.value,
    Cause.CERTIFICATE_EXPIRED.value,
    Cause.CERTIFICATE_WRONG_NAME.value,
    Cause.CERTIFICATE_UNTRUSTED.value,
)
RESULTS = (SUCCESS, CONNECT_FAILURE, *TLS_FAILURES, TIMEOUT, STATUS, ANSWER, RESET, PROTOCOL_ERROR, SHORTAGE)


@dataclass(frozen=True, slots=True)
class Finding:
    """`result` is one of RESULTS; `why` completes "down: …" or "up: …"."""

    result: str
    why: str

    @property
    def ok(self) -> bool:
        """Whether the endpoint was found well."""
        return self.result == SUCCESS

    @property
    def is_ours(self) -> bool:
        """Whether it says nothing of the endpoint: this machine had no descriptor, port or memory left to ask with."""
        return self.result == SHORTAGE
