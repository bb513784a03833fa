"""One word for each reason, everywhere the same."""

from __future__ import annotations

import re

import pytest

from sidecar.model.reason import BY_CODE, Reason

# RFC 9209 section 2.3: the registered proxy error types.
ERROR_TYPES = {
    "dns_timeout", "dns_error", "destination_not_found", "destination_unavailable", "destination_ip_prohibited",
    "destination_ip_unroutable", "connection_refused", "connection_terminated", "connection_timeout",
    "connection_read_timeout", "connection_write_timeout", "connection_limit_reached", "tls_protocol_error",
    "tls_certificate_error", "tls_alert_received", "http_request_error", "http_request_denied",
    "http_response_incomplete", "http_response_header_section_size", "http_response_header_size",
    "http_response_body_size", "http_response_trailer_section_size", "http_response_trailer_size",
    "http_response_transfer_coding", "http_response_content_coding", "http_response_timeout", "http_upgrade_failed",
    "http_protocol_error", "proxy_internal_response", "proxy_internal_error", "proxy_configuration_error",
    "proxy_loop_detected",
}  # fmt: skip


@pytest.mark.parametrize("reason", list(Reason))
def test_each_reason_has_a_label_a_status_and_a_registered_error_type(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", reason.code)
    assert 400 <= reason.status <= 599
    assert reason.proxy_error in ERROR_TYPES


def test_no_two_reasons_share_a_word() -> None:
    assert len(BY_CODE) == len(Reason)
    assert all(BY_CODE[reason.code] is reason for reason in Reason)
