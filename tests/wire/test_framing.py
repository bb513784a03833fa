"""Framing and persistence as decisions on facts."""

import pytest

from sidecar.wire.framing import (
    CODING_ABSENT,
    CODING_CHUNKED,
    CODING_OTHER,
    bodiless,
    coding_of,
    downstream_framing,
    persists,
    request_framing,
    response_framing,
    response_persists,
    transfer_fault,
)
from sidecar.wire.message import CHUNKED, LENGTH, NO_BODY, UNTIL_CLOSE


@pytest.mark.parametrize(
    ("value", "coding"),
    [(b"chunked", CODING_CHUNKED), (b"CHUNKED", CODING_CHUNKED), (b"", CODING_OTHER), (b"chunked ", CODING_OTHER)],
)
def test_only_chunked_itself_is_chunked(value: bytes, coding: int) -> None:
    assert coding_of(value) == coding


def test_transfer_encoding_is_accepted_alone_and_in_http_1_1_only() -> None:
    assert transfer_fault(CODING_ABSENT, 5, 0) == ""
    assert transfer_fault(CODING_CHUNKED, -1, 1) == ""
    assert "unknown" in transfer_fault(CODING_OTHER, -1, 1)
    assert "both" in transfer_fault(CODING_CHUNKED, 0, 1)
    assert "HTTP/1.0" in transfer_fault(CODING_CHUNKED, -1, 0)


def test_a_request_without_framing_has_no_body_and_a_response_ends_with_the_connection() -> None:
    assert request_framing(CODING_ABSENT, -1) == NO_BODY
    assert request_framing(CODING_ABSENT, 0) == NO_BODY
    assert request_framing(CODING_ABSENT, 1) == LENGTH
    assert request_framing(CODING_CHUNKED, -1) == CHUNKED
    assert response_framing(200, b"GET", CODING_ABSENT, -1) == UNTIL_CLOSE


@pytest.mark.parametrize(
    ("status", "method", "ends"),
    [(100, b"GET", True), (204, b"GET", True), (304, b"GET", True), (200, b"HEAD", True), (200, b"GET", False)],
)
def test_some_responses_end_with_their_head(status: int, method: bytes, ends: bool) -> None:
    assert bodiless(status, method) is ends


def test_close_wins_over_keep_alive() -> None:
    assert not persists(1, True, True)
    assert persists(1, False, False)
    assert persists(0, False, True)
    assert not persists(0, False, False)


def test_an_upstream_connection_with_doubtful_bytes_on_it_is_not_used_again() -> None:
    assert not response_persists(204, NO_BODY, CODING_CHUNKED, -1, 1, False, False)
    assert not response_persists(204, NO_BODY, CODING_ABSENT, 3, 1, False, False)
    assert not response_persists(101, NO_BODY, CODING_ABSENT, -1, 1, False, False)
    assert response_persists(304, NO_BODY, CODING_ABSENT, 3, 1, False, False)


def test_framing_is_translated_for_the_client() -> None:
    assert [downstream_framing(framing, 1) for framing in (NO_BODY, LENGTH, CHUNKED)] == [NO_BODY, LENGTH, CHUNKED]
    assert [downstream_framing(framing, 0) for framing in (LENGTH, CHUNKED)] == [LENGTH, UNTIL_CLOSE]
