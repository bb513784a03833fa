"""When an endpoint would have answered."""

import pytest

from sidecar.drill.chances import Chances, Span, able_spans
from sidecar.drill.record import Attempt, Ill
from sidecar.drill.scenario import Backend, Scenario, Step, Takes
from tests.doubles.drills import OTHER, WELL, endpoint, record, settled_rules

INF = float("inf")
QUICK = Scenario(name="quick", duration=10.0, backend=Backend(takes=Takes(median=0.1)))


def _chances(*ills: Ill, places: int = 0, attempts: tuple[Attempt, ...] = ()) -> Chances:
    backend = Backend(takes=Takes(median=0.1), places=places)
    scenario = Scenario(name="quick", duration=10.0, backend=backend)
    return Chances(record([], endpoints=[endpoint(*ills)], attempts=attempts, scenario=scenario))


def test_an_endpoint_is_able_before_and_after_it_is_ill() -> None:
    assert able_spans(endpoint(Ill(2, 5, "die"), Ill(4, 6, "stall")), QUICK) == (Span(-INF, 2, 0.1), Span(6, INF, 0.1))


def test_one_that_fails_for_a_share_of_the_requests_may_answer_the_next() -> None:
    assert able_spans(endpoint(Ill(2, 5, "fail", share=0.5)), QUICK) == (Span(-INF, INF, 0.1),)


@pytest.mark.parametrize(
    ("step", "takes"),
    [(Step(at=2, do="slow", factor=10.0), 1.0), (Step(at=2, do="slow", takes=Takes(median=3.0)), 3.0)],
)
def test_one_that_is_slow_is_able_within_its_slowness(step: Step, takes: float) -> None:
    scenario = Scenario(name="s", duration=10.0, backend=QUICK.backend, script=(step,))
    spans = able_spans(endpoint(Ill(2, 5, "slow")), scenario)
    assert spans == (Span(-INF, 2, 0.1), Span(2, 5, takes), Span(5, INF, 0.1))


@pytest.mark.parametrize(
    ("since", "until", "deadline", "able"),
    [
        (0.0, 1.0, 15.0, True),
        (3.0, 4.0, 15.0, False),  # ill all the time
        (3.0, 5.5, 15.0, True),  # back before the end
        (1.95, 1.95, 15.0, False),  # no time left for an answer
        (3.0, 5.5, 5.05, False),  # back too late for the deadline
    ],
)
def test_there_is_a_chance_where_an_answer_fits(since: float, until: float, deadline: float, able: bool) -> None:
    assert _chances(Ill(2, 5, "refuse")).any(["app"], since, until, deadline) is able


def test_another_upstreams_endpoint_is_no_chance() -> None:
    assert not _chances().any(["other"], 0, 1, 15)


def test_the_best_of_several_counts() -> None:
    ends = [endpoint(Ill(0, 9, "die")), endpoint(name=OTHER, place=1)]
    chances = Chances(record([], endpoints=ends, loaded=settled_rules(endpoints=(WELL, OTHER)), scenario=QUICK))
    assert chances.any(["app"], 3, 4, 15)


def test_what_this_request_has_tried_in_vain_is_no_chance_it_missed() -> None:
    attempts = (Attempt(7, WELL, 1.0, 1.9, "killed"),)
    chances = _chances(Ill(2, INF, "die"), attempts=attempts)
    assert not chances.any(["app"], 1.0, 3.0, 15, number=7)
    assert chances.any(["app"], 1.0, 3.0, 15, number=8)


def test_a_request_that_hung_at_an_endpoint_missed_its_recovery() -> None:
    attempts = (Attempt(7, WELL, 3.0, 15.0, "stalled"),)
    assert _chances(Ill(2, 5, "stall"), attempts=attempts).any(["app"], 3.0, 15.0, 18.0, number=7)


def test_places_that_are_all_taken_are_no_chance_until_one_is_free() -> None:
    attempts = tuple(Attempt(number, WELL, 1.0, 4.0 + number, "answered") for number in range(2))
    chances = _chances(places=2, attempts=attempts)
    assert not chances.any(["app"], 2.0, 3.0, 15)
    assert chances.any(["app"], 2.0, 3.0, 15, free=False)
    assert chances.any(["app"], 2.0, 4.5, 15)


def test_who_comes_as_another_goes_finds_no_place() -> None:
    attempts = (Attempt(0, WELL, 1.0, 2.0, "answered"), Attempt(1, WELL, 2.0, 3.0, "answered"))
    assert not _chances(places=1, attempts=attempts).any(["app"], 1.5, 2.5, 15)


def test_what_an_endpoint_takes_is_what_it_takes_at_that_instant() -> None:
    scenario = Scenario(name="s", duration=10.0, backend=QUICK.backend, script=(Step(at=2, do="slow", factor=10.0),))
    ills = (Ill(2, 5, "slow"), Ill(5, 6, "stall"))
    chances = Chances(record([], endpoints=[endpoint(*ills)], scenario=scenario))
    assert [chances.takes(["app"], at) for at in (1.0, 3.0, 5.5, 6.0)] == [0.1, 1.0, INF, 0.1]


def test_an_endpoint_that_is_soon_idle_is_full_for_a_moment_only() -> None:
    attempts = (Attempt(0, WELL, 1.0, 3.0, "answered"), Attempt(1, WELL, 1.0, 3.0, "answered"))
    chances = _chances(places=2, attempts=attempts)
    assert chances.full(["app"], 1.5, 2.0)
    assert not chances.full(["app"], 1.5, 9.0)


def test_an_attempt_was_well_where_nothing_of_the_script_concerned_it() -> None:
    chances = _chances(Ill(2, 5, "stall"))
    spans = [(1.0, 1.9), (1.0, 2.5), (3.0, 4.0), (5.5, 6.0)]
    assert [chances.was_well(Attempt(0, WELL, *span, "aborted")) for span in spans] == [True, False, False, True]
