"""Whether there is another attempt, when, and why not."""

from __future__ import annotations

import math
from typing import Any

import pytest

from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, WAIT
from sidecar.model.outcome import Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.policies.backoff import MAX_BEYOND, NO_HINT
from sidecar.policies.contract import ADMITTED, REFUSED
from sidecar.policies.contract import WAIT as ASKED_TO_WAIT
from sidecar.policies.retry import BackoffSpec, RetrySpec
from sidecar.policies.retry_budget import RetryBudget
from sidecar.policies.selection import Hash
from sidecar.runtime.request_key import RequestKey
from tests.exchange.scripts import START, Scene, Scripted, retry, sent

SLOWLY = RetrySpec(backoff=BackoffSpec(base=1.0, max=8.0))  # with dice at 0.5: after 0.5, 1.0, 2.0 …


@pytest.mark.parametrize("policy", [None, RetrySpec(max_attempts=1), RetrySpec(mode="shadow")])
def test_a_stale_connection_is_replaced_once_by_a_fresh_one_to_the_same_endpoint(policy: RetrySpec | None) -> None:
    scene = Scene(1, 2, policy=None if policy is None else retry(policy, RetryBudget(0.0, 0.001)))
    d = scene.begun()
    first = d.endpoint
    assert d.fresh is False
    assert d.failed(START + 0.5, Cause.STALE) == ATTEMPT
    assert (d.endpoint, d.fresh, d.attempt) == (first, True, 2)
    assert (scene.told.retries, scene.in_flight) == (["stale"], 1)
    sent(d, START + 0.5)
    assert d.failed(START + 0.75, Cause.STALE) == REJECT
    assert d.reason is Reason.RESET
    assert (scene.attempts.words, scene.in_flight) == (["stale", "stale"], 0)


def test_the_replacement_of_a_stale_connection_is_paid_by_no_budget() -> None:
    budget = RetryBudget(0.0, 1.0)
    d = Scene(1, policy=retry(RetrySpec(), budget)).begun()
    before = budget.available(START)
    assert d.failed(START, Cause.STALE) == ATTEMPT
    assert budget.available(START) == before


def test_a_second_stale_connection_is_a_retry_as_the_rules_have_it() -> None:
    scene = Scene(1, 2, policy=retry(SLOWLY, dice=0.5))
    d = scene.begun()
    d.failed(START, Cause.STALE)
    sent(d, START)
    assert d.failed(START, Cause.STALE) == WAIT
    assert scene.told.retries == ["stale", "stale"]


@pytest.mark.parametrize(
    ("method", "vouched", "kept", "late", "step"),
    [
        (b"GET", False, True, 0.0, ATTEMPT),
        (b"POST", False, True, 0.0, REJECT),
        (b"POST", True, True, 0.0, ATTEMPT),
        (b"PUT", False, False, 0.0, REJECT),
        (b"GET", False, True, 15.0, REJECT),
    ],
)
def test_a_stale_connection_is_replaced_only_for_a_request_that_may_go_twice_and_in_time(
    method: bytes, vouched: bool, kept: bool, late: float, step: int
) -> None:
    scene = Scene(1)
    d = scene.begun(method=method)
    d.vouched, d.kept = vouched, kept
    assert d.failed(START + late, Cause.STALE) == step
    assert scene.told.retries == (["stale"] if step == ATTEMPT else [])
    assert (d.reason is Reason.RESET) == (step == REJECT)


def test_a_stale_connection_is_no_outcome_for_the_breaker_and_its_successor_asks_again() -> None:
    log: list[tuple[Any, ...]] = []
    d = Scene(1, each=[Scripted("breaker", log, 3, 4)]).begun()
    d.failed(START + 1.0, Cause.STALE)
    assert log == [("asked", "breaker"), ("settled", "breaker", 3, Outcome.IGNORED, 1.0), ("asked", "breaker")]


