"""What is tried, and when it is named."""

from dataclasses import replace

import pytest

from sidecar.drill.advice import candidates, learned
from sidecar.drill.record import Ill, Record
from sidecar.drill.report import Report
from tests.doubles.drills import endpoint, outage, record, refused, request, settled_rules

DEAD = [endpoint(Ill(2, 5, "die"))]


def _failing(count: int) -> Report:
    asked = [refused("circuit_open", number, 6.0) for number in range(count)]
    return Report.of(record([*asked, request(count)], endpoints=DEAD))


def test_an_open_breaker_is_tried_with_less_time() -> None:
    assert candidates(_failing(3)) == [("upstreams.app.circuit_breaker.open_for=5s",)]


def test_a_value_that_is_as_low_already_is_not_tried() -> None:
    loaded = settled_rules("upstreams.app.circuit_breaker.open_for=2s")
    asked = refused("circuit_open", 0, 6.0)
    assert candidates(Report.of(record([asked], loaded=loaded, endpoints=DEAD))) == []


def test_an_absent_hold_is_tried() -> None:
    report = Report.of(record([refused("connect_failure", 0, 3.0, status=502, attempts=3)], endpoints=DEAD))
    assert candidates(report) == [("upstreams.app.hold.timeout=10s", "upstreams.app.hold.max_requests=1000")]


def test_a_hold_that_was_too_small_is_tried_larger() -> None:
    loaded = settled_rules("upstreams.app.hold.timeout=1s")
    asked = refused("no_endpoint", 0, 3.0, 1.0, rule="app/hold")
    report = Report.of(record([asked], loaded=loaded, endpoints=DEAD))
    assert candidates(report) == [("upstreams.app.hold.timeout=10s", "upstreams.app.hold.max_requests=1000")]


def test_an_attempt_that_hangs_is_tried_with_a_timeout() -> None:
    report = Report.of(record([refused("request_timeout", 0, 3.0, 15.0)], endpoints=[endpoint(Ill(2, 5, "stall"))]))
    assert candidates(report) == [("routes.everything.timeout.attempt=3s",)]


def test_an_absent_retry_is_tried_by_itself_and_for_attempts_that_hang() -> None:
    loaded = settled_rules("routes.everything.retry=null")
    ill = [endpoint(Ill(0.0, 10.0, "fail", share=0.3))]
    failed = Report.of(record([request(status=503)], loaded=loaded, endpoints=ill))
    again = "routes.everything.retry.max_attempts=3"
    assert candidates(failed) == [(again,), (again, "routes.everything.timeout.attempt=3s")]


def test_what_nothing_could_have_saved_gives_nothing_to_try() -> None:
    gone = Report.of(record([refused("circuit_open", 0, 3.0)], endpoints=[endpoint(Ill(0, 100, "die"))]))
    assert candidates(gone) == []


def test_what_did_better_is_told_with_both_figures() -> None:
    found = learned(_failing(100), _failing(100), _failing(10), ["a=1"])
    assert found is not None
    assert (found.before, found.after, found.sets) == (100, 10, ("a=1",))
    assert found.sentence == "10 instead of 100 errors."


@pytest.mark.parametrize("after", [100, 99, 120])
def test_what_did_no_better_is_not_told(after: int) -> None:
    assert learned(_failing(100), _failing(100), _failing(after), ["a=1"]) is None


def test_fewer_errors_that_are_our_fault_are_no_better() -> None:
    ours = Report.of(record([request(0, failure="closed", head=None)]))
    assert learned(_failing(100), _failing(100), ours, ["a=1"]) is None


def test_what_it_costs_is_told_too() -> None:
    def slower(found: Record) -> Record:
        waits = tuple(replace(one, ended=one.ended + 5.0) if one.ok else one for one in found.requests[:200])
        return replace(found, requests=waits, attempts=found.attempts * 2)

    found = learned(Report.of(outage()), Report.of(outage()), Report.of(slower(outage())), ["a=1"])
    assert found is not None
    assert "instead of 0.69 attempts a request" in found.sentence
    assert "and a p99 of 5.03 s instead of 30 ms" in found.sentence
