"""What an exchange does when its upstream holds requests: it waits for an endpoint, and is spared a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.exchange.decision import Decision
from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, WAIT
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import REFUSED
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.hold import Hold
from sidecar.policies.retry import BackoffSpec, RetrySpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Sentinel
from tests.exchange.scripts import START, Scene, Scripted, retry, sent


class Watch(Sentinel):
    """Notes whom it is to look after."""

    def __init__(self) -> None:
        self.lost: list[Endpoint] = []

    def unreachable(self, endpoint: Endpoint) -> None:
        self.lost.append(endpoint)


def holding(*ports: int, **given: Any) -> tuple[Scene, Watch]:
    """A scene whose upstream holds for five seconds, and whoever looks after its endpoints."""
    spec = HoldSpec(timeout=5.0, max_requests=2, release=1.0, mode=given.pop("mode", "enforce"))
    scene = Scene(*ports, **given)
    scene.upstream.hold = Hold("app/hold", spec, scene.attempts)
    watch = Watch()
    scene.upstream.sentinel = watch
    return scene, watch


def all_down(scene: Scene, now: float = START) -> None:
    for endpoint in scene.endpoints:
        scene.upstream.mark_down(now, endpoint)


def back(scene: Scene, now: float, place: int = 0) -> None:
    scene.upstream.mark_up(now, scene.endpoints[place])


def count(scene: Scene) -> int:
    assert scene.upstream.hold is not None
    number = scene.upstream.hold.snapshot(START)["held"]
    assert isinstance(number, int)
    return number


def test_a_request_waits_for_an_endpoint_and_then_makes_its_attempt() -> None:
    scene, _ = holding()
    all_down(scene)
    decision = scene.decision()
    assert decision.begin(START) == WAIT
    assert decision.wait_until == START + 5.0
    back(scene, START + 1.0)
    assert scene.hands.wakings == 1
    assert decision.resumed(START + 1.0) == ATTEMPT
    assert (decision.endpoint, decision.attempt, scene.in_flight) == (scene.endpoints[0], 1, 1)
    assert count(scene) == 0


def test_the_second_of_two_waits_for_its_own_instant() -> None:
    scene, _ = holding()
    all_down(scene)
    first, second = scene.decision(), scene.decision()
    assert (first.begin(START), second.begin(START)) == (WAIT, WAIT)
    back(scene, START + 1.0)
    assert (first.resumed(START + 1.0), second.resumed(START + 1.0)) == (ATTEMPT, WAIT)
    assert second.wait_until == START + 2.0
    assert second.resumed(START + 2.0) == ATTEMPT


def test_one_whose_endpoint_goes_before_its_instant_waits_until_its_own_end() -> None:
    scene, _ = holding()
    all_down(scene)
    first, second = scene.decision(), scene.decision()
    assert (first.begin(START), second.begin(START)) == (WAIT, WAIT)
    back(scene, START + 1.0)
    assert second.resumed(START + 1.0) == WAIT
    all_down(scene, START + 1.5)
    assert second.resumed(START + 2.0) == WAIT
    assert second.wait_until == START + 5.0
    assert second.resumed(START + 5.0) == REJECT
    assert (second.reason, second.rule) == (Reason.NO_ENDPOINT, "app/hold")
    assert first.resumed(START + 1.0) == WAIT
    assert count(scene) == 1


@pytest.mark.parametrize("limit", [2.0, 8.0])
def test_the_refusal_names_the_rule_and_comes_with_the_timeout_or_the_deadline(limit: float) -> None:
    scene, _ = holding()
    all_down(scene)
    decision = scene.decision(limit)
    decision.begin(START)
    assert decision.wait_until == START + min(limit, 5.0)
    assert decision.resumed(decision.wait_until) == REJECT
    assert (decision.reason, decision.rule, decision.status) == (Reason.NO_ENDPOINT, "app/hold", 0)


def test_one_too_many_is_refused_at_once() -> None:
    scene, _ = holding()
    all_down(scene)
    for _ in range(2):
        assert scene.decision().begin(START) == WAIT
    refused = scene.decision()
    assert refused.begin(START) == REJECT
    assert (refused.reason, refused.rule) == (Reason.NO_ENDPOINT, "app/hold")


def test_in_shadow_mode_it_is_as_if_there_were_no_hold() -> None:
    scene, watch = holding(mode="shadow")
    decision = scene.begun()
    assert decision.failed(START, Cause.CONNECT_FAILURE) == REJECT
    assert decision.reason is Reason.CONNECT_FAILURE
    assert watch.lost == []
    all_down(scene)
    refused = scene.decision()
    assert refused.begin(START) == REJECT
    assert (refused.reason, refused.rule) == (Reason.NO_ENDPOINT, "")


def test_an_attempts_permits_are_given_back_before_the_wait_and_asked_for_again_after_it() -> None:
    log: list[tuple[Any, ...]] = []
    scene, _ = holding(once=[Scripted("once", log, 7)], each=[Scripted("each", log, 8)])
    all_down(scene)
    decision = scene.decision()
    decision.begin(START)
    back(scene, START + 1.0)
    decision.resumed(START + 1.0)
    assert log == [
        ("asked", "once"),
        ("asked", "each"),
        ("settled", "each", 8, Outcome.IGNORED, 0.0),
        ("asked", "each"),
    ]


def test_a_breaker_that_opened_meanwhile_still_refuses() -> None:
    log: list[tuple[Any, ...]] = []
    scene, _ = holding(each=[Scripted("each", log, 8, REFUSED)])
    all_down(scene)
    decision = scene.decision()
    decision.begin(START)
    back(scene, START + 1.0)
    assert decision.resumed(START + 1.0) == REJECT
    assert decision.rule == "each"
    assert count(scene) == 0


def test_the_budget_gets_one_deposit_however_often_the_request_was_held() -> None:
    budget = RetryBudget(1.0, 0.0)
    scene, _ = holding(policy=retry(RetrySpec(max_attempts=2), budget))
    all_down(scene)
    decision = scene.decision()
    decision.begin(START)
    for _ in range(3):
        back(scene, START + 1.0)
        assert decision.resumed(START + 1.0) == ATTEMPT
        assert decision.failed(START + 1.0, Cause.CONNECT_FAILURE) == WAIT
    assert budget.snapshot(START + 1.0)["available"] == 1


def test_nobody_listening_sends_the_request_to_another_endpoint_at_no_cost() -> None:
    scene, watch = holding(1, 2)
    decision = scene.begun()
    first = decision.endpoint
    assert decision.failed(START, Cause.CONNECT_FAILURE) == ATTEMPT
    assert decision.endpoint is not first
    assert decision.attempt == 1
    assert first is not None
    assert first.down
    assert watch.lost == [first]
    assert scene.told.retries == []
    assert scene.attempts.words == ["connect_failure"]


def test_nobody_listening_anywhere_holds_the_request() -> None:
    scene, watch = holding(1, 2)
    decision = scene.begun()
    assert decision.failed(START, Cause.CONNECT_FAILURE) == ATTEMPT
    assert decision.failed(START, Cause.CONNECT_FAILURE) == WAIT
    assert len(watch.lost) == 2
    assert scene.in_flight == 0
    back(scene, START + 1.0, 1)
    assert decision.resumed(START + 1.0) == ATTEMPT
    assert decision.endpoint is scene.endpoints[1]
    sent(decision, START + 1.0)
    assert decision.answered(START + 1.0, 200, NO_HINT) == DELIVER
    assert decision.attempt == 1


def test_nobody_listening_is_no_failure_that_a_breaker_counts_where_the_upstream_holds() -> None:
    log: list[tuple[Any, ...]] = []
    scene, _ = holding(each=[Scripted("each", log, 8)])
    scene.begun().failed(START, Cause.CONNECT_FAILURE)
    assert log[1] == ("settled", "each", 8, Outcome.IGNORED, 0.0)


def test_one_that_another_request_found_gone_is_reported_once() -> None:
    scene, watch = holding()
    decisions = [scene.begun(), scene.begun()]
    assert [one.failed(START, Cause.CONNECT_FAILURE) for one in decisions] == [WAIT, WAIT]
    assert len(watch.lost) == 1


def test_an_attempt_older_than_the_recovery_takes_nobody_down() -> None:
    scene, watch = holding()
    old = scene.begun()
    all_down(scene, START + 1.0)
    back(scene, START + 2.0)
    assert old.failed(START + 3.0, Cause.CONNECT_FAILURE) == ATTEMPT
    assert watch.lost == []
    assert old.failed(START + 3.0, Cause.CONNECT_FAILURE) == WAIT
    assert watch.lost == [scene.endpoints[0]]


def test_without_anybody_to_notice_the_recovery_nothing_is_marked_down() -> None:
    scene, _ = holding()
    scene.upstream.sentinel = None
    decision = scene.begun()
    assert decision.failed(START, Cause.CONNECT_FAILURE) == REJECT
    assert decision.reason is Reason.CONNECT_FAILURE
    assert not scene.endpoints[0].down


@pytest.mark.parametrize("cause", [Cause.TLS_HANDSHAKE_FAILED, Cause.RESET, Cause.POOL_FULL])
def test_only_where_no_connection_came_about_is_a_request_sent_elsewhere_for_nothing(cause: Cause) -> None:
    scene, watch = holding(1, 2)
    assert scene.begun().failed(START, cause) == REJECT
    assert watch.lost == []


def test_a_connection_that_does_not_come_about_takes_the_endpoint_down_and_costs_no_more_than_a_refusal() -> None:
    log: list[tuple[Any, ...]] = []
    scene, watch = holding(1, 2, each=[Scripted("each", log, 8)])
    decision = scene.begun()
    first = decision.endpoint
    assert decision.failed(START + 1.0, Cause.CONNECT_TIMEOUT) == ATTEMPT
    assert decision.endpoint is not first
    assert decision.failed(START + 2.0, Cause.CONNECT_TIMEOUT) == WAIT
    assert watch.lost == [first, *(one for one in scene.endpoints if one is not first)]
    assert {entry[3] for entry in log if entry[0] == "settled"} == {Outcome.IGNORED}
    assert scene.told.retries == []
    back(scene, START + 3.0)
    assert decision.resumed(START + 3.0) == ATTEMPT
    assert decision.attempt == 1


def test_one_that_answered_somebody_meanwhile_is_there_and_stays() -> None:
    log: list[tuple[Any, ...]] = []
    scene, watch = holding(each=[Scripted("each", log, 8)])
    other, decision = scene.begun(), scene.begun()
    sent(other, START)
    other.answered(START + 0.1, 200, NO_HINT)
    assert decision.failed(START + 1.0, Cause.CONNECT_TIMEOUT) == REJECT
    assert decision.reason is Reason.CONNECT_TIMEOUT
    assert log[-1][:4] == ("settled", "each", 8, Outcome.FAILURE)
    assert watch.lost == []
    later = scene.begun()
    assert later.failed(START + 2.0, Cause.CONNECT_TIMEOUT) == WAIT
    assert watch.lost == [*scene.endpoints]


def test_an_attempt_that_has_less_time_than_a_connection_may_take_marks_nobody_down() -> None:
    scene, watch = holding()
    first, second = scene.begun(), scene.begun()
    assert first.failed(START + 0.9, Cause.CONNECT_TIMEOUT) == REJECT
    assert (first.reason, watch.lost) == (Reason.CONNECT_TIMEOUT, [])
    all_down(scene)  # as others have found out
    assert second.failed(START + 0.9, Cause.CONNECT_TIMEOUT) == WAIT


def test_one_that_answered_with_a_tunnel_is_there_too() -> None:
    scene, watch = holding()
    other, decision = scene.begun(), scene.begun()
    sent(other, START)
    other.switched(START + 0.5)
    assert decision.failed(START + 1.0, Cause.CONNECT_TIMEOUT) == REJECT
    assert watch.lost == []


def test_a_body_that_is_no_longer_there_cannot_be_held() -> None:
    scene, _ = holding()
    decision = scene.begun()
    decision.kept = False
    assert decision.failed(START, Cause.CONNECT_FAILURE) == REJECT


def test_past_the_deadline_nobody_is_held() -> None:
    scene, watch = holding()
    decision = scene.begun(limit=2.0)
    assert decision.failed(START + 2.0, Cause.CONNECT_FAILURE) == REJECT
    assert decision.reason is Reason.CONNECT_FAILURE
    assert watch.lost == []


def test_a_retry_whose_wait_ends_while_there_is_no_endpoint_is_held() -> None:
    scene, _ = holding(policy=retry(RetrySpec(max_attempts=2, backoff=BackoffSpec(base=1.0)), dice=0.5))
    decision = scene.begun()
    assert decision.failed(START, Cause.RESET) == WAIT
    retried_at = decision.wait_until
    assert retried_at < START + 5.0
    all_down(scene, START)
    assert decision.resumed(retried_at) == WAIT
    assert decision.wait_until == retried_at + 5.0
    assert count(scene) == 1
    back(scene, retried_at + 1.0)
    assert decision.resumed(retried_at + 1.0) == ATTEMPT
    assert decision.attempt == 2


def test_a_stale_connection_to_a_backend_that_is_gone_ends_in_the_hold() -> None:
    scene, _ = holding()
    decision = scene.begun()
    assert decision.failed(START, Cause.STALE) == ATTEMPT
    assert decision.failed(START, Cause.CONNECT_FAILURE) == WAIT


@pytest.mark.parametrize("released", [False, True])
def test_a_client_that_leaves_frees_its_place(*, released: bool) -> None:
    scene, _ = holding()
    all_down(scene)
    decision = scene.decision()
    decision.begin(START)
    if released:
        back(scene, START + 1.0)
    decision.abandoned(START + 1.0)
    decision.ended(START + 1.0)
    assert count(scene) == 0


def test_a_request_of_older_rules_goes_to_the_endpoint_that_newer_rules_bring() -> None:
    scene, _ = holding(1)
    all_down(scene)
    decision = scene.decision()
    assert decision.begin(START) == WAIT
    newer, _ = holding(2)
    newer.upstream.follow(scene.upstream, START + 1.0)
    assert scene.hands.wakings == 1
    assert decision.resumed(START + 1.0) == ATTEMPT
    assert decision.endpoint is newer.endpoints[0]


def test_a_newcomer_passes_while_others_are_still_being_let_go() -> None:
    scene, _ = holding()
    all_down(scene)
    held: list[Decision] = [scene.decision(), scene.decision()]
    for one in held:
        one.begin(START)
    back(scene, START + 1.0)
    assert scene.decision().begin(START + 1.0) == ATTEMPT
    assert held[1].resumed(START + 1.0) == WAIT
