"""The panels, and that they lose nothing."""

import pytest

from sidecar.drill.plot import Bands, Columns, Lines
from sidecar.drill.report import Report
from sidecar.drill.timeline import panels
from tests.doubles.drills import outage, record, refused, request

REPORT = Report.of(outage())


def _columns(title: str) -> Columns:
    return next(one for one in panels(REPORT) if isinstance(one, Columns) and one.title.startswith(title))


def _sums(panel: Columns) -> dict[str, float]:
    return {one.name: sum(value or 0 for value in one.values) * REPORT.time.width for one in panel.series}


def test_every_request_is_in_one_column() -> None:
    assert _sums(_columns("Requests")) == pytest.approx(
        {"answered": 225, "answered after another attempt": 25, "price of a rule": 150}
    )


def test_every_error_is_under_its_reason() -> None:
    assert _sums(_columns("Errors")) == pytest.approx({"circuit_open": 140, "connect_failure": 10})


def test_every_attempt_is_under_its_end() -> None:
    assert _sums(_columns("Attempts")) == pytest.approx({"answered": 250, "failed": 25})


def test_states_are_those_of_the_script_and_those_of_the_breakers() -> None:
    bands = next(one for one in panels(REPORT) if isinstance(one, Bands))
    told = {name: [(band.begun, band.ended, band.word) for band in row] for name, row in bands.rows}
    assert sorted(told["127.0.0.1:3000, in truth"]) == [
        (0, 10, "well"), (10, 15, "refuse"), (15, 20, "slow"), (20, 40, "well")
    ]  # fmt: skip
    assert [word for *_, word in told["breaker upstream.app"]] == ["closed", "open", "half_open", "closed"]


def test_waits_are_those_of_the_answered_in_milliseconds() -> None:
    lines = next(one for one in panels(REPORT) if isinstance(one, Lines))
    values = [value for one in lines.series for value in one.values if value is not None]
    assert values == pytest.approx([30.0] * len(values))


def test_without_errors_there_is_no_panel_of_them() -> None:
    titles = [one.title for one in panels(Report.of(record([request()])))]
    assert not [title for title in titles if title.startswith("Errors")]


def test_many_reasons_are_told_together() -> None:
    reasons = ("a", "b", "c", "d", "e", "f", "g", "h")
    asked = [refused(reason, number) for number, reason in enumerate(reasons)]
    panel = next(one for one in panels(Report.of(record(asked))) if one.title.startswith("Errors"))
    assert isinstance(panel, Columns)
    assert [one.name for one in panel.series] == ["a", "b", "c", "d", "e", "others"]
