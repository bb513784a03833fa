"""What a report says on top, and whether the expectations were met."""

import pytest

from sidecar.drill.record import Ill
from sidecar.drill.report import Report, span_text, wait_text
from sidecar.drill.scenario import Expect, Scenario
from tests.doubles.drills import endpoint, outage, record, refused, request, settled_rules

GONE = [endpoint(Ill(0, 100, "die"))]
LIMITED = settled_rules("routes.everything.concurrency.max=5")


def test_all_answered_is_told_with_those_that_a_rule_saved() -> None:
    assert Report.of(record([request(0), request(1)])).sentence == "All 2 requests were answered."
    saved = Report.of(record([request(0), request(1, attempts=2)]))
    assert saved.sentence == "All 2 requests were answered: 1 of them because a rule stepped in."


def test_what_nothing_could_have_saved_is_told_as_such() -> None:
    report = Report.of(record([request(0), refused("circuit_open", 1)], endpoints=GONE))
    assert report.sentence == "1 of 2 requests failed, and no rule could have saved one of them."


def test_a_price_is_told_as_such() -> None:
    asked = [request(0), refused("concurrency_limited", 1, rule="everything/concurrency")]
    report = Report.of(record(asked, loaded=LIMITED))
    assert report.sentence == "1 of 2 requests failed, all of them at the price of a rule."


def test_both_are_told_apart() -> None:
    asked = [refused("concurrency_limited", rule="everything/concurrency"), request(1, failure="cut", head=None)]
    report = Report.of(record(asked, loaded=LIMITED))
    assert report.sentence == "2 of 2 requests failed: 1 that nothing could have saved, and 1 at the price of a rule."


def test_what_no_rule_explains_comes_first() -> None:
    report = Report.of(record([request(0, failure="not_its_own"), refused("circuit_open", 1)], endpoints=GONE))
    assert report.sentence == "2 of 2 requests failed, 1 of them although an endpoint was able and no rule forbade it."


def test_only_what_is_expected_is_looked_at() -> None:
    assert Report.of(record([request()])).expectations == []
    assert Report.of(record([request()])).met


@pytest.mark.parametrize(
    ("expect", "met"),
    [
        (Expect(client_errors=0.5), True),
        (Expect(client_errors=0.49), False),
        (Expect(avoidable=0), True),
        (Expect(p99=0.02), True),
        (Expect(p99=0.019), False),
        (Expect(attempts=0.0), True),
        (Expect(avoidable=0, p50=0.001), False),
    ],
)
def test_an_expectation_is_met_up_to_its_limit(expect: Expect, met: bool) -> None:
    scenario = Scenario(name="s", duration=10.0, expect=expect)
    report = Report.of(record([request(0), refused("circuit_open", 1)], endpoints=GONE, scenario=scenario))
    assert report.met is met


def test_where_nobody_was_answered_nobody_waited_for_less() -> None:
    scenario = Scenario(name="s", duration=10.0, expect=Expect(p99=5.0))
    report = Report.of(record([refused("circuit_open", 1)], endpoints=GONE, scenario=scenario))
    assert [(one.found, one.met) for one in report.expectations] == [("-", False)]


def test_where_no_request_came_that_is_said() -> None:
    assert Report.of(record([])).sentence.startswith("No request came")


def test_an_outage_adds_up() -> None:
    report = Report.of(outage())
    assert report.verdict.errors == 150
    assert sum(phase.requests for phase in report.phases) == 400
    assert sum(phase.failed for phase in report.phases) == 150
    assert sum(part.cost for part in report.parts) == report.verdict.count("price")
    assert report.amplification == pytest.approx((250 + 25) / 400)
    assert report.saved == 25


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.02, "20 ms"), (0.0123456, "12.3 ms"), (0.9996, "1 s"), (12.345, "12.3 s")]
)
def test_a_wait_is_told_in_what_means_something(seconds: float | None, text: str) -> None:
    assert wait_text(seconds) == text


def test_a_span_is_told_as_it_is_written() -> None:
    assert span_text(1.5) == "1500ms" or span_text(1.5) == "1.5s"
    assert span_text(60.0) == "1m"
