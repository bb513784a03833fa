"""What several workers tell is told as one instance's."""

from __future__ import annotations

import copy
import json
from typing import Any

from sidecar.admin.subject import Condition
from sidecar.app.merged_status import merge_conditions, merge_status
from sidecar.cli.alarms import standing
from sidecar.cli.sheets import plain
from sidecar.cli.status_view import report
from sidecar.telemetry.latency import latency
from sidecar.telemetry.parts import joined
from sidecar.telemetry.stats import BOUNDS
from sidecar.workers.crew import Member
from tests.doubles.backend import Backend
from tests.doubles.running import running

ENDPOINT = {
    "name": "app/127.0.0.1:1",
    "weight": 3,
    "in_flight": 1,
    "takes_attempts": True,
    "down": False,
    "drained": False,
    "ejection": {"state": "available", "seconds_left": 0.0},
    "pool": {"in_use": 1, "idle": 2, "waiting": 0, "connecting": 0},
}
STATUS: dict[str, Any] = {
    "version": "1.2.3",
    "phase": "serving",
    "uptime_seconds": 10.5,
    "not_ready": [],
    "rules": {"file": "a.yaml", "hash": "0123456789abcdef", "generation": 1},
    "listeners": [{"name": "main", "address": "127.0.0.1:8080", "connections": 4}],
    "routes": [
        {
            "name": "all",
            "upstream": "app",
            "in_flight": 1,
            "requests": 5,
            "statuses": {"2xx": 4, "5xx": 1},
            "rejections": {"rate_limited": 1},
            "rejected_by": {"all/per-client": 1},
            "shadow_rejected_by": {},
            "refused": {"all/per-client": {"rate_limited": 1}, "": {"no_endpoint": 1}},
            "shadow_refused": {},
            "latency": latency([5, *[0] * 16], 0.0005),
            "retries": {"reset": 1},
            "retries_skipped": {},
            "fallbacks": {"stale": 1},
            "policies": {
                "all/rate_limits": {"shadow": False, "limits": {"per-client": {"keys": 9}}, "waiting": 2},
                "all/concurrency": {"shadow": False, "max": 5, "in_flight": 3},
                "all/fault": {"shadow": False, "abort_ratio": 0.5, "aborted_total": 2, "delayed_total": 0},
            },
        }
    ],
    "upstreams": [
        {
            "name": "app",
            "attempts": {"success": 5},
            "latency": latency([0, 5, *[0] * 15], 0.004),
            "connects": {"ok": 2},
            "ejections": {},
            "breaker": {"state": "closed", "requests": 7},
            "policies": {
                "app/circuit_breaker": {"shadow": False, "requests": 7},
                "app/hold": {"shadow": False, "max_requests": 50, "held": 2, "seconds": 0.5, "held_total": 4},
            },
            "retry_budgets": [{"ratio": 0.2, "min_per_second": 2.5, "available": 7.125}],
            "endpoints": [ENDPOINT],
        }
    ],
    "breakers": {"upstream.app": {"state": "closed", "requests": 7}},
    "connections": {"downstream": {"active": 1, "idle": 3}, "upstream": {"active": 1, "idle": 2}},
    "pressure": {"accepting": True, "pauses": 1, "memory": {"shedding": False, "resident_bytes": 100}},
    "drain": {"stage": "none", "why": "", "deadline_seconds": 30.0, "in_flight": {"requests": 1}, "cut": 0},
    "loop_lag_seconds": 0.001,
    "latency_bounds": list(BOUNDS),
}
MEMBERS = [Member(0, 41, True, 0), Member(1, 42, True, 2)]


def changed(**changes: Any) -> dict[str, Any]:
    """A worker's status of its own, with these differences."""
    return copy.deepcopy(STATUS) | changes


def merged(*statuses: dict[str, Any], **own: Any) -> dict[str, Any]:
    return joined(merge_status(dict(enumerate(statuses)), [], MEMBERS, own))


