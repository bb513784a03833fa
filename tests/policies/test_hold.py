"""Who is held while there is no endpoint, when each is let go, and what is told of it."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from sidecar.model.observer import UpstreamObserver
from sidecar.model.reason import Reason
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import ADMITTED, NO_TIME, REFUSED, WAIT, Applicant, Key
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.hold import Hold


class Told(UpstreamObserver):
    """Remembers what it is told of holding."""

    def __init__(self) -> None:
        self.counts: list[str] = []
        self.events: list[object] = []

    def hold_counted(self, result: str) -> None:
        self.counts.append(result)

    def hold_began(self) -> None:
        self.events.append("began")

    def hold_ended(self, released: int, seconds: float) -> None:
        self.events.append((released, seconds))


class Request(Applicant):
    """An applicant that remembers when it was told."""

    def __init__(self, deadline: float = math.inf) -> None:
        self.deadline = deadline
        self.told: list[float] = []

    def key(self, key: Key) -> str:
        raise AssertionError("a hold asks for no key")

    def granted(self, now: float) -> None:
        self.told.append(now)


def made(told: Told | None = None, **spec: object) -> Hold:
    return Hold("app/hold", HoldSpec(**spec), told or Told())  # type: ignore[arg-type]


def held(hold: Hold, count: int, now: float = 0.0) -> list[Request]:
    requests = [Request() for _ in range(count)]
    assert [hold.try_acquire(now, request) for request in requests] == [WAIT] * count
    return requests


def instants(hold: Hold, requests: list[Request], now: float) -> list[float]:
    """When each may go, as it is told when it asks."""
    found = []
    for request in requests:
        verdict = hold.resume(now, request)
        found.append(now if verdict == ADMITTED else hold.wait_until)
    return found


def test_a_request_is_held_for_the_timeout_and_then_refused_for_want_of_an_endpoint() -> None:
    told = Told()
    hold = made(told, timeout=5.0)
    (request,) = held(hold, 1, 10.0)
    assert hold.wait_until == 15.0
    assert hold.resume(14.9, request) == WAIT
    assert hold.wait_until == 15.0
    assert hold.resume(15.0, request) == REFUSED
    assert (hold.rule, hold.reason, hold.retry_after) == ("app/hold", Reason.NO_ENDPOINT, NO_TIME)
    assert told.counts == ["held", "timed_out"]
    assert hold.snapshot(15.0)["held"] == 0


def test_nobody_is_held_past_its_deadline() -> None:
    hold = made(timeout=5.0)
    request = Request(deadline=12.0)
    assert hold.try_acquire(10.0, request) == WAIT
    assert hold.wait_until == 12.0
    assert hold.try_acquire(10.0, Request(deadline=10.0)) == REFUSED


def test_no_more_are_held_than_the_rule_says_and_one_that_leaves_makes_room() -> None:
    told = Told()
    hold = made(told, max_requests=2)
    first, _ = held(hold, 2)
    assert hold.try_acquire(0.0, Request()) == REFUSED
    hold.withdraw(1.0, first)
    hold.withdraw(1.0, first)
    held(hold, 1, 1.0)
    assert told.counts == ["held", "held", "refused", "left", "held"]
    assert hold.snapshot(1.0)["refused_total"] == 1


def test_all_go_within_a_second_in_the_order_they_came() -> None:
    hold = made(timeout=60.0)
    requests = held(hold, 100)
    hold.release(10.0)
    assert all(request.told == [10.0] for request in requests)
    times = instants(hold, requests, 10.0)
    assert times == sorted(times)
    assert times[0] == 10.0
    assert times[-1] == pytest.approx(10.99)
    assert all(later - earlier == pytest.approx(0.01) for earlier, later in pairwise(times))


def test_a_few_go_a_twentieth_of_a_second_apart() -> None:
    hold = made(timeout=60.0)
    requests = held(hold, 3)
    hold.release(10.0)
    assert instants(hold, requests, 10.0) == [10.0, pytest.approx(10.05), pytest.approx(10.1)]


def test_a_rate_of_release_is_kept() -> None:
    hold = made(timeout=60.0, release=2.0)
    requests = held(hold, 5)
    hold.release(1.0)
    assert instants(hold, requests, 1.0) == [1.0, 1.5, 2.0, 2.5, 3.0]


def test_whose_time_ends_before_its_turn_goes_when_half_of_the_rest_is_over() -> None:
    hold = made(timeout=10.0, release=1.0)
    requests = held(hold, 2, 0.0)
    hurried = Request(deadline=5.0)
    assert hold.try_acquire(1.0, hurried) == WAIT
    hold.release(4.0)
    assert instants(hold, [*requests, hurried], 4.0) == [4.0, 5.0, 4.5]


def test_each_is_admitted_at_its_instant_and_not_before() -> None:
    told = Told()
    hold = made(told, timeout=60.0, release=1.0)
    first, second = held(hold, 2)
    hold.release(5.0)
    assert hold.resume(5.0, first) == ADMITTED
    assert hold.resume(5.5, second) == WAIT
    assert hold.snapshot(5.5)["releasing"] == 1
    assert hold.resume(6.0, second) == ADMITTED
    assert told.counts == ["held", "held", "released", "released"]
    assert (hold.snapshot(6.0)["held"], hold.snapshot(6.0)["released_total"]) == (0, 2)


def test_who_had_an_instant_when_the_endpoint_went_again_stays_with_its_own_end_and_its_place() -> None:
    hold = made(timeout=5.0, release=1.0)
    requests = held(hold, 3)
    hold.release(1.0)
    assert hold.resume(1.0, requests[0]) == ADMITTED
    hold.suspend(1.5)
    assert instants(hold, requests[1:], 2.0) == [5.0, 5.0]
    late = held(hold, 1, 2.0)
    hold.release(3.0)
    assert instants(hold, [*requests[1:], *late], 3.0) == [3.0, pytest.approx(4.0), pytest.approx(5.0)]


def test_a_second_endpoint_that_is_back_changes_no_instant_and_tells_nobody_again() -> None:
    hold = made(timeout=60.0, release=1.0)
    requests = held(hold, 3)
    hold.release(1.0)
    hold.release(1.5)
    assert [request.told for request in requests] == [[1.0]] * 3
    assert instants(hold, requests, 0.5) == [1.0, 2.0, 3.0]


def test_it_tells_when_holding_began_and_how_many_were_let_go_after_how_long() -> None:
    told = Told()
    hold = made(told, timeout=60.0)
    hold.suspend(0.0)
    hold.release(1.0)
    assert told.events == [], "nobody was held"
    held(hold, 2, 2.0)
    held(hold, 1, 3.0)
    assert hold.snapshot(3.5)["seconds"] == 1.5
    hold.release(4.0)
    hold.release(4.0)
    assert told.events == ["began", (3, 2.0)]
    hold.suspend(4.0)
    assert told.events == ["began", (3, 2.0), "began"]


def test_holding_ends_when_an_endpoint_is_back_although_nobody_waits_any_more() -> None:
    told = Told()
    hold = made(told, timeout=1.0)
    (request,) = held(hold, 1)
    assert hold.resume(1.0, request) == REFUSED
    held(hold, 1, 2.0)
    hold.release(10.0)
    assert told.events == ["began", (1, 10.0)]


def test_new_rules_keep_everyone_with_their_time_and_older_machines_still_serve_theirs() -> None:
    before = made(timeout=5.0, max_requests=5)
    requests = held(before, 3)
    after = made(timeout=1.0, max_requests=1, release=1.0)
    after.inherit(before, 1.0)
    assert after.try_acquire(1.0, Request()) == REFUSED
    assert after.snapshot(1.0)["held"] == 3
    after.release(2.0)
    assert instants(before, requests, 2.0) == [2.0, 3.0, pytest.approx(3.5)]


def test_a_machine_of_another_kind_is_no_forebear() -> None:
    hold = made()
    hold.inherit(Bulkhead("app/concurrency", BulkheadSpec(max=1)), 0.0)
    assert hold.snapshot(0.0)["held"] == 0


def test_in_shadow_mode_nobody_is_held_and_who_would_have_been_is_counted() -> None:
    told = Told()
    hold = made(told, mode="shadow", max_requests=2, timeout=5.0)
    assert [hold.try_acquire(now, Request()) for now in (0.0, 1.0, 2.0)] == [REFUSED] * 3
    assert told.counts == ["shadow_held", "shadow_held", "shadow_refused"]
    hold.try_acquire(5.0, Request())
    assert told.counts[-1] == "shadow_held", "the first would have gone"
    hold.release(5.5)
    hold.suspend(5.5)
    hold.try_acquire(5.5, Request())
    hold.try_acquire(5.5, Request())
    assert told.counts[-2:] == ["shadow_held", "shadow_held"], "all would have been let go"
    assert told.events == []
    assert hold.snapshot(5.5)["held"] == 0


def test_in_shadow_mode_too_one_with_less_time_makes_room_before_one_that_came_earlier() -> None:
    told = Told()
    hold = made(told, mode="shadow", max_requests=2, timeout=5.0)
    for now, request in ((0.0, Request()), (0.0, Request(deadline=1.0)), (2.0, Request()), (2.0, Request())):
        hold.try_acquire(now, request)
    assert told.counts == ["shadow_held", "shadow_held", "shadow_held", "shadow_refused"]
