"""What a fault may say, and how its machine throws the dice."""

from __future__ import annotations

import math
from random import Random
from typing import Any

import pytest

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, NO_TIME, REFUSED, WAIT, Admission, Applicant, Key
from sidecar.policies.fault import AbortSpec, DelaySpec, Fault, FaultSpec
from tests.policies.specs import refused, taken


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (FaultSpec, {}, "delay", "is missing"),
        (DelaySpec, {"ratio": 0.5, "duration": 0.0}, "duration", "more than 0"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (FaultSpec, {"abort": AbortSpec(ratio=0.1)}),
        (DelaySpec, {"ratio": 0.5, "duration": 0.2}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)


class Request(Applicant):
    def __init__(self, deadline: float = math.inf) -> None:
        self.deadline = deadline

    def key(self, key: Key) -> str:
        raise AssertionError("a fault asks for no key")

    def granted(self, now: float) -> None:
        raise AssertionError("a fault grants nothing")


class Dice(Random):
    """Throws what it is told, and fails when more is thrown than was told."""

    def __init__(self, *throws: float) -> None:
        super().__init__(0)
        self.throws = list(throws)

    def random(self) -> float:
        return self.throws.pop(0)


def fault(
    rng: Random, delay: float | None = None, abort: float | None = None, status: int = 503, shadow: bool = False
) -> Fault:
    spec = FaultSpec(
        delay=None if delay is None else DelaySpec(ratio=delay, duration=0.2),
        abort=None if abort is None else AbortSpec(ratio=abort, status=status),
        mode="shadow" if shadow else "enforce",
    )
    return Fault("canary/fault", spec, rng)


def test_an_abort_answers_with_the_status_of_the_rules() -> None:
    machine = fault(Dice(0.009), abort=0.01, status=418)
    assert machine.try_acquire(0.0, Request()) == REFUSED
    assert (machine.rule, machine.reason, machine.status) == ("canary/fault", Reason.FAULT_INJECTED, 418)
    assert machine.retry_after == NO_TIME


def test_who_is_not_hit_goes_on_with_nothing_to_give_back() -> None:
    machine = fault(Dice(0.05, 0.01), delay=0.05, abort=0.01)
    assert machine.try_acquire(0.0, Request()) == ADMITTED


def test_a_delay_is_waited_for_and_then_over() -> None:
    machine = fault(Dice(0.0), delay=0.5)
    request = Request()
    assert machine.try_acquire(10.0, request) == WAIT
    assert machine.wait_until == 10.2
    assert machine.resume(10.2, request) == ADMITTED


def test_a_delay_can_be_followed_by_an_abort() -> None:
    dice = Dice(0.0, 0.0)
    machine = fault(dice, delay=0.5, abort=0.5)
    request = Request()
    assert machine.try_acquire(10.0, request) == WAIT
    assert dice.throws == [0.0], "the abort is drawn when the delay is over"
    assert machine.resume(10.2, request) == REFUSED


def test_delay_and_abort_are_drawn_apart() -> None:
    machine = fault(Dice(0.9, 0.0), delay=0.5, abort=0.5)
    assert machine.try_acquire(0.0, Request()) == REFUSED


def test_a_delay_never_passes_the_deadline() -> None:
    machine = fault(Dice(0.0), delay=1.0)
    assert machine.try_acquire(10.0, Request(deadline=10.1)) == WAIT
    assert machine.wait_until == 10.1


def test_one_without_any_time_left_is_not_delayed() -> None:
    machine = fault(Dice(0.0), delay=1.0)
    assert machine.try_acquire(10.0, Request(deadline=10.0)) == ADMITTED


def test_a_ratio_of_one_hits_all_and_of_zero_none() -> None:
    everyone, nobody = fault(Random(3), abort=1.0), fault(Random(3), delay=0.0, abort=0.0)
    assert {everyone.try_acquire(0.0, Request()) for _ in range(1000)} == {REFUSED}
    assert {nobody.try_acquire(0.0, Request()) for _ in range(1000)} == {ADMITTED}


def test_what_the_rules_do_not_ask_for_throws_no_dice() -> None:
    dice = Dice(0.7)
    assert fault(dice, abort=0.5).try_acquire(0.0, Request()) == ADMITTED
    assert dice.throws == []


def test_one_that_leaves_while_delayed_leaves_nothing_behind() -> None:
    machine = fault(Dice(0.0), delay=1.0)
    request = Request()
    assert machine.try_acquire(0.0, request) == WAIT
    before = machine.snapshot(0.0)
    machine.withdraw(0.1, request)
    machine.settle(0.1, 1, Outcome.IGNORED, 0.0)
    assert machine.snapshot(0.1) == before


def test_in_shadow_nobody_waits_and_both_are_counted() -> None:
    machine = fault(Dice(0.0, 0.0), delay=0.5, abort=0.5, shadow=True)
    assert machine.shadow
    assert machine.try_acquire(0.0, Request()) == REFUSED
    seen = machine.snapshot(0.0)
    assert (seen["delayed_total"], seen["aborted_total"]) == (1, 1)


def test_operators_see_the_rule_and_what_it_hit() -> None:
    both = fault(Dice(0.0, 0.0), delay=0.5, abort=0.25, status=500)
    request = Request()
    both.try_acquire(0.0, request)
    both.resume(0.2, request)
    assert both.snapshot(0.2) == {
        "delay_ratio": 0.5,
        "delay_seconds": 0.2,
        "abort_ratio": 0.25,
        "abort_status": 500,
        "delayed_total": 1,
        "aborted_total": 1,
    }
    seen = fault(Dice(), delay=0.5).snapshot(0.0)
    assert (seen["abort_ratio"], seen["abort_status"]) == (None, None)
    seen = fault(Dice(), abort=0.5).snapshot(0.0)
    assert (seen["delay_ratio"], seen["delay_seconds"]) == (None, None)


def test_new_rules_go_on_with_the_totals_and_the_draws() -> None:
    before = fault(Dice(0.0, 0.6), abort=0.5)
    assert before.try_acquire(0.0, Request()) == REFUSED
    after = fault(Dice(), abort=0.7)
    after.inherit(before, 1.0)
    assert after.try_acquire(1.0, Request()) == REFUSED
    assert after.snapshot(1.0)["aborted_total"] == 2


def test_nothing_is_taken_over_from_another_kind_of_policy() -> None:
    machine = fault(Dice(0.0), abort=0.5)
    machine.inherit(Admission("canary/other", Reason.RATE_LIMITED), 1.0)
    assert machine.snapshot(1.0)["aborted_total"] == 0
    assert machine.try_acquire(1.0, Request()) == REFUSED
