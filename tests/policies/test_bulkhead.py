"""What a concurrency limit may say, and how its machine counts places and keeps the queue."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import NO_TIME, REFUSED, WAIT, Admission, Applicant, Key
from sidecar.policies.units import Invalid


@pytest.mark.parametrize(
    ("given", "key", "sentence"),
    [
        ({"max": 0}, "max", "at least 1"),
        ({"max": 1, "max_queue": 1, "max_wait": 0.0}, "max_wait", "nothing can ever wait"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(given: dict[str, Any], key: str, sentence: str) -> None:
    with pytest.raises(Invalid) as caught:
        BulkheadSpec(**given)
    assert caught.value.faults[0][0] == key
    assert sentence in caught.value.faults[0][1]


@pytest.mark.parametrize(
    "given",
    [
        {"max": 1},
        {"max": 64, "max_queue": 128, "max_wait": 0.5},
        {"max": 64, "max_queue": 128, "max_wait": None},
        {"max": 64, "max_queue": 0, "max_wait": 0.0},
    ],
)
def test_what_makes_sense_is_taken_and_enforced(given: dict[str, Any]) -> None:
    made = BulkheadSpec(**given)
    assert {key: getattr(made, key) for key in given} == given
    assert made.mode == "enforce"


class Request(Applicant):
    """An applicant that remembers when it was told, and may do something when it is."""

    def __init__(self, deadline: float = math.inf, then: Callable[[float], None] | None = None) -> None:
        self.deadline = deadline
        self.told: list[float] = []
        self.then = then

    def key(self, key: Key) -> str:
        raise AssertionError("a concurrency limit asks for no key")

    def granted(self, now: float) -> None:
        self.told.append(now)
        if self.then is not None:
            self.then(now)


def bulkhead(limit: int = 1, queue: int = 0, wait: float | None = None, shadow: bool = False) -> Bulkhead:
    spec = BulkheadSpec(max=limit, max_queue=queue, max_wait=wait, mode="shadow" if shadow else "enforce")
    return Bulkhead("login/concurrency", spec)


def taken(machine: Bulkhead, count: int, now: float = 0.0) -> list[int]:
    """The permits of so many requests that find a place."""
    permits = [machine.try_acquire(now, Request()) for _ in range(count)]
    assert all(permit > 0 for permit in permits)
    return permits


def waiting(machine: Bulkhead, count: int, now: float = 0.0) -> list[Request]:
    """So many requests that must queue."""
    requests = [Request() for _ in range(count)]
    assert [machine.try_acquire(now, request) for request in requests] == [WAIT] * count
    return requests


def free(machine: Bulkhead, now: float, permit: int = 1) -> None:
    machine.settle(now, permit, Outcome.SUCCESS, 0.01)


def counts(machine: Bulkhead) -> tuple[object, object]:
    seen = machine.snapshot(0.0)
    return seen["in_flight"], seen["queued"]


def test_a_refusal_is_a_503_of_this_rule_without_a_time_to_come_back_at() -> None:
    machine = bulkhead(limit=2)
    taken(machine, 2)
    assert machine.try_acquire(0.0, Request()) == REFUSED
    assert (machine.rule, machine.reason, machine.reason.status) == (
        "login/concurrency",
        Reason.CONCURRENCY_LIMITED,
        503,
    )
    assert (machine.status, machine.retry_after) == (0, NO_TIME)
    assert counts(machine) == (2, 0)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_place_is_free_again_whatever_became_of_who_had_it(outcome: Outcome) -> None:
    machine = bulkhead()
    (permit,) = taken(machine, 1)
    machine.settle(1.0, permit, outcome, 0.5)
    assert machine.try_acquire(1.0, Request()) > 0


def test_the_first_to_queue_is_the_first_to_be_granted() -> None:
    machine = bulkhead(queue=2)
    taken(machine, 1)
    first, second = waiting(machine, 2)
    free(machine, 1.0)
    assert (first.told, second.told) == ([1.0], [])
    assert counts(machine) == (1, 1)
    permit = machine.resume(1.1, first)
    assert permit > 0
    free(machine, 2.0, permit)
    assert second.told == [2.0]


def test_a_full_queue_refuses_and_holds_nothing() -> None:
    machine = bulkhead(queue=1)
    taken(machine, 1)
    waiting(machine, 1)
    assert machine.try_acquire(0.0, Request()) == REFUSED
    assert counts(machine) == (1, 1)


@pytest.mark.parametrize(
    ("max_wait", "deadline", "until"),
    [(0.5, math.inf, 10.5), (0.5, 10.2, 10.2), (None, 12.0, 12.0), (None, math.inf, math.inf), (0.5, 11.0, 10.5)],
)
def test_a_wait_ends_at_max_wait_or_at_the_deadline(max_wait: float | None, deadline: float, until: float) -> None:
    machine = bulkhead(queue=1, wait=max_wait)
    taken(machine, 1)
    assert machine.try_acquire(10.0, Request(deadline)) == WAIT
    assert machine.wait_until == until


def test_one_whose_deadline_is_here_does_not_queue() -> None:
    machine = bulkhead(queue=1)
    taken(machine, 1)
    assert machine.try_acquire(10.0, Request(deadline=10.0)) == REFUSED
    assert counts(machine) == (1, 0)


def test_one_whose_time_is_up_is_refused_and_leaves_the_queue() -> None:
    machine = bulkhead(queue=1, wait=0.5)
    taken(machine, 1)
    (late,) = waiting(machine, 1)
    assert machine.resume(0.5, late) == REFUSED
    assert counts(machine) == (1, 0)
    free(machine, 1.0)
    assert late.told == []
    assert counts(machine) == (0, 0)


def test_a_timer_that_fires_early_waits_for_the_rest() -> None:
    machine = bulkhead(queue=1, wait=0.5)
    taken(machine, 1)
    (early,) = waiting(machine, 1)
    machine.wait_until = 0.0
    assert machine.resume(0.4, early) == WAIT
    assert machine.wait_until == 0.5


def test_a_grant_wins_over_a_time_that_was_up_at_the_same_instant() -> None:
    machine = bulkhead(queue=1, wait=0.5)
    taken(machine, 1)
    (request,) = waiting(machine, 1)
    free(machine, 0.5)
    assert machine.resume(0.5, request) > 0


def test_one_that_leaves_the_queue_is_never_granted() -> None:
    machine = bulkhead(queue=2)
    taken(machine, 1)
    gone, next_one = waiting(machine, 2)
    machine.withdraw(0.5, gone)
    free(machine, 1.0)
    assert (gone.told, next_one.told) == ([], [1.0])


def test_one_that_leaves_between_grant_and_resume_hands_its_place_on() -> None:
    machine = bulkhead(queue=2)
    taken(machine, 1)
    gone, next_one = waiting(machine, 2)
    free(machine, 1.0)
    machine.withdraw(1.5, gone)
    assert next_one.told == [1.5]
    assert counts(machine) == (1, 0)


def test_the_last_place_that_nobody_wants_is_free() -> None:
    machine = bulkhead(queue=1)
    taken(machine, 1)
    (gone,) = waiting(machine, 1)
    free(machine, 1.0)
    machine.withdraw(1.5, gone)
    machine.withdraw(1.5, gone)
    assert counts(machine) == (0, 0)


def test_a_newcomer_never_takes_a_place_that_was_granted() -> None:
    machine = bulkhead(queue=1)
    taken(machine, 1)
    (granted,) = waiting(machine, 1)
    free(machine, 1.0)
    newcomer = Request()
    assert machine.try_acquire(1.0, newcomer) == WAIT
    assert machine.resume(1.1, granted) > 0
    assert newcomer.told == []


def test_who_is_told_sees_the_state_complete() -> None:
    machine = bulkhead(queue=3)
    seen: list[tuple[object, object]] = []
    taken(machine, 1)
    for _ in range(3):
        assert machine.try_acquire(0.0, Request(then=lambda now: seen.append(counts(machine)))) == WAIT
    wider = bulkhead(limit=4, queue=3)
    wider.inherit(machine, 1.0)
    assert seen == [(4, 0)] * 3


def test_any_number_that_leave_as_they_are_told_cost_no_depth_of_the_stack() -> None:
    machine = bulkhead(queue=5000)
    taken(machine, 1)
    gone: list[Request] = []

    def leaving() -> Request:
        request = Request(then=lambda now: machine.withdraw(now, request))
        return request

    for _ in range(4999):
        gone.append(leaving())
        assert machine.try_acquire(0.0, gone[-1]) == WAIT
    (last,) = waiting(machine, 1)
    free(machine, 1.0)
    assert all(request.told == [1.0] for request in gone)
    assert last.told == [1.0]
    assert counts(machine) == (1, 0)


def test_a_bug_in_one_that_is_told_loses_no_place() -> None:
    machine = bulkhead(limit=2, queue=2)
    permits = taken(machine, 2)

    def fail(now: float) -> None:
        raise RuntimeError("boom")

    broken, whole = Request(then=fail), Request()
    assert [machine.try_acquire(0.0, request) for request in (broken, whole)] == [WAIT, WAIT]
    with pytest.raises(RuntimeError, match="boom"):
        free(machine, 1.0, permits[0])
    free(machine, 1.0, permits[1])
    assert whole.told == [1.0]
    machine.withdraw(1.0, broken)
    free(machine, 2.0, machine.resume(1.0, whole))
    assert counts(machine) == (0, 0)


def test_in_shadow_nobody_waits_and_the_queue_counts_as_places() -> None:
    machine = bulkhead(limit=1, queue=2, shadow=True)
    assert machine.shadow
    taken(machine, 3)
    assert machine.try_acquire(0.0, Request()) == REFUSED
    assert machine.snapshot(0.0)["max"] == 3


def test_operators_see_the_limits_what_is_taken_and_totals() -> None:
    machine = bulkhead(limit=1, queue=1, wait=0.5)
    taken(machine, 1)
    waiting(machine, 1)
    machine.try_acquire(0.0, Request())
    assert machine.snapshot(0.0) == {
        "max": 1,
        "in_flight": 1,
        "max_queue": 1,
        "queued": 1,
        "admitted_total": 1,
        "queued_total": 1,
        "refused_total": 1,
    }


def test_permits_and_queue_live_on_under_new_rules() -> None:
    before = bulkhead(limit=1, queue=1)
    (permit,) = taken(before, 1)
    (queued,) = waiting(before, 1)
    after = bulkhead(limit=1, queue=1)
    after.inherit(before, 1.0)
    assert counts(after) == (1, 1)
    free(before, 2.0, permit)
    assert queued.told == [2.0]
    free(before, 3.0, before.resume(2.0, queued))
    assert counts(after) == (0, 0)


def test_when_places_are_added_as_many_as_fit_are_granted() -> None:
    before = bulkhead(limit=1, queue=5)
    taken(before, 1)
    requests = waiting(before, 5)
    after = bulkhead(limit=4, queue=5)
    after.inherit(before, 7.0)
    assert [request.told for request in requests] == [[7.0]] * 3 + [[]] * 2
    assert counts(after) == (4, 2)


def test_when_places_are_taken_away_those_in_flight_drain_first() -> None:
    before = bulkhead(limit=3, queue=2)
    permits = taken(before, 3)
    (queued,) = waiting(before, 1)
    after = bulkhead(limit=1, queue=2)
    after.inherit(before, 1.0)
    free(after, 2.0, permits[0])
    free(after, 2.0, permits[1])
    assert (queued.told, counts(after)) == ([], (1, 1))
    free(after, 3.0, permits[2])
    assert (queued.told, counts(after)) == ([3.0], (1, 0))


def test_who_queues_stays_when_the_queue_gets_shorter() -> None:
    before = bulkhead(limit=1, queue=3)
    taken(before, 1)
    requests = waiting(before, 3)
    after = bulkhead(limit=1, queue=1)
    after.inherit(before, 1.0)
    assert after.try_acquire(1.0, Request()) == REFUSED
    free(after, 2.0)
    assert [request.told for request in requests] == [[2.0], [], []]


def test_a_request_of_older_rules_meets_the_places_of_the_newer() -> None:
    before = bulkhead(limit=1, queue=0)
    taken(before, 1)
    after = bulkhead(limit=2, queue=0)
    after.inherit(before, 1.0)
    assert before.try_acquire(1.0, Request()) > 0
    assert after.try_acquire(1.0, Request()) == REFUSED


def test_one_put_into_shadow_lets_everyone_in_who_waits() -> None:
    before = bulkhead(limit=1, queue=3)
    taken(before, 1)
    requests = waiting(before, 3)
    after = bulkhead(limit=1, queue=1, shadow=True)
    after.inherit(before, 4.0)
    assert [request.told for request in requests] == [[4.0]] * 3
    assert counts(after) == (4, 0)
    assert after.try_acquire(4.0, Request()) == REFUSED


def test_a_shadow_machine_of_older_rules_does_not_queue_in_newer_ones() -> None:
    before = bulkhead(limit=1, shadow=True)
    taken(before, 1)
    after = bulkhead(limit=1, queue=5)
    after.inherit(before, 1.0)
    assert before.try_acquire(1.0, Request()) == REFUSED


def test_nothing_is_taken_over_from_another_kind_of_policy() -> None:
    machine = bulkhead()
    machine.inherit(Admission("login/other", Reason.RATE_LIMITED), 1.0)
    assert counts(machine) == (0, 0)
    taken(machine, 1)
