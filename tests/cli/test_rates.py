"""What happened between two looks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.rates import failures, pace, refusals
from sidecar.telemetry.latency import latency
from tests.doubles.sample_status import ALONE, ROUTE, STATUS, UPSTREAM


def grown(**changes: Any) -> dict[str, Any]:
    """STATUS two seconds later, its route and its upstream with these changes."""
    route = {key: value for key, value in changes.items() if key != "attempts"}
    upstream = {key: value for key, value in changes.items() if key == "attempts"}
    later = STATUS | {"uptime_seconds": STATUS["uptime_seconds"] + 2}
    return later | {"routes": [ROUTE | route], "upstreams": [UPSTREAM | upstream]}


def test_rates_are_what_was_counted_meanwhile() -> None:
    found = pace(
        STATUS,
        grown(
            requests=17,
            statuses={"2xx": 12, "5xx": 5},
            rejections={"rate_limited": 7, "no_endpoint": 1, "draining": 1},
            refused={"all/per-client": {"rate_limited": 7}, "": {"no_endpoint": 1, "draining": 1}},
            retries={"reset": 2, "503": 1},
            latency=latency([0] * 4 + [7] + [0, 10] + [0] * 10, 1.0),
            attempts={"success": 16, "5xx": 4, "reset": 2, "downstream_gone": 1},
        ),
    )
    assert found is not None
    flow = found.routes["all"]
    assert (flow.requests, flow.errors, flow.refused, flow.retries) == (5.0, 2.0, 2.0, 1.0)
    assert flow.latency(0.5) == pytest.approx(0.0375)  # of those ten alone, which took 25 to 50 ms
    assert found.refusals == {("all", "all/per-client", "rate_limited"): 1.5, ("all", "", "draining"): 0.5}
    tries = found.upstreams["app"]
    assert (tries.requests, tries.errors, tries.failures) == (7.0, 1.5, {"5xx": 1.0, "reset": 0.5})
    total = found.total()
    assert (total.requests, total.errors, total.refused, total.buckets) == (5.0, 2.0, 2.0, flow.buckets)


def test_nothing_is_known_before_there_are_two_looks() -> None:
    assert pace(None, STATUS) is None
    assert pace(STATUS, STATUS) is None


def test_another_process_is_a_fresh_start() -> None:
    assert pace(STATUS, grown(requests=1) | {"uptime_seconds": 0.5}) is None
    older = STATUS["uptime_seconds"] + 20
    later = {"uptime_seconds": older, "time": STATUS["time"] + older + 1}
    assert pace(STATUS, grown(requests=1) | later) is None
    assert pace(STATUS, grown(requests=1) | later | {"time": STATUS["time"] + 20}) is not None


def test_a_counter_that_went_backwards_counts_for_nothing() -> None:
    found = pace(STATUS, grown(requests=3, statuses={}, latency=latency([0] * 4 + [3] + [0] * 12, 0.01), attempts={}))
    assert found is not None
    assert (found.routes["all"].requests, found.routes["all"].errors) == (0.0, 0.0)
    assert found.routes["all"].latency(0.99) is None
    assert found.upstreams["app"].requests == 0.0


def test_a_route_that_is_new_counts_from_nothing() -> None:
    found = pace(STATUS | {"routes": []}, grown(requests=8))
    assert found is not None
    assert found.routes["all"].requests == 4.0
    assert found.routes["all"].latency(0.5) is not None


def test_an_instance_without_workers_has_no_rates() -> None:
    found = pace(ALONE, ALONE | {"uptime_seconds": 5.0})
    assert found is not None
    assert (found.total().requests, found.total().latency(0.5)) == (0, None)


def test_refusals_are_told_by_route_rule_and_reason() -> None:
    assert refusals(STATUS) == {("all", "all/per-client", "rate_limited"): 4, ("all", "", "no_endpoint"): 1}
    assert refusals(STATUS, "shadow_refused")[("all", "all/concurrency", "concurrency_limited")] == 9


def test_what_nobody_is_to_blame_for_is_no_failure() -> None:
    assert failures({"success": 5, "downstream_gone": 3, "5xx": 1, "reset": 2}) == {
        "5xx": 1,
        "reset": 2,
    }


COUNTS = st.dictionaries(st.sampled_from(["5xx", "2xx", "success", "reset"]), st.integers(0, 10**9))
BUCKETS = st.lists(st.integers(0, 10**6), min_size=17, max_size=17)


@st.composite
def statuses(draw: st.DrawFn) -> dict[str, Any]:
    told = copy.deepcopy(STATUS)
    told["uptime_seconds"] = draw(st.floats(0, 1e6))
    rules = draw(st.dictionaries(st.sampled_from(["", "all/x"]), COUNTS))
    told["routes"][0] |= {
        "requests": draw(st.integers(0, 10**9)),
        "statuses": draw(COUNTS),
        "rejections": draw(COUNTS),
        "retries": draw(COUNTS),
        "refused": rules,
        "latency": latency(draw(BUCKETS), 1.0),
    }
    told["upstreams"][0] |= {"attempts": draw(COUNTS), "latency": latency(draw(BUCKETS), 1.0)}
    return told


@given(statuses(), statuses())
def test_nothing_is_ever_negative(before: dict[str, Any], now: dict[str, Any]) -> None:
    found = pace(before, now)
    if found is None:
        assert now["uptime_seconds"] <= before["uptime_seconds"]
        return
    for flow in (*found.routes.values(), *found.upstreams.values(), found.total()):
        rates = (flow.requests, flow.errors, flow.refused, flow.retries, *flow.failures.values(), *flow.buckets)
        assert min(rates) >= 0
        assert (flow.latency(0.99) or 0.0) >= (flow.latency(0.5) or 0.0) >= 0.0
    assert all(often > 0 for often in found.refusals.values())
