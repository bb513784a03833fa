"""What an attempt came to, in the words that both towers share.

A cause is what went wrong on the way; an outcome is what a policy learns of it. One attempt ends in one outcome.
"""

from __future__ import annotations

from enum import Enum

from sidecar.model.reason import Reason


class Cause(Enum):
    """Why an attempt brought no usable answer."""

    CONNECT_FAILURE = "connect_failure"  # refused, unreachable: nothing was sent
    CONNECT_TIMEOUT = "connect_timeout"
    # Connected, and no TLS came of it: nothing was sent.
    TLS_HANDSHAKE_FAILED = "tls_handshake_failed"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_WRONG_NAME = "certificate_wrong_name"
    CERTIFICATE_UNTRUSTED = "certificate_untrusted"
    # No connection came free in time, or there was no descriptor or local port for one: nothing was sent, and the
    # endpoint is not to blame.
    POOL_FULL = "pool_full"
    STALE = "stale"  # a reused connection died before one byte of the answer
    RESET = "reset"
    PROTOCOL_ERROR = "protocol_error"
    ATTEMPT_TIMEOUT = "attempt_timeout"
    IDLE_TIMEOUT = "idle_timeout"  # between two reads of an answer that had begun
    DOWNSTREAM_GONE = "downstream_gone"


class Outcome(Enum):
    """What a policy is told of an attempt."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


REASON_OF: dict[Cause, Reason] = {
    Cause.CONNECT_FAILURE: Reason.CONNECT_FAILURE,
    Cause.CONNECT_TIMEOUT: Reason.CONNECT_TIMEOUT,
    Cause.TLS_HANDSHAKE_FAILED: Reason.TLS_HANDSHAKE_FAILED,
    Cause.CERTIFICATE_EXPIRED: Reason.CERTIFICATE_EXPIRED,
    Cause.CERTIFICATE_WRONG_NAME: Reason.CERTIFICATE_WRONG_NAME,
    Cause.CERTIFICATE_UNTRUSTED: Reason.CERTIFICATE_UNTRUSTED,
    Cause.POOL_FULL: Reason.OVERLOADED,
    Cause.STALE: Reason.RESET,
    Cause.RESET: Reason.RESET,
    Cause.PROTOCOL_ERROR: Reason.UPSTREAM_PROTOCOL_ERROR,
    Cause.ATTEMPT_TIMEOUT: Reason.ATTEMPT_TIMEOUT,
    Cause.IDLE_TIMEOUT: Reason.RESET,
    Cause.DOWNSTREAM_GONE: Reason.DOWNSTREAM_GONE,
}
