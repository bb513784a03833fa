"""The shipped scenarios under the default rules: what these leave, and that what is advised is true."""

from __future__ import annotations

from functools import cache

import pytest

from sidecar.drill.advice import candidates, learned
from sidecar.drill.report import Report
from sidecar.drill.run import run_drill
from sidecar.drill.shipped import names, scenario
from tests.doubles.drills import default_rules


@cache
def _drilled(name: str, *sets: str) -> Report:
    """Each drill once: it is the same every time."""
    return Report.of(run_drill(scenario(name), default_rules(*sets)))


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
    sets = ("routes.everything.concurrency.max=adaptive",)
    assert candidates(before)[0] == sets
    after = _drilled("overload", *sets)
    assert learned(before, before, after, sets) is not None
    assert (after.wait(0.99) or 0) < (before.wait(0.99) or 0) / 10
