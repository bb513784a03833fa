"""A route that answers by itself admits as any other, and makes no attempt."""

from __future__ import annotations

from typing import Any

from sidecar.exchange.steps import REJECT, RESPOND, WAIT
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, REFUSED
from sidecar.policies.contract import WAIT as ASKED_TO_WAIT
from tests.exchange.scripts import START, Scene, Scripted


def scene(*machines: Scripted) -> Scene:
    made = Scene(1, once=machines)
    made.route.branches = ()
    return made


def test_it_responds_once_everything_has_admitted_the_request() -> None:
    log: list[tuple[Any, ...]] = []
    given = scene(Scripted("limit", log), Scripted("places", log, 7))
    d = given.decision()
    assert d.begin(START) == RESPOND
    assert log == [("asked", "limit"), ("asked", "places")]
    assert (d.attempt, d.pending, given.in_flight) == (0, False, 0)
    d.status = 308
    d.ended(START + 1.0)
    assert log[2:] == [("settled", "places", 7, Outcome.SUCCESS, 1.0)]
    assert given.attempts.outcomes == []


def test_what_refuses_refuses_here_too() -> None:
    d = scene(Scripted("limit", [], REFUSED)).decision()
    assert d.begin(START) == REJECT
    assert d.reason is Reason.CONCURRENCY_LIMITED


def test_who_had_to_wait_is_answered_afterwards() -> None:
    machine = Scripted("limit", [], ASKED_TO_WAIT, ADMITTED)
    machine.wait_until = START + 1.0
    d = scene(machine).decision()
    assert d.begin(START) == WAIT
    assert d.resumed(START + 1.0) == RESPOND
