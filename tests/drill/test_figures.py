"""A drill in figures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.drill.figures import (
    State,
    Time,
    breaker_states,
    endpoint_states,
    faults,
    phases,
    quantile,
    recoveries,
)
from sidecar.drill.record import Event, Ill
from tests.doubles.drills import OTHER, WELL, endpoint, record, refused, request, settled_rules


@given(st.lists(st.floats(0, 100), min_size=1), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_so_many_are_not_above(values: list[float], share: float) -> None:
    found = quantile(sorted(values), share)
    assert found is not None
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-9


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile([], 0.5) is None


@given(st.lists(st.floats(0, 10), max_size=50))
def test_every_instant_is_in_one_bin(instants: list[float]) -> None:
    time = Time(record([]))
    assert sum(time.counted(instants)) * time.width == pytest.approx(len(instants))


def test_bins_are_few_and_reach_to_the_end() -> None:
    time = Time(record([request(seconds=5000.0)]))
    assert time.bins <= 120
    assert time.seconds >= 5001


def test_phases_lie_between_the_changes_of_the_script() -> None:
    asked = [request(0, 1.0), request(1, 3.0, 0.5), refused("circuit_open", 2, 3.5), request(3, 7.0)]
    found = phases(record(asked, endpoints=[endpoint(Ill(2, 5, "die", step=0))]))
    assert [(one.name, one.begun, one.ended, one.requests, one.failed) for one in found] == [
        ("before", 0, 2, 1, 0),
        ("die", 2, 5, 2, 1),
        ("after", 5, 10, 1, 0),
    ]
    assert found[1].p50 == pytest.approx(0.5)


def test_flapping_is_one_phase() -> None:
    ills = [Ill(at, at + 1, "flap", step=0) for at in (2.0, 4.0, 6.0)]
    assert [one.name for one in phases(record([], endpoints=[endpoint(*ills)]))] == ["before", "flap", "after"]


def test_a_drill_without_faults_is_one_phase() -> None:
    assert [one.name for one in phases(record([request()]))] == ["all well"]


def test_recovery_is_the_time_from_a_faults_end_to_the_last_request_that_came_then_and_failed() -> None:
    late = refused("request_timeout", 3, 4.0, 5.5)  # sent in the fault, and told of after it
    asked = [refused("circuit_open", 0, 3.0), refused("circuit_open", 1, 6.5), request(2, 8.0), late]
    (one,) = recoveries(record(asked, endpoints=[endpoint(Ill(2, 5, "die"))]))
    assert one.seconds == 1.5


def test_errors_that_go_on_to_the_end_are_no_recovery() -> None:
    asked = [refused("circuit_open", number, 5.0 + number / 2) for number in range(10)]
    (one,) = recoveries(record(asked, endpoints=[endpoint(Ill(2, 5, "die"))]))
    assert one.seconds is None


def test_without_errors_recovery_takes_no_time() -> None:
    (one,) = recoveries(record([request()], endpoints=[endpoint(Ill(2, 5, "slow"))]))
    assert one.seconds == 0


def test_a_fault_of_some_endpoints_names_them() -> None:
    ends = [endpoint(Ill(2, 5, "die")), endpoint(name=OTHER, place=1)]
    assert faults(record([], endpoints=ends, loaded=settled_rules(endpoints=(WELL, OTHER)))) == [(f"die: {WELL}", 2, 5)]


def test_a_breakers_states_cover_the_drill() -> None:
    moved = [
        Event(2.0, "breaker", "upstream.app", "", {"from": "closed", "to": "open"}),
        Event(5.0, "breaker", "upstream.app", "", {"from": "open", "to": "half_open"}),
        Event(5.0, "breaker", "upstream.app", "", {"from": "half_open", "to": "closed"}),
    ]
    assert breaker_states(record([], events=moved), 10.0) == {
        "upstream.app": [State(0, 2, "closed"), State(2, 5, "open"), State(5, 10, "closed")]
    }


def test_an_endpoints_states_are_what_health_and_ejection_say() -> None:
    told = [
        Event(-1.0, "health", WELL, "", {"to": "up"}),
        Event(1.0, "health", WELL, "", {"to": "down"}),
        Event(3.0, "health", WELL, "", {"to": "up"}),
        Event(4.0, "ejected", WELL, ""),
        Event(6.0, "readmitted", WELL, ""),
        Event(7.0, "health", WELL, "", {"to": "down", "shadow": True}),
    ]
    words = [(one.begun, one.word) for one in endpoint_states(record([], events=told), 10.0)[WELL]]
    assert words == [
        (0, "available"),
        (1, "down"),
        (3, "available"),
        (4, "ejected"),
        (6, "available"),
        (7, "available"),
    ]
