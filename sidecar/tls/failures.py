"""Why a TLS connection did not come about, in words that stay the same from one OpenSSL to the next.

Owns the translation of OpenSSL's errors, by their codes and never by their texts. A server's words are a metric's
labels and a log's; a client's failures are told as a cause, which the policies know.
"""

from __future__ import annotations

import ssl

from sidecar.model.outcome import Cause

# X509_V_ERR_* of OpenSSL's x509_vfy.h; the ssl module has no names for them.
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = (18, 19)
_NO_ISSUER = (2, 20, 21)
_WRONG_NAME = (62, 64)  # a DNS name, an address

_WORD_OF_REASON = {
    "UNSUPPORTED_PROTOCOL": "protocol_version",
    "VERSION_TOO_LOW": "protocol_version",
    "VERSION_TOO_HIGH": "protocol_version",
    "UNKNOWN_PROTOCOL": "protocol_version",
    "NO_PROTOCOLS_AVAILABLE": "protocol_version",
    "INAPPROPRIATE_FALLBACK": "protocol_version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "protocol_version",
    "TLSV1_ALERT_INAPPROPRIATE_FALLBACK": "protocol_version",
    "NO_SHARED_CIPHER": "no_shared_cipher",
    "NO_CIPHERS_SPECIFIED": "no_shared_cipher",
    "NO_SHARED_GROUPS": "no_shared_cipher",
    "NO_SUITABLE_GROUPS": "no_shared_cipher",
    "NO_SUITABLE_KEY_SHARE": "no_shared_cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "no_shared_cipher",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "no_shared_cipher",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "no_shared_cipher",
    # The names of the identities are asked for in a callback, and nothing else of ours runs in a handshake.
    "CALLBACK_FAILED": "unknown_name",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "client_certificate_missing",
    "HTTP_REQUEST": "plain_http",
    "HTTPS_PROXY_REQUEST": "plain_http",
    "WRONG_VERSION_NUMBER": "not_tls",
}

# The sentences of the log. `failed` is told with OpenSSL's own word.
SENTENCES = {
    "protocol_version": "the client speaks no version of TLS that is allowed here",
    "no_shared_cipher": "the client knows no cipher that is allowed here",
    "unknown_name": "the client asks for a name that no certificate is for",
    "client_certificate_missing": "the client shows no certificate",
    "client_certificate_untrusted": "the client's certificate is not trusted",
    "client_certificate_expired": "the client's certificate is not valid now",
    "plain_http": "the client speaks HTTP without TLS",
    "not_tls": "the client does not speak TLS",
    "left": "the client left before the handshake was complete",
    "timeout": "the handshake took too long",
    "too_many": "too many handshakes are under way",
}

# What a peer says in an alert, after the prefix that its protocol version gives it.
_ALERTS = {
    "ALERT_PROTOCOL_VERSION": "speaks no version of TLS that we do",
    "ALERT_HANDSHAKE_FAILURE": "found nothing in common with us",
    "ALERT_UNRECOGNIZED_NAME": "does not know the name we ask for",
    "UNRECOGNIZED_NAME": "does not know the name we ask for",
    "ALERT_UNKNOWN_CA": "does not trust the authority of our certificate",
    "ALERT_BAD_CERTIFICATE": "does not accept our certificate",
    "ALERT_CERTIFICATE_UNKNOWN": "does not accept our certificate",
    "ALERT_UNSUPPORTED_CERTIFICATE": "does not accept our certificate",
    "ALERT_CERTIFICATE_EXPIRED": "says that our certificate has expired",
    "ALERT_CERTIFICATE_REVOKED": "says that our certificate is revoked",
    "ALERT_CERTIFICATE_REQUIRED": "wants a certificate of us",
    "ALERT_ACCESS_DENIED": "refuses us",
    "ALERT_NO_APPLICATION_PROTOCOL": "speaks no protocol that we offer",
    "ALERT_INTERNAL_ERROR": "has failed inside",
}