@pytest.mark.parametrize(
    ("cause", "step"),
    [
        (Cause.CONNECT_FAILURE, ATTEMPT),
        (Cause.CONNECT_TIMEOUT, ATTEMPT),
        (Cause.RESET, ATTEMPT),
        (Cause.PROTOCOL_ERROR, ATTEMPT),
        (Cause.ATTEMPT_TIMEOUT, ATTEMPT),
        (Cause.POOL_FULL, REJECT),
        (Cause.DOWNSTREAM_GONE, REJECT),
    ],
)
def test_what_the_rule_names_is_tried_again_on_another_endpoint(cause: Cause, step: int) -> None:
    scene = Scene(1, 2, policy=retry(RetrySpec()))
    d = scene.begun()
    first = d.endpoint
    assert d.failed(START + 0.5, cause) == step
    assert scene.told.retries == ([cause.value] if step == ATTEMPT else [])
    assert (d.endpoint is not first) == (step == ATTEMPT)
    assert scene.told.skipped == []


def test_a_cause_that_the_rule_does_not_name_is_not_tried_again() -> None:
    scene = Scene(1, policy=retry(RetrySpec(on=("connect_failure",))))
    assert scene.begun().failed(START + 0.5, Cause.RESET) == REJECT
    assert (scene.told.retries, scene.told.skipped) == ([], [])


def test_attempts_end_at_their_number_and_that_is_no_retry_skipped() -> None:
    scene = Scene(1, policy=retry(RetrySpec(max_attempts=3)))
    d = scene.begun()
    for step in (ATTEMPT, ATTEMPT, REJECT):
        sent(d, START)
        assert d.failed(START, Cause.RESET) == step
    assert (d.attempt, scene.told.retries, scene.told.skipped) == (3, ["reset", "reset"], [])
    assert d.reason is Reason.RESET


def test_a_status_that_the_rule_names_is_tried_again_and_its_answer_settled_as_it_was() -> None:
    log: list[tuple[Any, ...]] = []
    spec = RetrySpec(on=(429, 503))
    scene = Scene(1, each=[Scripted("breaker", log, 3)], policy=retry(spec))
    d = scene.begun()
    assert d.answered(START + 1.0, 503, NO_HINT) == ATTEMPT
    assert d.answered(START + 3.0, 429, NO_HINT) == ATTEMPT
    assert d.answered(START + 4.0, 200, NO_HINT) == DELIVER
    d.completed(START + 9.0)
    settled = [entry[3:] for entry in log if entry[0] == "settled"]
    assert settled == [(Outcome.FAILURE, 1.0), (Outcome.SUCCESS, 2.0), (Outcome.SUCCESS, 1.0)]
    assert scene.told.retries == ["503", "429"]
    assert (d.status, d.reason, scene.in_flight) == (200, None, 0)


def test_an_attempt_after_an_answer_that_was_not_wanted_starts_from_nothing() -> None:
    log: list[tuple[Any, ...]] = []
    d = Scene(1, each=[Scripted("breaker", log, 3)], policy=retry(RetrySpec(max_attempts=2))).begun()
    d.answered(START + 1.0, 503, NO_HINT)
    assert (d.sent, d.head_at) == (False, 0.0)
    sent(d, START + 1.0)
    assert d.failed(START + 1.5, Cause.RESET) == REJECT
    assert log[-1] == ("settled", "breaker", 3, Outcome.FAILURE, 0.5)
    assert (d.reason, d.status) == (Reason.RESET, 0)


def test_a_retry_goes_elsewhere_even_where_a_key_keeps_requests_together() -> None:
    scene = Scene(1, 2, 3, policy=retry(RetrySpec()))
    scene.upstream.strategy = Hash()
    scene.route.branch.key = RequestKey("header:x-user")
    scene.hands.value = "ann"
    d = scene.begun()
    first = d.endpoint
    assert d.failed(START, Cause.RESET) == ATTEMPT
    assert d.endpoint is not first


