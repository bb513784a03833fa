"""`sidecar status` as lines."""

from __future__ import annotations

import itertools
from typing import Any

from sidecar.cli.sheets import plain
from sidecar.cli.status_view import report
from tests.doubles.sample_status import ALONE, EVENTS, LISTENER, ROUTE, STATUS, UPSTREAM, WELL


def shown(told: dict[str, Any], events: list[dict[str, Any]] | None = None) -> list[str]:
    return plain(report(told, events or [], STATUS["time"]))


def above(told: dict[str, Any]) -> list[str]:
    lines = shown(told)
    return lines[: lines.index("")]


def heads(told: dict[str, Any], events: list[dict[str, Any]] | None = None) -> list[str]:
    lines = ["", *shown(told, events)]
    return [line.split()[0] for before, line in itertools.pairwise(lines) if not before][1:]


def test_the_whole_stands_above_the_tables_and_what_is_wrong_with_it() -> None:
    assert above(STATUS) == [
        "serving, up 3m, version 0.1.0, rules 0123456789ab (generation 3)",
        "downstream 3 (2 active), upstream 7 (2 active), loop lag 3.4ms, memory 61MiB",
        "not ready: upstream app: no endpoint is available",
        "breaker upstream.app is open, next probe in 12s (6 of 10 attempts failed, 1 was slow)",
        "breaker route.all is open, by hand, in shadow",
        "refused 4 since the start: rate_limited by all/per-client (route all)",
        "refused 1 since the start: no_endpoint (route all)",
    ]


def test_what_is_well_says_nothing_more() -> None:
    assert len(above(WELL)) == 2


def test_a_drain_tells_why_and_until_when() -> None:
    drain = {"stage": "draining", "why": "POST /drain", "deadline_left_seconds": 12.4, "in_flight": {"requests": 3}}
    assert above(WELL | {"phase": "draining", "drain": drain})[0].startswith(
        "draining (POST /drain: 3 to end, 13s left), up 3m"
    )
    endless = drain | {"deadline_left_seconds": None}
    assert above(WELL | {"drain": endless})[0].startswith("serving (POST /drain: 3 to end), up")


def test_many_refusals_are_told_in_the_table() -> None:
    many = ROUTE | {"refused": {f"all/{number}": {"rate_limited": number} for number in range(1, 9)}}
    lines = shown(STATUS | {"routes": [many]})
    assert next(line for line in lines if line.startswith("refused")).startswith("refused 8 ")
    assert "and 3 other refusals, see below" in lines
    assert sum(line.startswith("all/") and "rate_limited" in line for line in lines) == 9  # one in shadow alone


def test_tables_come_in_their_order() -> None:
    assert heads(STATUS, EVENTS) == ["ROUTE", "RULE", "UPSTREAM", "ENDPOINT", "BREAKER", "POLICY", "TIME"]


def test_listeners_have_a_table_where_they_are_told_of() -> None:
    assert heads(STATUS | {"listeners": [LISTENER]})[3:6] == ["ENDPOINT", "LISTENER", "BREAKER"]


def test_tables_of_what_there_is_none_of_are_left_out() -> None:
    assert heads(WELL | {"breakers": {}, "upstreams": [UPSTREAM | {"policies": {}}]}) == [
        "ROUTE",
        "UPSTREAM",
        "ENDPOINT",
    ]


def test_an_instance_without_workers_is_told_as_far_as_it_is_known() -> None:
    assert shown(ALONE) == [
        "starting, up 3s, version -, rules 0123456789ab (generation 1)",
        "not ready: serving: no worker serves",
    ]


def test_names_of_the_network_cannot_steer_the_terminal() -> None:
    hostile = [EVENTS[0] | {"subject": "\x1b[2J", "text": "\x1b]0;x\x07"}]
    assert all(line.isprintable() for line in shown(STATUS | {"not_ready": ["\x1b[31m"]}, hostile))
