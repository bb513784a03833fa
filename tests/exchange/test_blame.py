"""An endpoint is blamed for what it did, and for nothing else."""

from __future__ import annotations

import math

import pytest

from sidecar.exchange.blame import is_good, of_break, of_failure, of_silence
from sidecar.model.outcome import Cause, Outcome


@pytest.mark.parametrize("status", [101, 200, 304, 404, 429, 499, 501, 505])
def test_what_speaks_of_the_request_is_no_fault_of_the_endpoint(status: int) -> None:
    assert is_good(status)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507, 599])
def test_an_error_of_the_server_is_its_fault(status: int) -> None:
    assert not is_good(status)


def test_a_full_line_of_ours_a_stale_connection_and_a_client_that_left_blame_nobody() -> None:
    ignored = {cause for cause in Cause if of_failure(cause) is Outcome.IGNORED}
    assert ignored == {Cause.POOL_FULL, Cause.STALE, Cause.DOWNSTREAM_GONE}


@pytest.mark.parametrize(
    ("had", "shortened", "outcome"),
    [
        (2.4, False, Outcome.IGNORED),
        (2.5, False, Outcome.FAILURE),
        (4.9, True, Outcome.IGNORED),
        (5.0, True, Outcome.FAILURE),
    ],
)
def test_silence_is_a_fault_after_half_of_the_time_or_all_of_it_where_the_caller_hurries(
    had: float, shortened: bool, outcome: Outcome
) -> None:
    assert of_silence(100.0 + had, 100.0, 5.0, shortened) is outcome


def test_an_endpoint_that_never_got_the_whole_request_is_not_to_blame_for_its_silence() -> None:
    assert of_silence(1e9, math.inf, 5.0, False) is Outcome.IGNORED


@pytest.mark.parametrize("cause", [Cause.RESET, Cause.PROTOCOL_ERROR, Cause.IDLE_TIMEOUT])
def test_an_answer_that_breaks_off_is_a_fault_and_silence_in_a_tunnel_is_not(cause: Cause) -> None:
    assert of_break(cause, 200) is Outcome.FAILURE
    assert of_break(cause, 101) is (Outcome.IGNORED if cause is Cause.IDLE_TIMEOUT else Outcome.FAILURE)
