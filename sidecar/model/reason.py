"""Why the sidecar itself answered: one word for Proxy-Status, problem type, log field and metric label alike.

Each reason carries its status code and the RFC 9209 section 2.3 error type that comes nearest.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """A local answer's cause. `code` is the word that people see, `status` the HTTP status it is told with."""

    RATE_LIMITED = ("rate_limited", 429, "http_request_denied")
    CONCURRENCY_LIMITED = ("concurrency_limited", 503, "http_request_denied")
    CIRCUIT_OPEN = ("circuit_open", 503, "destination_unavailable")
    NO_ENDPOINT = ("no_endpoint", 503, "destination_unavailable")
    DRAINING = ("draining", 503, "http_request_denied")
    OVERLOADED = ("overloaded", 503, "connection_limit_reached")
    CONNECT_FAILURE = ("connect_failure", 502, "connection_refused")
    TLS_HANDSHAKE_FAILED = ("tls_handshake_failed", 502, "tls_protocol_error")
    CERTIFICATE_EXPIRED = ("certificate_expired", 502, "tls_certificate_error")
    CERTIFICATE_WRONG_NAME = ("certificate_wrong_name", 502, "tls_certificate_error")
    CERTIFICATE_UNTRUSTED = ("certificate_untrusted", 502, "tls_certificate_error")
    RESET = ("reset", 502, "connection_terminated")
    UPSTREAM_PROTOCOL_ERROR = ("upstream_protocol_error", 502, "http_protocol_error")
    ATTEMPT_TIMEOUT = ("attempt_timeout", 504, "http_response_timeout")
    REQUEST_TIMEOUT = ("request_timeout", 504, "http_response_timeout")
    CONNECT_TIMEOUT = ("connect_timeout", 504, "connection_timeout")
    BAD_REQUEST = ("bad_request", 400, "http_request_error")
    HEADER_TIMEOUT = ("header_timeout", 408, "http_request_error")
    BODY_TIMEOUT = ("body_timeout", 408, "http_request_error")
    BODY_TOO_LARGE = ("body_too_large", 413, "http_request_error")
    HEADERS_TOO_LARGE = ("headers_too_large", 431, "http_request_error")
    URI_TOO_LONG = ("uri_too_long", 414, "http_request_error")
    NO_ROUTE = ("no_route", 404, "destination_not_found")
    MAX_FORWARDS = ("max_forwards", 405, "proxy_internal_response")
    INTERNAL_ERROR = ("internal_error", 500, "proxy_internal_error")
    FAULT_INJECTED = ("fault_injected", 503, "http_request_denied")
    DOWNSTREAM_GONE = ("downstream_gone", 499, "http_request_error")

    def __init__(self, code: str, status: int, proxy_error: str) -> None:
        self.code = code
        self.status = status
        self.proxy_error = proxy_error


BY_CODE: dict[str, Reason] = {reason.code: reason for reason in Reason}
