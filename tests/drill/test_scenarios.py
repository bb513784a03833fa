"""The shipped scenarios under the default rules: what these leave, and that what is advised is true."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from sidecar.drill.advice import candidates, learned
from sidecar.drill.report import Report
from sidecar.drill.run import run_drill
from sidecar.drill.shipped import names, scenario
from tests.doubles.drills import default_rules

ADAPTIVE = ("routes.everything.concurrency.max=adaptive",)


@cache
def _drilled(name: str, *sets: str) -> Report:
    """Each drill once: it is the same every time."""
    return Report.of(run_drill(scenario(name), default_rules(*sets)))


def _until(end: float, name: str, *sets: str) -> Report:
    """The beginning of a scenario."""
    whole = scenario(name)
    begun = replace(whole, duration=end, script=tuple([step for step in whole.script if step.at < end]))
    return Report.of(run_drill(begun, default_rules(*sets)))


@pytest.mark.parametrize("name", names())
def test_the_default_rules_do_as_the_scenario_expects_and_leave_no_error_unexplained(name: str) -> None:
    report = _drilled(name)
    assert [one for one in report.expectations if not one.met] == []
    assert [group.cause for group in report.verdict.groups if group.cause.kind == "avoidable"] == []
    assert report.verdict.errors == sum(not one.ok for one in report.record.requests)
    assert [note for note in report.record.notes if note.startswith("fault")] == []
    assert report.amplification < 1.25, "an outage is no more load than its budget allows"


def test_to_hold_and_to_probe_soon_saves_nearly_everything_when_a_backend_dies() -> None:
    rules = ("upstreams.app.circuit_breaker.open_for=30s", "upstreams.app.hold=null")
    before = _drilled("backend-dies", *rules)
    assert candidates(before)[0] == ("upstreams.app.circuit_breaker.open_for=5s",)
    sets = ("upstreams.app.hold.timeout=10s", "upstreams.app.hold.max_requests=1000")
    assert sets in candidates(before)
    after = _drilled("backend-dies", rules[0], *sets)
    assert learned(before, before, after, sets) is not None
    assert after.verdict.errors < before.verdict.errors / 20


def test_an_adaptive_limit_refuses_less_than_a_breaker_under_overload() -> None:
    before = _drilled("overload")
    assert candidates(before)[0] == ADAPTIVE
    after = _drilled("overload", *ADAPTIVE)
    assert learned(before, before, after, ADAPTIVE) is not None
    assert (after.wait(0.99) or 0) < (before.wait(0.99) or 0) / 10


def _refused_by_an_adaptive_limit(report: Report) -> list[float]:
    return [one.began for one in report.record.requests if one.reason == "concurrency_limited"]


def test_an_adaptive_limit_takes_errors_of_a_backend_with_hardly_any_load_for_no_load() -> None:
    assert _refused_by_an_adaptive_limit(_until(22.0, "errors-in-bursts", *ADAPTIVE)) == []


def test_an_adaptive_limit_knows_a_backend_that_is_slower_but_has_no_queue_within_a_few_of_its_times() -> None:
    refused = _refused_by_an_adaptive_limit(_until(32.0, "slows-down", *ADAPTIVE))
    assert 0 < len(refused) < 300
    assert [at for at in refused if at > 18.0] == []


def test_an_adaptive_limit_refuses_hardly_anybody_once_an_overload_is_over() -> None:
    assert sum(at > 32.0 for at in _refused_by_an_adaptive_limit(_drilled("overload", *ADAPTIVE))) <= 3