class TlsFailure(OSError):  # noqa: N818 - what has failed is told; nobody has made a mistake
    """A handshake that failed, or a connection that TLS ended. `word` is for metrics and the log, `cause` for the
    policies; the text is a sentence."""

    def __init__(self, word: str, sentence: str, cause: Cause = Cause.TLS_HANDSHAKE_FAILED) -> None:
        super().__init__(sentence)
        self.word = word
        self.cause = cause


def server_failure(fault: ssl.SSLError) -> TlsFailure:
    """What a failed handshake with one of our clients is called."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        expired = fault.verify_code in (_EXPIRED, _NOT_YET_VALID)
        word = "client_certificate_expired" if expired else "client_certificate_untrusted"
        return TlsFailure(word, f"{SENTENCES[word]}: {fault.verify_message}")
    word = _WORD_OF_REASON.get(fault.reason or "", "failed")
    return TlsFailure(word, SENTENCES.get(word) or f"the handshake failed: the client {_said(fault)}")


def client_failure(fault: ssl.SSLError, name: str) -> TlsFailure:
    """What a failed handshake with an endpoint is called; `name` is what its certificate should have been for."""
    if isinstance(fault, ssl.SSLCertVerificationError):
        code = fault.verify_code
        if code == _EXPIRED:
            return _failure(Cause.CERTIFICATE_EXPIRED, "its certificate has expired")
        if code == _NOT_YET_VALID:
            return _failure(Cause.CERTIFICATE_EXPIRED, "its certificate is not valid yet")
        if code in _WRONG_NAME:
            return _failure(Cause.CERTIFICATE_WRONG_NAME, f"its certificate is not for {name}")
        if code in _NO_ISSUER:
            return _failure(
                Cause.CERTIFICATE_UNTRUSTED,
                "its certificate is signed by nobody trusted, or an intermediate is missing",
            )
        if code in _SELF_SIGNED:
            return _failure(Cause.CERTIFICATE_UNTRUSTED, "its certificate is signed by a root that is not trusted")
        return _failure(Cause.CERTIFICATE_UNTRUSTED, f"its certificate is not trusted: {fault.verify_message}")
    if fault.reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"):
        return _failure(Cause.TLS_HANDSHAKE_FAILED, "the endpoint does not speak TLS")
    return _failure(Cause.TLS_HANDSHAKE_FAILED, f"the TLS handshake failed: the endpoint {_said(fault)}")


def left(name: str) -> TlsFailure:
    """An endpoint that ended the connection instead of the handshake."""
    return _failure(Cause.TLS_HANDSHAKE_FAILED, f"the endpoint closed the connection during the TLS handshake ({name})")


def broken(fault: ssl.SSLError) -> TlsFailure:
    """What ended a connection that had been established: a record that cannot be read, or the peer's alert."""
    # An alert is a peer's last word about us, and may come as late as where an answer is waited for.
    cause = Cause.TLS_HANDSHAKE_FAILED if "ALERT_" in (fault.reason or "") else Cause.RESET
    return TlsFailure("failed", f"TLS failed: the peer {_said(fault)}", cause)


def truncated() -> TlsFailure:
    """The end of TCP without the end of TLS: somebody on the way may have cut off what was still to come."""
    return TlsFailure("failed", "the connection ended without the end of TLS (close_notify)", Cause.RESET)


def restless() -> TlsFailure:
    """A peer that has us answer and says nothing itself: a KeyUpdate costs it thirty bytes, and us new keys."""
    return TlsFailure("failed", "the peer asks for new keys, or a new handshake, again and again", Cause.RESET)


def _failure(cause: Cause, sentence: str) -> TlsFailure:
    return TlsFailure(cause.value, sentence, cause)


def _said(fault: ssl.SSLError) -> str:
    reason = fault.reason or type(fault).__name__
    for mark in ("ALERT_", "UNRECOGNIZED_NAME"):
        at = reason.find(mark)
        if at >= 0:
            alert = reason[at:]
            return _ALERTS.get(alert) or f"says {alert.removeprefix('ALERT_').lower().replace('_', ' ')}"
    return f"sent what OpenSSL calls {reason.lower().replace('_', ' ')}"
