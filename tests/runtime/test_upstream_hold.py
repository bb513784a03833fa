"""When an upstream lets held requests go and when it holds them on; who marks an endpoint up and down."""

from __future__ import annotations

import math
import random

from sidecar.model.address import Address
from sidecar.model.observer import UpstreamObserver
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Applicant, Key
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec, HoldSpec
from sidecar.policies.hold import Hold
from sidecar.policies.selection import RoundRobin
from sidecar.policies.slow_start import NEWCOMER, STEADY
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Sentinel, Upstream
from tests.runtime.requests import endpoint


class Request(Applicant):
    def __init__(self) -> None:
        self.deadline = math.inf
        self.told: list[float] = []

    def key(self, key: Key) -> str:
        raise AssertionError("a hold asks for no key")

    def granted(self, now: float) -> None:
        self.told.append(now)


class Watch(Sentinel):
    def __init__(self) -> None:
        self.lost: list[Endpoint] = []

    def unreachable(self, endpoint: Endpoint) -> None:
        self.lost.append(endpoint)


def upstream(*endpoints: Endpoint, hold: bool = True, sentinel: Sentinel | None = None) -> Upstream:
    made = Upstream("app", endpoints, RoundRobin(), random.Random(1), UpstreamObserver())
    made.hold = Hold("app/hold", HoldSpec(timeout=5.0), made.observer) if hold else None
    made.sentinel = sentinel
    return made


def held(group: Upstream, now: float = 0.0) -> Request:
    """One that waits, of an upstream whose endpoints are all down from here on."""
    for one in group.endpoints:
        group.mark_down(now, one)
    request = Request()
    assert group.hold is not None
    assert group.hold.try_acquire(now, request) == WAIT
    return request


def test_an_endpoint_that_is_up_again_lets_go_those_that_are_held() -> None:
    group = upstream(endpoint(1), endpoint(2))
    request = held(group)
    group.mark_up(1.0, group.endpoints[1])
    assert request.told == [1.0]
    group.mark_up(1.0, group.endpoints[1])
    group.mark_up(1.5, group.endpoints[0])
    assert request.told == [1.0]


def test_marking_up_ends_an_ejection_and_begins_a_slow_start_and_only_of_one_that_was_down() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, hold=False)
    group.ejection = Ejection(EjectionSpec(consecutive_failures=1, base=10.0), group.observer)
    one.health.ejected_until = 99.0
    group.mark_up(1.0, one)
    assert (one.health.ejected_until, one.ramp_since) == (99.0, STEADY), "a check says nothing against an ejection"
    group.mark_down(2.0, one)
    group.mark_up(3.0, one)
    assert one.ramp_since == NEWCOMER
    assert one.up_since == 3.0
    assert group.available(3.0) == 2


def test_the_last_endpoint_that_goes_again_holds_them_on() -> None:
    group = upstream(endpoint(1), endpoint(2))
    first, second = held(group), Request()
    assert group.hold is not None
    assert group.hold.try_acquire(0.0, second) == WAIT
    for one in group.endpoints:
        group.mark_up(1.0, one)
    group.mark_down(1.0, group.endpoints[0])
    assert group.hold.resume(1.0, first) == ADMITTED
    group.mark_down(1.0, group.endpoints[1])
    assert group.hold.resume(2.0, second) == WAIT
    assert group.hold.wait_until == 5.0


def test_an_operators_word_and_other_addresses_let_them_go_as_well() -> None:
    group = upstream(endpoint(1))
    group.endpoints[0].drained = True
    request = Request()
    assert group.hold is not None
    assert group.hold.try_acquire(0.0, request) == WAIT
    group.endpoints[0].drained = False
    group.recovered(1.0, group.endpoints[0])
    assert request.told == [1.0]
    group.mark_down(1.0, group.endpoints[0])
    group.replace_endpoints([endpoint(1), endpoint(2)])
    group.endpoints_changed(2.0)
    assert request.told == [1.0, 2.0]


