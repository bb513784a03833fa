"""The parts of a status as tables."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.cli import status_sheets as sheets
from sidecar.cli.sheets import Sheet, Tone, laid, plain
from tests.doubles.sample_status import ENDPOINT, EVENTS, LISTENER, ROUTE, STATUS, UPSTREAM


def shown(sheet: Sheet) -> list[list[str]]:
    return [text.split() for text in plain(laid(sheet))]


def test_a_route_has_its_counts_its_latency_and_its_limits() -> None:
    head, one = plain(laid(sheets.routes(STATUS)))
    assert head.split() == ["ROUTE", "UPSTREAM", "IN", "FLIGHT", "REQUESTS", "5XX", "REFUSED", "P50", "P99", "LIMITS"]
    assert one.split()[:8] == ["all", "app", "2", "7", "1", "5", "7.5ms", "10ms"]
    assert one.endswith("whole 17/20, concurrency 2/5 in shadow, queue 1/10 in shadow")


def test_a_limit_that_is_used_up_alarms_only_where_it_is_in_force() -> None:
    def tone(mode: str) -> Tone:
        limit = {"rate": "20/s", "burst": 20, "remaining": 0, "mode": mode}
        return sheets.limits({"policies": {"all/rate_limits": {"shadow": False, "limits": {"whole": limit}}}}).tone

    assert (tone("enforce"), tone("shadow")) == (Tone.BAD, Tone.PLAIN)


def test_a_listener_tells_who_came_no_further_and_when_its_certificates_end() -> None:
    (cells,) = sheets.listeners(STATUS | {"listeners": [LISTENER]}).rows
    assert [cell.text for cell in cells] == [
        "public",
        "0.0.0.0:8443",
        "PROXY, TLS, http",
        "4",
        "12",
        "5",
        "PROXY header untrusted 2, left 1, plain_http 2",
        "in 4d, ended",
    ]
    plain_one = LISTENER | {"tls": None, "proxy_protocol": False, "proxy_headers": {}, "protocol": "tcp"}
    (cells,) = sheets.listeners(STATUS | {"listeners": [plain_one]}).rows
    assert [cell.text for cell in cells][2:] == ["tcp", "4", "-", "0", "", ""]


def test_a_listener_of_an_older_instance_is_left_out() -> None:
    assert not sheets.listeners(STATUS | {"listeners": [{"name": "public", "address": ":1", "connections": 0}]}).rows


def test_an_upstream_tells_what_its_attempts_failed_by() -> None:
    _, one = shown(sheets.upstreams(STATUS))
    assert one == ["app", "9", "3", "7.5ms", "10ms", "9", "5xx", "2,", "reset", "1", "hold", "0/100"]


def test_an_upstream_without_a_budget_has_none_left() -> None:
    _, one = shown(sheets.upstreams(STATUS | {"upstreams": [UPSTREAM | {"retry_budgets": [], "policies": {}}]}))
    assert one[5] == "-"


def test_an_endpoint_tells_its_state_and_its_connections() -> None:
    waiting = ENDPOINT | {"pool": ENDPOINT["pool"] | {"waiting": 3}, "down": True, "why_down": "status 503"}
    rows = shown(sheets.endpoints(STATUS | {"upstreams": [UPSTREAM | {"endpoints": [ENDPOINT, waiting]}]}))
    assert rows[1] == ["app/127.0.0.1:3000", "ready", "2", "5", "0", "1"]
    assert rows[2] == ["app/127.0.0.1:3000", "down:", "status", "503", "2", "5", "3", "1"]


def test_a_breaker_tells_when_it_probes_next() -> None:
    rows = shown(sheets.breakers(STATUS))
    assert ["upstream.app", "open", "12s", "6", "1", "10"] in rows
    assert ["route.all", "open,", "by", "hand,", "in", "shadow", "-", "0", "0", "0"] in rows


def test_several_workers_have_a_table() -> None:
    serving = {"slot": 0, "pid": 41, "phase": "serving", "uptime_seconds": 61.5, "restarts": 0}
    serving |= {"connections": 7, "loop_lag_seconds": 0.0034}
    gone = {"slot": 1, "pid": None, "phase": "restarting", "uptime_seconds": None, "restarts": 3}
    gone |= {"connections": None, "loop_lag_seconds": None}
    head, *rows = shown(sheets.workers(STATUS | {"workers": [serving, gone]}))
    assert head == ["WORKER", "PID", "STATE", "UP", "RESTARTS", "CONNECTIONS", "LAG"]
    assert rows == [["0", "41", "serving", "1m", "0", "7", "3.4ms"], ["1", "-", "restarting", "-", "3", "-", "-"]]
    assert sheets.workers(STATUS).rows == []


def test_an_event_of_a_worker_says_which() -> None:
    told = {"time": 60.0, "kind": "ejected", "subject": "app/a:1", "text": "ejected for 30s", "fields": {"worker": 2}}
    assert plain(laid(sheets.events([told], 61.0, 5)))[1].endswith("app/a:1  ejected for 30s (worker 2)")


def test_each_limit_has_a_line_with_whatever_it_tells() -> None:
    lines = [text.split(maxsplit=1) for text in plain(laid(sheets.policies(STATUS)))]
    assert ["all/rate_limits", "waiting 0"] in lines
    assert ["all/rate_limits/limits/per-client", "rate 10/s, burst 10, key client_ip,path:id, keys 3"] in lines
    assert ["all/concurrency", "max 5, in_flight 2, max_queue 10, queued 1, in shadow"] in lines
    assert ["app/hold", "max_requests 100, held 0, releasing 0, seconds 0.0"] in lines
    assert not [line for line in lines if line[:1] in (["all/fault"], ["app/circuit_breaker"])]


def test_refusals_are_told_by_rule_and_reason_the_most_first() -> None:
    assert shown(sheets.refused(STATUS))[1:] == [
        ["all/per-client", "rate_limited", "all", "4", "1"],
        ["-", "no_endpoint", "all", "1", "0"],
        ["all/concurrency", "concurrency_limited", "all", "0", "9"],
    ]


def test_events_are_told_the_newest_first() -> None:
    rows = plain(laid(sheets.events(EVENTS, STATUS["time"], 8)))
    assert rows[1] == "22:14:50Z  10s  breaker  upstream.app  closed to open: 6 of 10 attempts failed"
    assert rows[2] == "22:13:20Z   1m  reload   rules         reloaded"
    assert len(plain(laid(sheets.events(EVENTS, STATUS["time"], 1)))) == 2


def test_alarming_events_are_marked() -> None:
    new, old = sheets.events(EVENTS, STATUS["time"], 8).rows
    assert (new[2].tone, old[2].tone) == (Tone.WARN, Tone.PLAIN)


@pytest.mark.parametrize(("used", "tone"), [(3, Tone.PLAIN), (4, Tone.WARN), (5, Tone.BAD), (9, Tone.BAD)])
def test_the_fullest_limit_decides_the_tone(used: int, tone: Tone) -> None:
    policies: dict[str, Any] = {"all/concurrency": {"max": 5, "in_flight": used, "max_queue": 0, "queued": 0}}
    cell = sheets.limits(ROUTE | {"policies": policies})
    assert cell == (f"concurrency {used}/5", tone)


def test_what_has_no_limits_has_nothing_to_show() -> None:
    assert sheets.limits(ROUTE | {"policies": {}}) == ("", Tone.PLAIN)