def test_counts_are_added_up() -> None:
    told = merged(STATUS, changed())
    assert told["listeners"] == [{"name": "main", "address": "127.0.0.1:8080", "connections": 8}]
    (route,) = told["routes"]
    assert (route["name"], route["upstream"], route["in_flight"], route["requests"]) == ("all", "app", 2, 10)
    assert (route["statuses"], route["rejections"]) == ({"2xx": 8, "5xx": 2}, {"rate_limited": 2})
    assert (route["rejected_by"], route["retries"], route["fallbacks"]) == (
        {"all/per-client": 2},
        {"reset": 2},
        {"stale": 2},
    )
    (upstream,) = told["upstreams"]
    assert (upstream["attempts"], upstream["connects"]) == ({"success": 10}, {"ok": 4})
    (endpoint,) = upstream["endpoints"]
    assert (endpoint["in_flight"], endpoint["weight"]) == (2, 3)
    assert endpoint["pool"] == {"in_use": 2, "idle": 4, "waiting": 0, "connecting": 0}
    assert told["connections"] == {"downstream": {"active": 2, "idle": 6}, "upstream": {"active": 2, "idle": 4}}
    assert told["pressure"]["memory"]["resident_bytes"] == 200
    assert told["drain"] == STATUS["drain"] | {"in_flight": {"requests": 2}}


def test_refusals_are_added_up_by_rule_and_reason() -> None:
    other = changed()
    other["routes"][0]["refused"] = {"all/per-client": {"rate_limited": 2}, "all/concurrency": {"overloaded": 3}}
    other["routes"][0]["shadow_refused"] = {"all/new": {"rate_limited": 1}}
    (route,) = merged(STATUS, other)["routes"]
    assert route["refused"] == {
        "all/per-client": {"rate_limited": 3},
        "": {"no_endpoint": 1},
        "all/concurrency": {"overloaded": 3},
    }
    assert route["shadow_refused"] == {"all/new": {"rate_limited": 1}}


def test_handshakes_are_added_up_and_certificates_are_told_once() -> None:
    shown = [{"names": ["a.test"], "not_after": 2.0}, {"names": ["a.test"], "not_after": 3.0}]
    tls = {"min_version": "1.2", "certificates": shown, "handshakes": {"ok": 2, "left": 1}}
    headers = {"proxy_protocol": True, "proxy_headers": {"ok": 3}}
    secure = [{"name": "main", "address": "127.0.0.1:8443", "connections": 1, "tls": tls, **headers}]
    (told,) = merged(STATUS | {"listeners": secure}, STATUS | {"listeners": secure})["listeners"]
    assert (told["tls"]["handshakes"], told["tls"]["certificates"]) == ({"ok": 4, "left": 2}, shown)
    assert (told["proxy_protocol"], told["proxy_headers"]) == (True, {"ok": 6})


def test_quantiles_are_those_of_all_workers_requests() -> None:
    slow = changed()
    slow["routes"][0]["latency"] = latency([*[0] * 9, 15, *[0] * 7], 7.5)
    (route,) = merged(STATUS, slow)["routes"]
    assert route["latency"] == latency([5, *[0] * 8, 15, *[0] * 7], 7.5005)
    (upstream,) = merged(STATUS, STATUS, STATUS)["upstreams"]
    assert upstream["latency"] == latency([0, 15, *[0] * 15], 0.012)


def test_a_label_that_only_one_worker_has_is_kept() -> None:
    other = changed()
    other["routes"][0]["statuses"] = {"4xx": 3}
    other["routes"].append(changed()["routes"][0] | {"name": "-"})
    told = merged(STATUS, other)
    assert [route["name"] for route in told["routes"]] == ["all", "-"]
    assert told["routes"][0]["statuses"] == {"2xx": 4, "5xx": 1, "4xx": 3}


