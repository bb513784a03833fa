"""One frame of `sidecar top`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli.figures import span
from sidecar.cli.rates import Flow, Pace
from sidecar.cli.sheets import plain
from sidecar.cli.top_view import View, frame, page, shares, starting
from tests.doubles.sample_status import ALONE, EVENTS, ROUTE, STATUS, UPSTREAM, WELL

BUCKETS = [0] * 4 + [10] + [0] * 12
PACE = Pace(
    1.0,
    {"all": Flow(requests=120.0, errors=1.2, refused=3.1, retries=0.5, buckets=BUCKETS)},
    {"app": Flow(requests=117.0, errors=2.5, failures={"5xx": 2.0, "reset": 0.5}, buckets=BUCKETS)},
    {("all", "all/per-client", "rate_limited"): 3.1},
)
VIEW = View(STATUS, EVENTS, STATUS["time"], PACE, (None, 60.0, 120.0))


def shown(view: View, width: int = 80, height: int = 40, scroll: int = 0) -> list[str]:
    return plain(frame(view, width, height, scroll).lines)


def routes(*names: str, **flows: Flow) -> View:
    told = STATUS | {"routes": [ROUTE | {"name": name} for name in names]}
    return replace(VIEW, told=told, pace=Pace(1.0, flows, {}, {}))


def test_the_rates_of_the_whole_stand_on_top() -> None:
    lines = shown(VIEW)
    assert lines[0] == "serving, up 3m, version 0.1.0, rules 0123456789ab (generation 3)"
    assert lines[1] == "120 req/s  1.0% 5xx  3.1/s refused  2 in flight  p50 7.5ms  p99 10ms   ▅█"
    assert lines[2] == "downstream 3 (2 active), upstream 7 (2 active), loop lag 3.4ms, memory 61MiB"


def test_the_rates_of_the_whole_fit_eighty_columns_with_their_units() -> None:
    much = Flow(requests=12345.0, errors=6789.0, refused=6789.0, buckets=[0] * 8 + [50] * 2)
    latency = f"p50 {span(much.latency(0.5))}  p99 {span(much.latency(0.99))}"
    view = replace(VIEW, pace=Pace(1.0, {"all": much}), told=STATUS | {"routes": [ROUTE | {"in_flight": 512}]})
    assert latency in shown(view)[1]


def test_what_is_wrong_comes_next_with_how_often_it_is_refused() -> None:
    lines = shown(VIEW, width=200)
    start = lines.index("WRONG")
    assert lines[start + 1 : start + 5] == [
        "not ready: upstream app: no endpoint is available",
        "breaker upstream.app is open, next probe in 12s (6 of 10 attempts failed, 1 was slow)",
        "breaker route.all is open, by hand, in shadow",
        "refused 3.1/s: rate_limited by all/per-client (route all)",
    ]


def test_the_end_of_what_is_wrong_is_never_cut() -> None:
    lines = shown(VIEW, width=40)
    start = lines.index("breaker upstream.app is open, next probe")
    assert lines[start + 1 : start + 3] == ["  in 12s (6 of 10 attempts failed, 1 was", "  slow)"]


def test_when_nothing_is_wrong_it_says_so() -> None:
    assert "nothing is wrong" in shown(View(WELL, [], WELL["time"]))


def test_a_backend_that_fails_is_something_that_is_wrong() -> None:
    lines = shown(replace(VIEW, told=WELL, pace=Pace(1.0, {"all": Flow(requests=50.0, errors=50.0)})))
    assert "100% of the answers of all are 5xx of the backend (50/s)" in lines
    assert "nothing is wrong" not in lines


def test_routes_and_upstreams_have_their_rates() -> None:
    rows = [line.split() for line in shown(VIEW, width=120)]
    assert ["all", "120", "1.2", "3.1", "0.5", "2", "7.5ms", "10ms", "whole", "17/20,"] in [row[:10] for row in rows]
    assert ["app", "117", "2.5", "7.5ms", "10ms", "5xx", "2.0,", "reset", "0.5", "hold", "0/100"] in rows


def test_before_the_second_look_nothing_is_measured() -> None:
    lines = shown(replace(VIEW, pace=None, history=()))
    assert lines[1] == "measuring …  2 in flight"
    assert ["all", "-", "-", "-", "2", "-", "-"] in [line.split()[:7] for line in lines]


def test_routes_are_sorted_by_what_is_wrong_and_then_by_traffic() -> None:
    view = routes(
        "idle", "busy", "broken", "refusing",
        busy=Flow(requests=900.0), broken=Flow(requests=5.0, errors=2.0), refusing=Flow(requests=5.0, refused=4.0),
    )  # fmt: skip
    found = [line.split()[0] for line in shown(view) if line.split() and line.split()[0] in view.pace.routes]  # type: ignore[union-attr]
    assert found == ["refusing", "broken", "busy"]


def test_breakers_and_endpoints_that_are_well_come_last() -> None:
    closed = STATUS["breakers"]["upstream.app"] | {"state": "closed", "open_remaining": 0.0}
    told = STATUS | {"breakers": {"a": closed, "b": STATUS["breakers"]["upstream.app"]}}
    lines = shown(replace(VIEW, told=told))
    head = next(place for place, line in enumerate(lines) if line.startswith("BREAKER"))
    assert [line.split()[0] for line in lines[head + 1 : head + 3]] == ["b", "a"]


def test_a_sidecar_that_is_gone_is_told_in_place_of_its_health() -> None:
    lines = shown(replace(VIEW, trouble="no sidecar answers"))
    assert lines[2] == "no sidecar answers"
    assert lines[1].startswith("120 req/s")


def test_a_pause_is_told() -> None:
    assert shown(replace(VIEW, paused=True))[-1] == "q quit  p pause  paused"


def test_what_was_cut_is_reached_by_scrolling() -> None:
    names = [f"route-{number:02}" for number in range(40)]
    view = routes(*names)
    seen: set[str] = set()
    made = frame(view, 80, 24)
    for scroll in range(made.furthest + 1):
        lines = shown(view, 80, 24, scroll)
        assert lines[-1] == "q quit  p pause  j/k scroll"
        seen |= {line.split()[0] for line in lines if line.startswith("route-")}
    assert seen == set(names)
    assert any(line.endswith(" of 40") for line in shown(view, 80, 24))
    assert shown(view, 80, 24, made.furthest + 9) == shown(view, 80, 24, made.furthest)


def test_the_worst_is_seen_on_the_smallest_screen() -> None:
    lines = shown(VIEW, 80, 10)
    assert "not ready: upstream app: no endpoint is available" in lines


@given(st.integers(1, 200), st.integers(5, 60), st.integers(0, 50), st.integers(0, 40))
def test_a_frame_is_as_high_as_its_screen(width: int, height: int, scroll: int, many: int) -> None:
    view = routes(*(f"r{number}" for number in range(many)))
    assert len(frame(view, width, height, scroll).lines) == height
    assert len(starting("", height).lines) == height


def test_tables_fit_eighty_columns() -> None:
    long = ROUTE | {"name": "a-route-with-a-name-of-sixty-four-letters-that-nobody-should-write"}
    view = replace(VIEW, told=STATUS | {"routes": [long], "upstreams": [UPSTREAM]})
    assert all(len(line) <= 80 for line in shown(view)[3:])


@given(st.lists(st.integers(1, 30), max_size=8), st.integers(0, 60))
def test_nobody_gets_more_lines_than_wanted_and_none_is_wasted(wanted: list[int], room: int) -> None:
    given_lines = shares(wanted, room)
    assert all(0 <= got <= want for got, want in zip(given_lines, wanted, strict=True))
    assert sum(given_lines) <= room
    assert all(got >= min(want, 3) for got, want in zip(given_lines, wanted, strict=True) if got)
    if all(given_lines):
        assert sum(given_lines) == min(sum(wanted), room)


@pytest.mark.parametrize(
    ("wanted", "room", "got"), [([9, 9], 8, [5, 3]), ([20, 20], 30, [20, 10]), ([9, 9], 5, [5, 0])]
)
def test_what_is_wrong_has_half_if_it_wants_it(wanted: list[int], room: int, got: list[int]) -> None:
    assert shares(wanted, room) == got


def test_a_page_has_everything_and_the_time() -> None:
    names = [f"route-{number:02}" for number in range(60)]
    lines = plain(page(routes(*names)))
    assert lines[0] == "22:15:00Z"
    assert sum(line.startswith("route-") for line in lines) == 60


def test_an_instance_without_workers_is_shown_as_far_as_it_is_known() -> None:
    lines = shown(View(ALONE, [], ALONE["time"]))
    assert lines[2] == ""
    assert "not ready: serving: no worker serves" in lines


def test_before_anything_is_known_it_says_what_it_waits_for() -> None:
    assert plain(starting("", 3).lines) == ["looking …", "", "q quit"]
    assert plain(starting("no sidecar answers", 3).lines)[0] == "no sidecar answers"


def test_names_of_the_network_cannot_steer_the_terminal() -> None:
    hostile: dict[str, Any] = {"kind": "command", "subject": "\x1b[2J", "text": "[red]x[/red]\r", "time": 1.0}
    lines = shown(replace(VIEW, events=[hostile], trouble="\x1b]0;x\x07"))
    assert all(line.isprintable() for line in lines)
    assert any("[red]x[/red]" in line for line in lines)  # markup is text
