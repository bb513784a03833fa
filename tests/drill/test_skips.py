"""Whose retry it was that was not made."""

from sidecar.drill.record import Count
from sidecar.drill.skips import Skips
from tests.doubles.drills import record, request


def _skips(*counts: tuple[float, str]) -> Skips:
    return Skips(record([], counts=[Count(at, "retry_skipped", "everything", why) for at, why in counts]))


def test_it_is_the_one_that_was_counted_when_the_request_ended() -> None:
    skips = _skips((0.5, "deadline"), (1.02, "budget"), (1.5, "circuit_open"))
    assert skips.of(request(status=503)) == "budget"


def test_each_count_is_given_out_once() -> None:
    skips = _skips((1.02, "budget"))
    assert [skips.of(request(number, status=503)) for number in (0, 1)] == ["budget", ""]


def test_another_routes_is_not_ours() -> None:
    assert _skips((1.02, "budget")).of(request(status=503, route="other")) == ""


def test_what_may_not_be_sent_twice_is_known_without_it() -> None:
    assert _skips((1.01, "budget"), (1.02, "not_idempotent")).of(request(status=503)) == "budget"


def test_one_of_long_before_is_not_ours() -> None:
    assert _skips((0.9, "budget")).of(request(status=503)) == ""


def test_of_a_long_answer_it_is_the_one_at_its_head() -> None:
    assert _skips((1.1, "budget"), (4.99, "deadline")).of(request(status=503, seconds=4.0, head=1.1)) == "budget"
