"""Who is asked before a request and before each attempt, in which order, and what becomes of what they gave."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, WAIT
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import ADMITTED, REFUSED, Applicant
from sidecar.policies.contract import WAIT as ASKED_TO_WAIT
from sidecar.policies.retry import RetrySpec
from tests.exchange.scripts import START, Scene, Scripted, retry, sent

IGNORED = Outcome.IGNORED


@pytest.fixture
def log() -> list[tuple[Any, ...]]:
    return []


Log = list[tuple[Any, ...]]


def test_those_of_the_request_are_asked_once_and_those_of_the_attempt_each_time(log: Log) -> None:
    once = [Scripted("limit", log), Scripted("places", log, 1)]
    each = [Scripted("route", log, 2), Scripted("upstream", log, 3)]
    scene = Scene(1, once=once, each=each, policy=retry(RetrySpec()))
    d = scene.begun()
    assert log == [("asked", "limit"), ("asked", "places"), ("asked", "route"), ("asked", "upstream")]
    log.clear()
    assert d.failed(START + 1.0, Cause.RESET) == ATTEMPT
    assert log == [
        ("settled", "upstream", 3, Outcome.FAILURE, 1.0),
        ("settled", "route", 2, Outcome.FAILURE, 1.0),
        ("asked", "route"),
        ("asked", "upstream"),
    ]


def test_the_permits_of_the_request_are_given_back_when_it_ends_and_with_its_whole_time(log: Log) -> None:
    scene = Scene(1, once=[Scripted("a", log, 1), Scripted("b", log, 2)])
    d = scene.begun()
    d.answered(START + 1.0, 500, NO_HINT)
    d.completed(START + 2.0)
    log.clear()
    d.ended(START + 2.0)
    d.ended(START + 3.0)
    assert log == [("settled", "b", 2, Outcome.SUCCESS, 2.0), ("settled", "a", 1, Outcome.SUCCESS, 2.0)]


def test_what_ends_with_a_reason_of_ours_is_no_success_of_the_request(log: Log) -> None:
    scene = Scene(1, once=[Scripted("a", log, 1)])
    d = scene.begun()
    d.failed(START + 1.0, Cause.RESET)
    d.ended(START + 1.0)
    assert log[-1] == ("settled", "a", 1, IGNORED, 1.0)


def test_a_refusal_says_by_what_and_asks_nobody_else(log: Log) -> None:
    refusing = Scripted("places", log, REFUSED)
    refusing.rule, refusing.status, refusing.retry_after = "r/other", 429, 3.5
    scene = Scene(1, once=[Scripted("limit", log, 4), refusing, Scripted("fault", log)])
    d = scene.decision()
    assert d.begin(START) == REJECT
    assert (d.reason, d.rule, d.status, d.retry_after) == (Reason.CONCURRENCY_LIMITED, "r/other", 429, 3.5)
    d.abandoned(START)
    d.ended(START + 0.5)
    d.ended(START + 1.0)
    assert log == [("asked", "limit"), ("asked", "places"), ("settled", "limit", 4, IGNORED, 0.5)]


def test_a_refusal_before_an_attempt_gives_back_what_others_gave_for_it(log: Log) -> None:
    scene = Scene(1, once=[Scripted("once", log, 1)], each=[Scripted("a", log, 2), Scripted("b", log, REFUSED)])
    d = scene.decision()
    assert d.begin(START) == REJECT
    assert d.rule == "b"
    assert log[-1] == ("settled", "a", 2, IGNORED, 0.0)
    d.ended(START)
    assert [entry[1] for entry in log if entry[0] == "settled"] == ["a", "once"]
    assert (scene.in_flight, d.attempt) == (0, 0)


def test_a_refusal_of_a_later_attempt_settles_the_earlier_one_only_once(log: Log) -> None:
    scene = Scene(1, each=[Scripted("breaker", log, 2, REFUSED)], policy=retry(RetrySpec()))
    d = scene.begun()
    assert d.failed(START + 1.0, Cause.RESET) == REJECT
    assert d.reason is Reason.CONCURRENCY_LIMITED
    d.ended(START + 1.0)
    assert [entry for entry in log if entry[0] == "settled"] == [("settled", "breaker", 2, Outcome.FAILURE, 1.0)]


def test_one_that_has_to_wait_is_asked_again_at_its_time_and_the_others_after_it(log: Log) -> None:
    places = Scripted("places", log, ASKED_TO_WAIT, ASKED_TO_WAIT, 5)
    places.wait_until = START + 1.0
    scene = Scene(1, once=[Scripted("limit", log, 1), places, Scripted("fault", log)])
    d = scene.decision()
    assert d.begin(START) == WAIT
    assert d.wait_until == START + 1.0
    places.wait_until = START + 2.0
    assert d.resumed(START + 1.0) == WAIT
    assert d.wait_until == START + 2.0
    assert d.resumed(START + 2.0) == ATTEMPT
    assert log[1:] == [("asked", "places"), ("resumed", "places"), ("resumed", "places"), ("asked", "fault")]
    d.abandoned(START + 3.0)
    d.ended(START + 3.0)
    assert [entry[1:3] for entry in log if entry[0] == "settled"] == [("places", 5), ("limit", 1)]


def test_one_that_waits_in_vain_is_refused(log: Log) -> None:
    places = Scripted("places", log, ASKED_TO_WAIT, REFUSED)
    places.wait_until = START + 1.0
    d = Scene(1, once=[places]).decision()
    d.begin(START)
    assert d.resumed(START + 1.0) == REJECT
    assert d.rule == "places"
    d.abandoned(START + 1.0)
    assert ("withdrawn", "places") not in log


def test_one_that_is_granted_wakes_its_driver_and_goes_on_before_its_time(log: Log) -> None:
    places = Scripted("places", log, ASKED_TO_WAIT, 5)
    scene = Scene(1, once=[places])
    d = scene.decision()
    places.wait_until = START + 9.0
    assert d.begin(START) == WAIT
    assert d.resumed(START + 1.0) == WAIT  # nobody has called
    assert log == [("asked", "places")]
    d.granted(START + 2.0)
    assert scene.hands.wakings == 1
    assert d.resumed(START + 2.0) == ATTEMPT


def test_a_late_call_by_one_machine_cuts_no_wait_for_the_next_one_short(log: Log) -> None:
    places, fault = Scripted("places", log, ASKED_TO_WAIT, 5), Scripted("fault", log, ASKED_TO_WAIT, ADMITTED)
    places.wait_until, fault.wait_until = START + 1.0, START + 3.0
    d = Scene(1, once=[places, fault]).decision()
    d.begin(START)
    d.granted(START + 1.0)
    assert d.resumed(START + 1.0) == WAIT  # by the timer: the place, and now the fault's delay
    assert d.resumed(START + 1.0) == WAIT  # the call arrives
    assert ("resumed", "fault") not in log
    assert d.resumed(START + 3.0) == ATTEMPT


def test_one_that_leaves_while_it_waits_withdraws_once_and_gives_back_the_rest(log: Log) -> None:
    places = Scripted("places", log, ASKED_TO_WAIT)
    scene = Scene(1, once=[Scripted("limit", log, 1), places])
    d = scene.decision()
    d.begin(START)
    log.clear()
    d.abandoned(START + 1.0)
    d.abandoned(START + 1.0)
    d.ended(START + 1.0)
    assert [entry[:2] for entry in log] == [("withdrawn", "places"), ("settled", "limit")]
    assert scene.attempts.outcomes == []


def test_one_that_was_granted_its_place_too_late_asks_no_endpoint(log: Log) -> None:
    places = Scripted("places", log, ASKED_TO_WAIT, 5)
    places.wait_until = START + 2.0
    scene = Scene(1, once=[places], request=2.0)
    d = scene.decision()
    d.begin(START)
    assert d.resumed(START + 2.0) == REJECT
    assert (d.reason, d.attempt) == (Reason.REQUEST_TIMEOUT, 0)
    d.ended(START + 2.0)
    assert log[-1] == ("settled", "places", 5, IGNORED, 2.0)


@pytest.mark.parametrize("stage", ["once", "each"])
def test_a_machine_in_shadow_mode_refuses_nothing_and_is_counted(log: Log, stage: str) -> None:
    shadow = Scripted("shadow", log, REFUSED, shadow=True)
    scene = Scene(1, once=[shadow] if stage == "once" else [], each=[shadow] if stage == "each" else [])
    d = scene.decision()
    assert d.begin(START) == ATTEMPT
    assert scene.told.shadow_rejections == [("shadow", Reason.CONCURRENCY_LIMITED)]
    d.abandoned(START)
    d.ended(START)
    assert log == [("asked", "shadow")]


def test_nobody_waits_for_a_machine_in_shadow_mode(log: Log) -> None:
    scene = Scene(1, once=[Scripted("shadow", log, ASKED_TO_WAIT, shadow=True)])
    d = scene.decision()
    assert d.begin(START) == ATTEMPT
    d.abandoned(START)
    d.ended(START)
    assert log == [("asked", "shadow"), ("withdrawn", "shadow")]
    assert len(scene.told.shadow_rejections) == 1


def test_a_permit_of_a_machine_in_shadow_mode_is_settled_as_any(log: Log) -> None:
    scene = Scene(1, each=[Scripted("shadow", log, 9, shadow=True)])
    d = scene.begun()
    assert d.answered(START + 1.0, 200, NO_HINT) == DELIVER
    d.completed(START + 2.0)
    assert log[-1] == ("settled", "shadow", 9, Outcome.SUCCESS, 1.0)
    assert scene.told.shadow_rejections == []


class Broken(Scripted):
    """A machine with a bug."""

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        super().settle(now, permit, outcome, seconds)
        raise ZeroDivisionError

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        verdict = super().try_acquire(now, applicant)
        if verdict == ADMITTED:
            raise ZeroDivisionError
        return verdict


def test_a_machine_that_fails_costs_no_other_machine_its_permit(log: Log) -> None:
    scene = Scene(1, each=[Scripted("a", log, 1), Broken("b", log, 2)])
    d = scene.begun()
    with pytest.raises(ZeroDivisionError):
        d.failed(START + 1.0, Cause.RESET)
    d.abandoned(START + 1.0)
    d.ended(START + 1.0)
    assert [entry[1:3] for entry in log if entry[0] == "settled"] == [("b", 2), ("a", 1)]


@pytest.mark.parametrize("abandoned_first", [False, True])
def test_an_attempt_that_a_bug_has_stopped_before_it_began_holds_nothing(log: Log, abandoned_first: bool) -> None:
    scene = Scene(1, once=[Scripted("once", log, 1)], each=[Scripted("a", log, 2), Broken("b", log)])
    d = scene.decision()
    with pytest.raises(ZeroDivisionError):
        d.begin(START)
    if abandoned_first:
        d.abandoned(START)
    d.ended(START)
    d.ended(START)
    assert [entry[1:4] for entry in log if entry[0] == "settled"] == [
        ("a", 2, IGNORED),
        ("once", 1, Outcome.SUCCESS),
    ]
    assert scene.in_flight == 0


def test_an_end_without_any_other_word_leaves_nothing_behind(log: Log) -> None:
    scene = Scene(1, each=[Scripted("a", log, 2)])
    d = scene.begun()
    d.ended(START + 1.0)
    d.ended(START + 1.0)
    assert [entry[1:4] for entry in log if entry[0] == "settled"] == [("a", 2, IGNORED)]
    assert scene.in_flight == 0


def test_every_answer_carries_what_the_announcing_machine_says(log: Log) -> None:
    class Announcing(Scripted):
        def answer_fields(self, now: float, applicant: Applicant) -> bytes:
            return b"RateLimit: %d\r\n" % now

    scene = Scene(1)
    assert scene.begun().answer_fields(START) == b""
    scene.route.announcer = Announcing("limit", log)
    d = scene.begun()
    sent(d, START)
    assert d.answer_fields(START) == b"RateLimit: 100\r\n"


def test_a_machine_that_fails_at_the_end_of_a_wait_still_hears_that_who_waited_has_left(log: Log) -> None:
    class Lost(Scripted):
        def resume(self, now: float, applicant: Applicant) -> int:
            raise ZeroDivisionError

    machine = Lost("places", log, ASKED_TO_WAIT)
    machine.wait_until = START + 1.0
    d = Scene(1, once=[machine]).decision()
    assert d.begin(START) == WAIT
    with pytest.raises(ZeroDivisionError):
        d.resumed(START + 1.0)
    d.ended(START + 1.0)
    d.ended(START + 1.0)
    assert log == [("asked", "places"), ("withdrawn", "places")]
