"""What a limit that is learned hears of attempts: how long each took for the head of its answer, or that none came."""

from __future__ import annotations

import math

import pytest

from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT
from sidecar.model.outcome import Cause
from sidecar.model.reason import Reason
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import Admission
from sidecar.policies.retry import RetrySpec
from tests.exchange.scripts import START, Scene, retry, sent


class Meter(Admission):
    """Notes what it hears."""

    def __init__(self) -> None:
        super().__init__("meter", Reason.CONCURRENCY_LIMITED)
        self.heard: list[tuple[float, int]] = []

    def attempted(self, now: float, seconds: float, status: int) -> None:
        self.heard.append((seconds, status))


def measured(scene: Scene) -> Meter:
    """What hears of the attempts of this scene's route."""
    meter = scene.route.meter = Meter()
    return meter


@pytest.mark.parametrize("status", [200, 404, 429, 500, 503])
def test_the_head_of_an_answer_is_told_when_it_comes_and_not_at_its_end(status: int) -> None:
    scene = Scene(1)
    meter = measured(scene)
    d = scene.begun()
    assert d.answered(START + 1.5, status, NO_HINT) == DELIVER
    assert meter.heard == [(1.5, status)]
    d.completed(START + 60.0)
    d.ended(START + 60.0)
    assert meter.heard == [(1.5, status)]


def test_time_runs_from_the_whole_request_and_an_answer_before_it_has_none() -> None:
    scene = Scene(1)
    meter = measured(scene)
    d = scene.decision(method=b"POST")
    d.begin(START)
    d.request_sent(START + 4.0)
    assert d.answered(START + 5.0, 200, NO_HINT) == DELIVER
    early = scene.decision(method=b"POST")
    early.begin(START)
    assert early.answered(START + 5.0, 200, NO_HINT) == DELIVER
    assert meter.heard == [(1.0, 200), (-math.inf, 200)]


def test_each_attempt_is_told_by_itself_and_a_pause_between_them_is_none() -> None:
    scene = Scene(1, policy=retry(RetrySpec(on=(503,)), dice=0.5))
    meter = measured(scene)
    d = scene.begun()
    d.answered(START + 1.0, 503, NO_HINT)
    assert d.resumed(d.wait_until) == ATTEMPT
    sent(d, d.wait_until)
    d.answered(d.wait_until + 0.25, 200, NO_HINT)
    assert [status for _, status in meter.heard] == [503, 200]
    assert [seconds for seconds, _ in meter.heard] == pytest.approx([1.0, 0.25])


@pytest.mark.parametrize("cause", [Cause.CONNECT_FAILURE, Cause.CONNECT_TIMEOUT, Cause.RESET, Cause.PROTOCOL_ERROR])
def test_an_attempt_without_an_answer_is_told_as_none(cause: Cause) -> None:
    scene = Scene(1)
    meter = measured(scene)
    assert scene.begun().failed(START + 0.5, cause) == REJECT
    assert meter.heard == [(0.5, 0)]


@pytest.mark.parametrize("cause", [Cause.POOL_FULL, Cause.STALE, Cause.DOWNSTREAM_GONE])
def test_what_is_not_the_endpoints_fault_is_not_told(cause: Cause) -> None:
    scene = Scene(1)
    meter = measured(scene)
    scene.begun(method=b"POST").failed(START + 0.5, cause)
    assert meter.heard == []


def test_a_timeout_of_the_attempt_and_of_the_request_are_told_as_none() -> None:
    scene = Scene(1)
    meter = measured(scene)
    scene.begun().expired(START + 5.0)
    scene.begun().expired(START + 15.0)
    assert meter.heard == [(5.0, 0), (15.0, 0)]


def test_a_caller_that_allows_too_little_time_or_leaves_says_nothing() -> None:
    scene = Scene(1)
    meter = measured(scene)
    late = scene.decision(limit=0.5, method=b"POST")
    late.begin(START)
    late.request_sent(START + 0.4)
    late.expired(START + 0.5)
    gone = scene.begun()
    gone.abandoned(START + 0.5)
    gone.ended(START + 0.5)
    assert meter.heard == []


def test_a_switch_to_a_tunnel_is_an_answer() -> None:
    scene = Scene(1)
    meter = measured(scene)
    d = scene.begun()
    d.switched(START + 0.5)
    d.completed(START + 60.0)
    assert meter.heard == [(0.5, 101)]