def test_an_endpoint_that_nobody_listens_at_is_down_and_looked_after_once() -> None:
    watch = Watch()
    group = upstream(endpoint(1), sentinel=watch)
    assert group.lost(1.0, group.endpoints[0], 0.5)
    assert group.lost(1.0, group.endpoints[0], 0.6)
    assert group.endpoints[0].down
    assert watch.lost == [group.endpoints[0]]


def test_an_attempt_that_began_before_the_endpoint_was_back_says_nothing_about_it() -> None:
    watch = Watch()
    group = upstream(endpoint(1), sentinel=watch)
    group.mark_down(1.0, group.endpoints[0])
    group.mark_up(2.0, group.endpoints[0])
    assert group.lost(2.5, group.endpoints[0], 1.5)
    assert not group.endpoints[0].down
    assert group.lost(2.5, group.endpoints[0], 2.0)
    assert group.endpoints[0].down


def test_nobody_looks_after_an_endpoint_that_new_rules_have_let_go_of() -> None:
    watch = Watch()
    before, after = upstream(endpoint(1), sentinel=watch), upstream(endpoint(2))
    after.follow(before, 1.0)
    assert after.sentinel is watch
    assert before.lost(2.0, before.endpoints[0], 1.5)
    assert watch.lost == []
    assert before.pick(2.0, None, None) is after.endpoints[0]


def test_an_exchange_of_older_rules_is_given_what_the_newest_have_when_its_own_has_nothing() -> None:
    first, second, third = upstream(endpoint(1)), upstream(endpoint(2), endpoint(3)), upstream(endpoint(4))
    second.follow(first, 1.0)
    third.follow(second, 2.0)
    assert first.pick(2.0, None, None) is first.endpoints[0]
    first.mark_down(2.0, first.endpoints[0])
    assert first.pick(2.0, None, None) is third.endpoints[0]
    for one in second.endpoints:
        second.mark_down(2.0, one)
    assert second.pick(2.0, None, None) is third.endpoints[0]
    third.mark_down(2.0, third.endpoints[0])
    assert first.pick(2.0, None, None) is None


def test_rules_that_bring_an_endpoint_let_go_those_that_are_held() -> None:
    before, after = upstream(endpoint(1)), upstream(endpoint(2))
    request = held(before)
    after.follow(before, 1.0)
    assert request.told == [1.0]
    assert before.hold is not None
    assert before.hold.resume(1.0, request) == ADMITTED


def test_rules_without_a_hold_keep_nobody_from_being_let_go_and_later_ones_find_them() -> None:
    place = endpoint(1)
    first, second, third = upstream(place), upstream(place, hold=False), upstream(place)
    request = held(first)
    second.follow(first, 1.0)
    assert second.hold is None
    third.follow(second, 2.0)
    assert third.hold is not None
    assert third.hold.snapshot(2.0)["held"] == 1
    third.mark_up(3.0, place)
    assert request.told == [3.0]


def test_under_rules_without_a_hold_those_that_are_held_still_go_when_the_endpoint_is_back() -> None:
    place = endpoint(1)
    first, second = upstream(place), upstream(place, hold=False)
    request = held(first)
    second.follow(first, 1.0)
    second.mark_up(2.0, place)
    assert request.told == [2.0]
    assert first.hold is not None
    assert first.hold.resume(2.0, request) == ADMITTED
    late = held(first, 3.0)
    assert first.hold.resume(8.0, late) == REFUSED


def test_a_host_name_that_turns_out_to_have_an_address_lets_them_go() -> None:
    name = Endpoint("app", Address("app.internal", 80))
    group = upstream(name)
    request = held(group)
    group.replace_endpoints([name.resolved(Address("10.0.0.1", 80))])
    group.endpoints_changed(1.0)
    assert request.told == [1.0]


def test_where_requests_can_be_held_they_wait_for_the_first_look() -> None:
    one = endpoint(1)
    group = Upstream("app", (one,), RoundRobin(), random.Random(1), UpstreamObserver())
    group.hold = Hold("app/hold", HoldSpec(), group.observer)
    group.gate(1.0, one)
    assert group.pick(1.0, None, None) is None
    group.hold = Hold("app/hold", HoldSpec(mode="shadow"), group.observer)
    assert group.pick(1.0, None, None) is one
