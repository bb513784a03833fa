"""A drill as text and as JSON."""

import json

from sidecar.drill.advice import Advice
from sidecar.drill.report import Report
from sidecar.drill.summary import as_mapping, summary
from tests.doubles.drills import outage, record, request

REPORT = Report.of(outage())
ADVICE = Advice(("upstreams.app.circuit_breaker.open_for=5s",), "20 instead of 150 errors.", 150, 20)


def test_the_text_tells_the_verdict_the_causes_and_the_expectations() -> None:
    lines = summary(REPORT)
    assert lines[0] == "restart: Refuses & is <slow>."
    assert REPORT.sentence in lines
    assert any("price: upstreams.app.circuit_breaker.open_for: 30s" in one for one in lines)
    assert "met: avoidable is 0, expected at most 0" in lines
    assert "NOT MET: client_errors is 37.5%, expected at most 10%" in lines


def test_the_rows_of_time_lie_below_each_other_and_fit() -> None:
    for width in (30, 60, 100):
        rows = {
            one[:10].strip(): one[10:]
            for one in summary(REPORT, width)
            if one[:10].strip() in ("answered", "failed", "ill")
        }
        assert set(rows) == {"answered", "failed", "ill"}
        assert len(rows["answered"]) == len(rows["failed"]) <= width - 10
        begins = rows["ill"].index("─")
        assert rows["failed"][begins - 1] == " "
        assert rows["failed"][begins + 1] != " "


def test_few_are_seen_where_many_are_most() -> None:
    asked = [request(number, number / 100) for number in range(999)]
    row = next(
        one
        for one in summary(Report.of(record([*asked, request(999, 9.99, failure="closed", head=None)])))
        if one.startswith("failed")
    )
    assert row.strip() != "failed"


def test_advice_is_a_line_each() -> None:
    line = next(one for one in summary(REPORT, advice=[ADVICE]) if one.startswith("better"))
    assert line == "better with --set upstreams.app.circuit_breaker.open_for=5s: 20 instead of 150 errors."


def test_the_json_has_every_figure_and_its_sums_hold() -> None:
    told = json.loads(json.dumps(as_mapping(REPORT, [ADVICE])))
    requests = told["requests"]
    assert requests["total"] == requests["answered"] + requests["failed"] == 400
    assert requests["failed"] == requests["unavoidable"] + requests["price"] + requests["avoidable"]
    assert sum(cause["count"] for cause in told["causes"]) == requests["failed"]
    assert told["met"] is False
    assert told["advice"][0]["set"] == ["upstreams.app.circuit_breaker.open_for=5s"]


def test_the_names_of_the_json_stay() -> None:
    assert list(as_mapping(REPORT)) == [
        "scenario", "seed", "real", "seconds", "met", "sentence", "requests", "latency", "attempts_per_request",
        "causes", "phases", "recoveries", "policies", "endpoints", "expectations", "advice", "notes",
    ]  # fmt: skip
    (first, *_) = as_mapping(REPORT)["causes"]
    assert set(first) == {"class", "count", "sentence", "code", "first", "last", "key", "value", "from"}