def test_the_last_answer_is_delivered_as_it_came() -> None:
    scene = Scene(1, policy=retry(RetrySpec(max_attempts=2)))
    d = scene.begun()
    d.answered(START, 503, NO_HINT)
    assert d.answered(START, 503, NO_HINT) == DELIVER
    assert (d.status, d.reason, scene.in_flight) == (503, None, 1)


def test_the_wait_before_a_retry_holds_nothing_of_an_attempt_and_ends_at_its_instant() -> None:
    log: list[tuple[Any, ...]] = []
    scene = Scene(1, each=[Scripted("breaker", log, 3)], policy=retry(SLOWLY, dice=0.5))
    d = scene.begun()
    assert d.failed(START, Cause.RESET) == WAIT
    assert (d.wait_until, scene.in_flight) == (START + 0.5, 0)
    assert d.resumed(START + 0.25) == WAIT
    assert log[-1][0] == "settled"
    assert d.resumed(START + 0.5) == ATTEMPT
    assert (scene.in_flight, d.attempt_started) == (1, START + 0.5)
    assert d.failed(START + 0.5, Cause.RESET) == WAIT
    assert d.wait_until == START + 1.5


def test_one_that_leaves_while_it_waits_for_a_retry_leaves_nothing_behind() -> None:
    log: list[tuple[Any, ...]] = []
    scene = Scene(1, once=[Scripted("once", log, 1)], policy=retry(SLOWLY, dice=0.5))
    d = scene.begun()
    d.failed(START, Cause.RESET)
    d.abandoned(START + 0.25)
    d.ended(START + 0.25)
    assert scene.attempts.words == ["reset"]
    assert [entry[0] for entry in log] == ["asked", "settled"]


@pytest.mark.parametrize(("hint", "wait"), [(NO_HINT, 0.5), (0.1, 0.5), (2.0, 2.0), (3600.0, 0.5 + MAX_BEYOND)])
def test_the_answers_retry_after_moves_the_wait_within_bounds(hint: float, wait: float) -> None:
    d = Scene(1, policy=retry(SLOWLY, dice=0.5)).begun()
    assert d.answered(START, 503, hint) == WAIT
    assert d.wait_until == START + wait


def test_a_retry_after_beyond_the_deadline_leaves_the_answer_as_it_came() -> None:
    scene = Scene(1, policy=retry(SLOWLY, dice=0.5), request=3.0)
    d = scene.begun()
    assert d.answered(START, 503, 60.0) == DELIVER
    assert (scene.told.skipped, scene.in_flight) == (["deadline"], 1)


def test_a_wait_that_the_timer_ends_past_the_deadline_asks_no_endpoint() -> None:
    scene = Scene(1, policy=retry(SLOWLY, dice=0.5), request=3.0)
    d = scene.begun()
    assert d.failed(START + 2.0, Cause.RESET) == WAIT
    assert d.resumed(START + 3.0) == REJECT
    assert (d.reason, d.attempt) == (Reason.REQUEST_TIMEOUT, 1)


def test_an_attempts_timeout_is_tried_again_and_the_requests_is_not() -> None:
    scene = Scene(1, policy=retry(RetrySpec()), request=7.0, attempt=5.0)
    d = scene.begun()
    assert d.expired(START + 5.0) == ATTEMPT
    sent(d, START + 5.0)
    assert d.attempt_deadline == START + 7.0
    assert d.expired(START + 7.0) == REJECT
    assert d.reason is Reason.REQUEST_TIMEOUT
    assert scene.told.retries == ["attempt_timeout"]


def skipping(**given: Any) -> Scene:
    spec = given.pop("spec", RetrySpec())
    budget = given.pop("budget", None)
    return Scene(1, policy=retry(spec, budget, given.pop("dice", 0.0)), **given)


