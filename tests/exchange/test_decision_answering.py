"""What those asked before an attempt hear of an answer that has begun: its good head, once, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.exchange.steps import ATTEMPT, DELIVER, SUBSTITUTE
from sidecar.model.outcome import Cause, Outcome
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.ejection import Ejection
from sidecar.policies.fallback import Fallback, FallbackSpec
from sidecar.policies.health_gate import EjectionSpec
from sidecar.policies.retry import RetrySpec
from tests.exchange.scripts import START, Scene, Scripted, retry, sent

Log = list[tuple[Any, ...]]


@pytest.fixture
def log() -> Log:
    return []


def heard(log: Log) -> Log:
    """What was told of answers and ends, in order."""
    return [entry[:3] for entry in log if entry[0] in ("answering", "settled")]


@pytest.mark.parametrize("status", [200, 404, 429, 501])
def test_a_good_head_is_told_once_to_each_that_gave_a_permit_for_the_attempt(log: Log, status: int) -> None:
    each = [Scripted("route", log, 2), Scripted("gives none", log), Scripted("upstream", log, 3)]
    d = Scene(1, once=[Scripted("places", log, 1)], each=each).begun()
    assert d.answered(START + 1.0, status, NO_HINT) == DELIVER
    assert heard(log) == [("answering", "route", 2), ("answering", "upstream", 3)]
    d.completed(START + 60.0)
    assert heard(log)[2:] == [("settled", "upstream", 3), ("settled", "route", 2)]


def test_a_switch_to_a_tunnel_is_a_good_head(log: Log) -> None:
    d = Scene(1, each=[Scripted("breaker", log, 2)]).begun()
    d.switched(START + 0.5)
    assert heard(log) == [("answering", "breaker", 2)]
    d.completed(START + 60.0)
    assert log[-1] == ("settled", "breaker", 2, Outcome.SUCCESS, 0.5)


@pytest.mark.parametrize("status", [500, 503, 599])
def test_the_head_of_a_failure_is_not_told_before_its_end(log: Log, status: int) -> None:
    d = Scene(1, each=[Scripted("breaker", log, 2)]).begun()
    assert d.answered(START + 1.0, status, NO_HINT) == DELIVER
    assert heard(log) == []


def test_an_answer_that_gives_way_to_another_attempt_only_ends(log: Log) -> None:
    scene = Scene(1, each=[Scripted("breaker", log, 2, 3)], policy=retry(RetrySpec(on=(404,))))
    d = scene.begun()
    assert d.answered(START + 1.0, 404, NO_HINT) == ATTEMPT
    sent(d, START + 1.0)
    assert d.answered(START + 2.0, 200, NO_HINT) == DELIVER
    assert heard(log) == [("settled", "breaker", 2), ("answering", "breaker", 3)]


def test_an_answer_that_may_give_way_to_a_fallback_is_told_for_there_may_be_none(log: Log) -> None:
    scene = Scene(1, each=[Scripted("breaker", log, 2)])
    scene.route.fallback = Fallback("r/fallback", FallbackSpec(on=(404,), status=200))
    d = scene.begun()
    assert d.answered(START + 1.0, 404, NO_HINT) == SUBSTITUTE
    d.replaced(START + 1.0)
    assert heard(log) == [("answering", "breaker", 2), ("settled", "breaker", 2)]


def test_a_tunnel_that_stands_ends_a_row_of_failures() -> None:
    scene = Scene()
    scene.upstream.ejection = Ejection(EjectionSpec(), scene.attempts)
    health = scene.endpoints[0].health
    scene.begun().failed(START + 0.5, Cause.CONNECT_FAILURE)
    assert health.consecutive_failures == 1
    open_for_long = scene.begun()
    open_for_long.switched(START + 0.5)
    assert health.consecutive_failures == 0
    scene.begun().failed(START + 0.5, Cause.CONNECT_FAILURE)
    open_for_long.parted(START + 60.0, Cause.RESET)
    assert health.consecutive_failures == 1