def test_what_all_workers_share_is_told_once() -> None:
    told = merged(STATUS, changed())
    assert told["breakers"] == STATUS["breakers"]
    assert told["upstreams"][0]["breaker"] == STATUS["upstreams"][0]["breaker"]
    policies = told["routes"][0]["policies"]
    for shared in ("all/rate_limits", "all/concurrency"):
        assert policies[shared] == STATUS["routes"][0]["policies"][shared]
    assert told["upstreams"][0]["policies"]["app/circuit_breaker"]["requests"] == 7


def test_what_each_worker_has_a_part_of_is_added_up() -> None:
    told = merged(STATUS, changed())
    fault = told["routes"][0]["policies"]["all/fault"]
    assert (fault["abort_ratio"], fault["aborted_total"], fault["shadow"]) == (0.5, 4, False)
    (upstream,) = told["upstreams"]
    assert upstream["retry_budgets"] == [{"ratio": 0.2, "min_per_second": 5.0, "available": 14.25}]
    hold = {"shadow": False, "max_requests": 100, "held": 4, "seconds": 0.5, "held_total": 8}
    assert upstream["policies"]["app/hold"] == hold


def test_the_largest_counts_where_a_sum_means_nothing() -> None:
    told = merged(STATUS, changed(uptime_seconds=3.0, loop_lag_seconds=0.2))
    assert (told["uptime_seconds"], told["loop_lag_seconds"]) == (10.5, 0.2)


def test_it_accepts_while_any_worker_does_and_sheds_when_any_does() -> None:
    other = changed(pressure={"accepting": False, "pauses": 2, "memory": {"shedding": True, "resident_bytes": None}})
    for told in (merged(STATUS, other), merged(other, STATUS)):
        pressure = {"accepting": True, "pauses": 3, "memory": {"shedding": True, "resident_bytes": 100}}
        assert told["pressure"] == pressure


def test_an_endpoint_is_seen_by_the_worker_that_can_reach_it() -> None:
    other = changed()
    ejected = {"takes_attempts": False, "ejection": {"state": "ejected", "seconds_left": 9.0}}
    other["upstreams"][0]["endpoints"] = [ENDPOINT | ejected]
    for told in (merged(STATUS, other), merged(other, STATUS)):
        (endpoint,) = told["upstreams"][0]["endpoints"]
        assert (endpoint["takes_attempts"], endpoint["ejection"]["state"]) == (True, "available")
        assert endpoint["workers"] == {"taking_attempts": 1, "all": 2}
        assert standing(endpoint).text == "ready in 1 of 2 workers"


def test_each_worker_has_a_line() -> None:
    members = [Member(0, None, False, 3), MEMBERS[1], Member(2, 43, False, 0)]
    told = joined(merge_status({1: STATUS}, [], members, {}))
    assert [(one["slot"], one["pid"], one["phase"], one["restarts"]) for one in told["workers"]] == [
        (0, None, "restarting", 3),
        (1, 42, "serving", 2),
        (2, 43, "starting", 0),
    ]
    assert told["workers"][1] == {
        "slot": 1,
        "pid": 42,
        "phase": "serving",
        "uptime_seconds": 10.5,
        "restarts": 2,
        "connections": 4,
        "loop_lag_seconds": 0.001,
    }


def test_the_instance_serves_while_any_worker_does() -> None:
    assert merged(changed(phase="draining"), STATUS)["phase"] == "serving"
    assert merged(changed(phase="closing"), changed(phase="draining"))["phase"] == "draining"


def test_the_supervisor_s_own_words_stand() -> None:
    rules = {"file": "a.yaml", "hash": "b", "generation": 7}
    told = merged(STATUS, uptime_seconds=99.0, rules=rules)
    assert (told["uptime_seconds"], told["rules"]) == (99.0, rules)


def test_an_instance_without_a_worker_still_has_a_status() -> None:
    nobody = [Condition("serving", False, "no worker serves")]
    own = {"version": "1", "phase": "serving", "uptime_seconds": 1.0, "rules": STATUS["rules"]}
    told = joined(merge_status({}, nobody, [Member(0, None, False, 1)], own))
    assert told["not_ready"] == ["serving: no worker serves"]
    assert told["latency_bounds"] == list(BOUNDS)
    assert any("worker 0 is restarting" in line for line in plain(report(told, [], 1.0)))