@pytest.mark.parametrize("status", [0, 503])
@pytest.mark.parametrize("why", ["budget", "body_too_large", "not_idempotent", "deadline", "circuit_open", "shadow"])
def test_a_retry_that_is_not_made_is_counted_once_with_its_reason(why: str, status: int) -> None:
    scene = skipping()
    method = b"GET"
    match why:
        case "budget":
            scene = skipping(budget=RetryBudget(0.1, 0.0))
        case "not_idempotent":
            method = b"POST"
        case "deadline":
            scene = skipping(spec=SLOWLY, dice=0.5, request=0.5)
        case "circuit_open":
            breaker = Scripted("breaker", [], 3)
            breaker.open = False
            scene = skipping(each=[breaker])
        case "shadow":
            scene = skipping(spec=RetrySpec(mode="shadow"))
    d = scene.begun(method=method)
    d.kept = why != "body_too_large"
    if status:
        assert d.answered(START + 0.25, status, NO_HINT) == DELIVER
        d.completed(START + 0.25)
    else:
        assert d.failed(START + 0.25, Cause.RESET) == REJECT
        assert d.reason is Reason.RESET
    assert (scene.told.skipped, scene.told.retries) == ([why], [])
    assert (d.attempt, scene.in_flight) == (1, 0)


def test_a_request_of_which_nothing_was_sent_is_tried_again_whatever_its_method() -> None:
    scene = Scene(1, 2, policy=retry(RetrySpec()))
    d = scene.begun(method=b"POST")
    d.sent = False
    assert d.failed(START, Cause.CONNECT_FAILURE) == ATTEMPT
    sent(d, START)
    assert d.failed(START, Cause.RESET) == REJECT
    assert scene.told.skipped == ["not_idempotent"]


def test_a_caller_that_vouches_by_a_key_and_a_rule_that_names_the_method_allow_a_retry() -> None:
    d = Scene(1, policy=retry(RetrySpec())).begun(method=b"POST")
    d.vouched = True
    assert d.failed(START, Cause.RESET) == ATTEMPT
    d = Scene(1, policy=retry(RetrySpec(methods=("POST",)))).begun(method=b"POST")
    assert (d.repeatable(), d.failed(START, Cause.RESET)) == (True, ATTEMPT)


def test_a_breaker_in_shadow_mode_skips_no_retry() -> None:
    breaker = Scripted("breaker", [], REFUSED, shadow=True)
    breaker.open = False
    scene = skipping(each=[breaker])
    assert scene.begun().failed(START, Cause.RESET) == ATTEMPT
    assert (scene.told.skipped, len(scene.told.shadow_rejections)) == ([], 2)


def test_each_request_pays_into_the_budget_and_each_retry_out_of_it() -> None:
    budget = RetryBudget(0.5, 0.0)
    scene = skipping(budget=budget)
    assert scene.begun().failed(START, Cause.RESET) == REJECT
    d = scene.begun()
    assert d.failed(START, Cause.RESET) == ATTEMPT
    assert d.failed(START, Cause.RESET) == REJECT
    assert scene.told.skipped == ["budget", "budget"]


def test_no_time_of_any_kind_bounds_an_exchange_without_timeouts() -> None:
    scene = Scene(1, policy=retry(SLOWLY, dice=0.5), request=math.inf, attempt=math.inf)
    d = scene.begun()
    assert (d.deadline, d.attempt_deadline) == (math.inf, math.inf)
    assert d.answered(START + 1e6, 503, 4.0) == WAIT


def test_a_request_pays_for_retries_once_it_is_let_in_and_a_refused_one_never() -> None:
    budget = RetryBudget(0.5, 0.0)
    gate = Scripted("limit", [], REFUSED, ASKED_TO_WAIT, ADMITTED)
    gate.wait_until = START + 1.0
    scene = Scene(1, once=[gate], policy=retry(RetrySpec(), budget))
    assert scene.decision().begin(START) == REJECT
    assert budget.available(START) == 0.0
    d = scene.decision()
    assert d.begin(START) == WAIT
    assert budget.available(START) == 0.0
    assert d.resumed(START + 1.0) == ATTEMPT
    assert budget.available(START + 1.0) == 0.5
    d.failed(START + 1.0, Cause.RESET)
    assert budget.available(START + 1.0) == 0.5
