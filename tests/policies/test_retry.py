"""What a retry rule may say, and what its machine decides."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from sidecar.model.outcome import Cause
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.retry import (
    BUDGET,
    CAUSES_OF,
    DEADLINE,
    IDEMPOTENT,
    METHOD_SET,
    NO_MORE,
    SKIPPED_BODY,
    SKIPPED_CIRCUIT,
    SKIPPED_METHOD,
    SKIPPED_OF,
    TRIGGER,
    BackoffSpec,
    BudgetSpec,
    Retry,
    RetrySpec,
)
from sidecar.policies.retry_budget import RetryBudget
from tests.policies.specs import refused, taken

TLS = {
    Cause.TLS_HANDSHAKE_FAILED,
    Cause.CERTIFICATE_EXPIRED,
    Cause.CERTIFICATE_WRONG_NAME,
    Cause.CERTIFICATE_UNTRUSTED,
}


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (RetrySpec, {"max_attempts": 0}, "max_attempts", "from 1"),
        (RetrySpec, {"max_attempts": 11}, "max_attempts", "to 10"),
        (RetrySpec, {"on": ()}, "on", "nothing is ever retried"),
        (RetrySpec, {"methods": ()}, "methods", "nothing is ever retried"),
        (RetrySpec, {"methods": ("all", "GET")}, "methods", "mixture"),
        (BackoffSpec, {"base": 0.0}, "base", "at once"),
        (BackoffSpec, {"base": 2.0}, "max", "at least base"),
        (BudgetSpec, {"ratio": 0.0, "min_per_second": 0.0}, "ratio", "no retry is ever paid for"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (RetrySpec, {}),
        (RetrySpec, {"methods": ("GET", "POST"), "budget": None}),
        (RetrySpec, {"max_attempts": 1}),
        (BackoffSpec, {"base": 0.1, "max": 0.1}),
        (BudgetSpec, {"ratio": 0.0}),
        (BudgetSpec, {"min_per_second": 0.0}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)


def test_triggers_are_failures_by_name_or_by_status() -> None:
    assert [TRIGGER.parse(text) for text in ("reset", "503")] == ["reset", 503]
    for text in ("200", "resets", "77"):
        with pytest.raises(ValueError, match=text):
            TRIGGER.parse(text)


def test_methods_keep_their_two_words_and_are_upper_case_otherwise() -> None:
    assert [METHOD_SET.parse(text) for text in ("idempotent", "all", "get")] == ["idempotent", "all", "GET"]


def retry(budget: RetryBudget | None = None, seed: int = 1, **spec: Any) -> Retry:
    return Retry("login/retry", RetrySpec(**spec), budget, Random(seed))


def decided(machine: Retry, attempt: int = 1, hint: float = NO_HINT, deadline: float = math.inf) -> float:
    """What it says at second 100, of an attempt that needs half a second."""
    return machine.delay(100.0, attempt, hint, deadline, 0.5)


def test_an_answer_is_repeated_after_the_statuses_of_the_rule_only() -> None:
    machine = retry(on=("reset", 429, 502, 504))
    assert [status for status in range(100, 1000) if machine.repeats_status(status)] == [429, 502, 504]


def test_without_a_status_in_the_rule_no_answer_is_repeated() -> None:
    machine = retry(on=("reset",))
    assert not any(machine.repeats_status(status) for status in range(100, 1000))


@pytest.mark.parametrize(
    ("trigger", "causes"),
    [
        ("connect_failure", {Cause.CONNECT_FAILURE, Cause.CONNECT_TIMEOUT, *TLS}),
        ("tls_handshake_failed", {Cause.TLS_HANDSHAKE_FAILED}),
        ("certificate_expired", {Cause.CERTIFICATE_EXPIRED}),
        ("certificate_wrong_name", {Cause.CERTIFICATE_WRONG_NAME}),
        ("certificate_untrusted", {Cause.CERTIFICATE_UNTRUSTED}),
        ("reset", {Cause.RESET, Cause.STALE, Cause.PROTOCOL_ERROR}),
        ("attempt_timeout", {Cause.ATTEMPT_TIMEOUT}),
        (503, set()),
    ],
)
def test_a_trigger_means_its_causes_and_no_others(trigger: str | int, causes: set[Cause]) -> None:
    machine = retry(on=(trigger,))
    assert {cause for cause in Cause if machine.repeats(cause.value)} == causes


def test_what_is_our_own_doing_or_past_repair_is_never_repeated() -> None:
    machine = retry(on=tuple(CAUSES_OF))
    never = {cause for cause in Cause if not machine.repeats(cause.value)}
    assert never == {Cause.POOL_FULL, Cause.IDLE_TIMEOUT, Cause.DOWNSTREAM_GONE}


@pytest.mark.parametrize("method", sorted(IDEMPOTENT))
def test_idempotent_methods_may_be_sent_twice(method: bytes) -> None:
    assert retry().eligible_method(method, False)


@pytest.mark.parametrize("method", [b"POST", b"PATCH", b"get", b"PROPFIND", b""])
def test_any_other_method_may_only_with_an_idempotency_key(method: bytes) -> None:
    assert not retry().eligible_method(method, False)
    assert retry().eligible_method(method, True)


def test_a_list_of_methods_stands_in_for_the_idempotent_ones() -> None:
    machine = retry(methods=("POST",))
    assert machine.eligible_method(b"POST", False)
    assert not machine.eligible_method(b"GET", False)
    assert machine.eligible_method(b"GET", True)


def test_all_methods_means_all() -> None:
    assert retry(methods=("all",)).eligible_method(b"BREW", False)


def test_attempts_are_counted_with_the_first() -> None:
    machine = retry(max_attempts=3)
    assert decided(machine, attempt=1) >= 0
    assert decided(machine, attempt=2) >= 0
    assert decided(machine, attempt=3) == NO_MORE
    assert decided(retry(max_attempts=1), attempt=1) == NO_MORE


def test_the_wait_of_each_retry_has_its_own_bound() -> None:
    machine = retry(max_attempts=10, backoff=BackoffSpec(base=0.1, max=0.4))
    waits = {attempt: [decided(machine, attempt) for _ in range(200)] for attempt in (1, 2, 3, 9)}
    assert [math.ceil(max(drawn) * 10) for drawn in waits.values()] == [1, 2, 4, 4]


def test_a_retry_after_is_waited_for() -> None:
    assert decided(retry(), hint=2.0) == 2.0
    assert decided(retry(), hint=60.0) == decided(retry()) + 5.0


def test_a_retry_after_is_ignored_where_the_rule_says_so() -> None:
    assert decided(retry(respect_retry_after=False), hint=2.0) == decided(retry())


def test_a_wait_that_passes_the_deadline_is_not_begun() -> None:
    assert decided(retry(), hint=2.0, deadline=101.9) == DEADLINE
    assert decided(retry(), hint=2.0, deadline=102.5) == 2.0


def test_an_attempt_that_cannot_finish_is_not_started() -> None:
    assert decided(retry(), hint=2.0, deadline=102.4) == DEADLINE
    assert decided(retry(), deadline=100.4) == DEADLINE
    assert decided(retry(), deadline=99.0) == DEADLINE


def test_a_retry_is_paid_for_when_it_is_decided_on() -> None:
    budget = RetryBudget(0.0, 2.0)
    machine = retry(budget)
    assert [decided(machine) >= 0 for _ in range(3)] == [True, True, False]
    assert decided(machine) == BUDGET


def test_a_retry_that_is_not_made_costs_nothing() -> None:
    budget = RetryBudget(0.0, 1.0)
    machine = retry(budget)
    assert decided(machine, attempt=3) == NO_MORE
    assert decided(machine, deadline=100.0) == DEADLINE
    assert decided(machine) >= 0


def test_the_requests_of_a_route_pay_into_the_budget_of_its_upstream() -> None:
    budget = RetryBudget(0.2, 0.0)
    login, search = retry(budget), retry(budget)
    for _ in range(5):
        login.deposit(100.0)
    assert decided(search) >= 0
    assert decided(login) == BUDGET


def test_without_a_budget_only_the_attempts_are_bounded() -> None:
    machine = retry(None)
    machine.deposit(100.0)
    assert all(decided(machine) >= 0 for _ in range(1000))


def test_shadow_mode_decides_as_ever_and_leaves_the_shared_budget_alone() -> None:
    shared = RetryBudget(0.0, 2.0)
    machine = retry(shared, mode="shadow")
    assert machine.shadow
    assert [decided(machine) >= 0 for _ in range(3)] == [True, True, False]
    assert shared.available(100.0) == 2.0


def test_equal_seeds_decide_equally() -> None:
    one, other = retry(seed=9, max_attempts=10), retry(seed=9, max_attempts=10)
    assert [decided(one, attempt) for attempt in range(1, 10)] == [decided(other, attempt) for attempt in range(1, 10)]


def test_what_only_a_shadow_keeps_is_taken_over_by_its_successor() -> None:
    shared = RetryBudget(0.0, 2.0)
    before, after = retry(shared, mode="shadow"), retry(shared, mode="shadow")
    assert decided(before) >= 0
    after.inherit(before, 100.0)
    assert [decided(after) >= 0 for _ in range(2)] == [True, False]


def test_a_shared_budget_is_not_moved_by_one_of_its_routes() -> None:
    shared = RetryBudget(0.0, 2.0)
    after = retry(shared)
    after.inherit(retry(shared, mode="shadow"), 100.0)
    after.inherit(retry(RetryBudget(0.0, 1.0)), 100.0)
    after.inherit(retry(None), 100.0)
    assert shared.available(100.0) == 2.0


def test_what_delay_says_is_told_from_a_wait_by_its_sign_and_has_its_word() -> None:
    assert len({BUDGET, DEADLINE, NO_MORE}) == 3
    assert max(BUDGET, DEADLINE, NO_MORE) < 0
    assert SKIPPED_OF == {BUDGET: "budget", DEADLINE: "deadline"}
    assert (SKIPPED_BODY, SKIPPED_METHOD, SKIPPED_CIRCUIT) == ("body_too_large", "not_idempotent", "circuit_open")


def test_operators_see_the_rule_and_its_budget() -> None:
    machine = retry(RetryBudget(0.2, 10.0), on=("reset", 503))
    assert machine.snapshot(100.0) == {
        "max_attempts": 3,
        "on": ["reset", 503],
        "methods": ["idempotent"],
        "mode": "enforce",
        "budget": {"ratio": 0.2, "min_per_second": 10.0, "available": 10.0},
    }
    assert retry(None).snapshot(100.0)["budget"] is None
    assert (machine.name, machine.max_body_bytes, machine.shadow) == ("login/retry", 65536, False)