def test_a_condition_holds_when_it_does_in_a_worker_that_serves() -> None:
    told = {
        0: [Condition("serving", True), Condition("upstream app", False, "0 of 1")],
        1: [Condition("serving", True), Condition("upstream app", True, "1 of 1")],
        2: [Condition("serving", False, "starting"), Condition("upstream other", True)],
    }
    assert merge_conditions(told) == [Condition("serving", True), Condition("upstream app", True, "1 of 1")]


def test_a_worker_that_drains_cannot_make_the_instance_ready() -> None:
    told = {
        0: [Condition("serving", True), Condition("upstream app", False, "0 of 1")],
        1: [Condition("serving", False, "draining"), Condition("upstream app", True, "1 of 1")],
    }
    assert [one for one in merge_conditions(told) if not one.holds] == [Condition("upstream app", False, "0 of 1")]


def test_nobody_who_serves_is_not_ready() -> None:
    draining = [Condition("serving", False, "draining"), Condition("rules", True)]
    assert merge_conditions({0: draining, 1: draining}) == draining
    assert merge_conditions({}) == [Condition("serving", False, "no worker serves")]


async def test_the_status_of_running_proxies_is_merged_and_shown() -> None:
    async with Backend() as backend, running(backend.url) as one, running(backend.url) as other:
        for proxy in (one, other):
            async with proxy.peer() as peer:
                await peer.get("/")
        oversights = dict(enumerate([one.proxy.oversight, other.proxy.oversight]))
        conditions = merge_conditions({slot: oversight.conditions() for slot, oversight in oversights.items()})
        statuses = {slot: joined(oversight.status()) for slot, oversight in oversights.items()}
        told = joined(merge_status(statuses, conditions, MEMBERS, {}))
    assert told["routes"][0]["statuses"] == {"2xx": 2}
    assert told["not_ready"] == []
    assert told["routes"][0]["latency"]["count"] == told["upstreams"][0]["latency"]["count"] == 2
    assert json.loads(json.dumps(told)) == told
    assert any(line.startswith("WORKER") for line in plain(report(told, [], 1.0)))


def test_who_knows_why_an_endpoint_is_down_is_believed() -> None:
    barred = ENDPOINT | {"takes_attempts": False, "down": True, "why_down": ""}
    first, second = changed(), changed()
    first["upstreams"][0]["endpoints"] = [barred]
    second["upstreams"][0]["endpoints"] = [barred | {"why_down": "cannot be connected to"}]
    (endpoint,) = merged(first, second)["upstreams"][0]["endpoints"]
    assert (endpoint["why_down"], endpoint["workers"]) == ("cannot be connected to", {"taking_attempts": 0, "all": 2})


def test_one_that_does_not_answer_is_said_to_be_so() -> None:
    told = joined(merge_status({0: STATUS, 1: STATUS}, [], MEMBERS, {}, silent={1}))
    assert [one["phase"] for one in told["workers"]] == ["serving", "not answering"]
    assert told["routes"][0]["requests"] == 10


def test_routes_of_workers_with_other_rules_and_of_those_that_are_gone_are_merged_one_after_the_other() -> None:
    other, gone = copy.deepcopy(STATUS), {"routes": [{"name": "all", "requests": 3}, {"name": "old", "requests": 1}]}
    other["routes"] = [other["routes"][0] | {"name": "new"}, *other["routes"]]
    parts = list(merge_status({0: STATUS, 1: other}, [], MEMBERS, {}, [gone]))
    told = [part["routes"] for part in parts if "routes" in part]
    assert max(map(len, told)) == 1
    assert [(one["name"], one["requests"]) for routes in told for one in routes] == [
        ("all", 13),
        ("new", 5),
        ("old", 1),
    ]
    assert {} in parts  # to find them was work, too
