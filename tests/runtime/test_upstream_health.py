"""Who is chosen when endpoints are ejected, down, drained or new; what a settled attempt does to its endpoint."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sidecar.model.address import Address
from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.ejection import Ejection
from sidecar.policies.health_gate import EjectionSpec
from sidecar.policies.selection import Hash, LeastRequests, RandomChoice, RoundRobin, Strategy
from sidecar.policies.slow_start import STEADY, SlowStartRamp
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Upstream
from tests.runtime.requests import endpoint


def upstream(
    *endpoints: Endpoint,
    ejection: EjectionSpec | None = None,
    slow_start: float | None = None,
    strategy: Strategy | None = None,
) -> Upstream:
    observer = UpstreamObserver()
    made = Upstream("app", endpoints, strategy or RoundRobin(), random.Random(1), observer)
    made.ejection = None if ejection is None else Ejection(ejection, observer)
    made.slow_start = None if slow_start is None else SlowStartRamp(slow_start)
    return made


def fail(group: Upstream, one: Endpoint, now: float, times: int = 1) -> None:
    for _ in range(times):
        group.settle(now, one, Outcome.FAILURE, now)


def picked(group: Upstream, now: float, times: int, avoid: Endpoint | None = None) -> Counter[str]:
    found = [group.pick(now, None, avoid) for _ in range(times)]
    return Counter(one.name for one in found if one is not None)


SOON = EjectionSpec(consecutive_failures=1, base=10.0)


def test_an_ejected_endpoint_is_not_picked_until_its_time_is_over() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=SOON)
    fail(group, one, 5.0)
    assert picked(group, 5.0, 4) == {two.name: 4}
    assert group.available(5.0) == 1
    assert picked(group, 15.0, 4) == {one.name: 2, two.name: 2}
    assert group.available(15.0) == 2


def test_the_last_endpoint_is_never_ejected() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=EjectionSpec(consecutive_failures=1, max_ejected_ratio=1.0))
    fail(group, one, 5.0)
    fail(group, two, 6.0, times=9)
    assert picked(group, 6.0, 2) == {two.name: 2}


def test_an_endpoint_that_is_down_is_not_what_is_left_when_another_is_to_be_ejected() -> None:
    one, two = endpoint(1), endpoint(2)
    two.down = True
    group = upstream(one, two, ejection=SOON)
    fail(group, one, 5.0, times=9)
    assert picked(group, 5.0, 2) == {one.name: 2}


def test_a_single_endpoint_is_picked_whatever_came_of_its_attempts() -> None:
    only = endpoint(1)
    group = upstream(only, ejection=SOON)
    fail(group, only, 5.0, times=9)
    assert group.pick(5.0, None, None) is only
    assert group.available(5.0) == 1


def test_an_ejected_endpoint_takes_attempts_when_all_others_have_gone_or_are_down() -> None:
    one, two, three = endpoint(1), endpoint(2), endpoint(3)
    group = upstream(one, two, three, ejection=SOON)
    fail(group, one, 5.0)
    two.down = three.drained = True
    assert group.pick(6.0, None, None) is one
    assert group.available(6.0) == 1
    group.replace_endpoints([endpoint(1)])
    assert group.pick(6.0, None, None) is one


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("bar", ["down", "drained"])
def test_an_endpoint_known_to_be_dead_or_drained_by_hand_is_never_picked(count: int, bar: str) -> None:
    ends = [endpoint(port) for port in range(1, count + 1)]
    group = upstream(*ends, ejection=SOON)
    for one in ends:
        assert group.pick(0.0, None, None) is not None
        setattr(one, bar, True)
    assert group.pick(0.0, None, None) is None
    assert group.available(0.0) == 0


def test_an_avoided_endpoint_is_taken_when_the_others_are_out() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=SOON)
    fail(group, two, 5.0)
    assert group.pick(5.0, None, one) is one
    three = endpoint(3)
    group.replace_endpoints([endpoint(1), endpoint(2), three])
    assert picked(group, 5.0, 3, avoid=one) == {three.name: 3}


def test_nothing_is_counted_without_the_rule_and_nobody_is_out_once_it_is_gone() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two)
    fail(group, one, 5.0, times=9)
    assert one.health.consecutive_failures == 0
    group = upstream(one, two, ejection=SOON)
    fail(group, one, 5.0)
    group.ejection = None
    assert picked(group, 5.0, 4) == {one.name: 2, two.name: 2}


def test_in_shadow_mode_everybody_takes_attempts() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=EjectionSpec(consecutive_failures=1, mode="shadow"))
    fail(group, one, 5.0)
    fail(group, two, 5.0)
    assert picked(group, 5.0, 4) == {one.name: 2, two.name: 2}
    assert (one.health.shadow_ejections, two.health.shadow_ejections) == (1, 0)  # one of two is the most


def test_an_endpoint_that_has_left_is_not_ejected_any_more() -> None:
    one, two, three = endpoint(1), endpoint(2), endpoint(3)
    group = upstream(one, two, three, ejection=SOON)
    group.replace_endpoints([endpoint(2), endpoint(3)])
    fail(group, one, 5.0, times=3)
    assert one.health.ejections == 0


def test_an_endpoint_keeps_its_health_over_new_addresses() -> None:
    one = endpoint(1)
    group = upstream(one, endpoint(2), ejection=SOON)
    fail(group, one, 5.0)
    group.replace_endpoints([endpoint(1), endpoint(2)])
    assert group.available(6.0) == 1


def test_a_look_at_an_endpoint_that_was_ejected_begins_its_slow_start() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=SOON, slow_start=100.0)
    fail(group, one, 5.0)
    group.pick(15.0, None, None)
    assert (one.share, two.share) == (10, 100)
    group.pick(65.0, None, None)
    assert one.share == 50
    group.pick(115.0, None, None)
    assert (one.share, one.ramp_since) == (100, STEADY)


def test_a_result_that_comes_after_the_ejection_ends_it_and_begins_the_slow_start() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=SOON, slow_start=100.0)
    fail(group, one, 5.0)
    group.settle(16.0, one, Outcome.SUCCESS, 4.0)
    group.pick(16.0, None, None)
    assert one.share == 10


@pytest.mark.parametrize("strategy", [RoundRobin(), RandomChoice(), LeastRequests(), Hash()])
def test_a_newcomers_share_grows_in_every_strategy(strategy: Strategy) -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, slow_start=100.0, strategy=strategy)
    two.newcomer()

    def part_at(now: float) -> float:
        return sum(1 for index in range(2000) if group.pick(now, f"user-{index}", None) is two) / 2000

    counts = [part_at(now) for now in (0.0, 50.0, 100.0)]
    assert counts == [pytest.approx(part, abs=0.04) for part in (1 / 11, 1 / 3, 1 / 2)]


def test_whoever_was_there_at_start_up_has_its_whole_share_at_once() -> None:
    group = upstream(endpoint(1, weight=3), endpoint(2), slow_start=100.0)
    group.pick(0.0, None, None)
    assert [one.share for one in group.endpoints] == [300, 100]


def test_only_addresses_that_join_a_known_name_start_slowly() -> None:
    name = Endpoint("app", Address("app.internal", 80))
    group = upstream(name, slow_start=100.0)
    group.replace_endpoints([name.resolved(Address("10.0.0.1", 80)), name.resolved(Address("10.0.0.2", 80))])
    group.pick(0.0, None, None)
    assert [one.share for one in group.endpoints] == [100, 100]
    group.replace_endpoints([name.resolved(Address("10.0.0.1", 80)), name.resolved(Address("10.0.0.3", 80))])
    group.pick(1.0, None, None)
    assert [one.share for one in group.endpoints] == [100, 10]


def test_the_addresses_of_a_name_that_is_new_are_new() -> None:
    name = Endpoint("app", Address("app.internal", 80))
    name.newcomer()
    old = endpoint(1)
    group = upstream(old, name, slow_start=100.0)
    group.replace_endpoints([old, name.resolved(Address("10.0.0.1", 80))])
    group.pick(0.0, None, None)
    assert [one.share for one in group.endpoints] == [100, 10]


def test_a_lone_endpoint_needs_no_slow_start_and_is_warm_when_another_joins() -> None:
    one, two = endpoint(1), endpoint(2)
    one.newcomer()
    group = upstream(one, slow_start=100.0)
    assert group.pick(0.0, None, None) is one
    group.replace_endpoints([endpoint(1), two])
    two.newcomer()
    group.pick(1.0, None, None)
    assert (one.share, two.share) == (100, 10)


def test_without_slow_start_a_newcomer_has_its_whole_share_even_in_the_middle_of_one() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, slow_start=100.0)
    two.newcomer()
    group.pick(0.0, None, None)
    assert two.share == 10
    group.slow_start = None
    group.pick(1.0, None, None)
    assert (two.share, two.ramp_since) == (100, STEADY)


def test_a_new_weight_does_not_end_a_slow_start() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, slow_start=100.0)
    two.newcomer()
    group.pick(0.0, None, None)
    two.weigh(4)
    group.pick(50.0, None, None)
    assert (two.weight, two.share) == (4, 200)


def test_an_endpoint_that_is_well_again_is_not_ejected_any_more_and_starts_slowly() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two, ejection=SOON, slow_start=100.0)
    fail(group, one, 5.0)
    group.recovered(6.0, one)
    assert group.available(6.0) == 2
    group.pick(6.0, None, None)
    assert one.share == 10


def test_an_operator_s_word_outlives_a_check_that_succeeds() -> None:
    one, two = endpoint(1), endpoint(2)
    group = upstream(one, two)
    one.drained = True
    group.recovered(6.0, one)
    assert group.available(6.0) == 1


def test_one_that_nobody_has_looked_at_yet_is_picked_where_there_is_no_other() -> None:
    new, well = endpoint(1), endpoint(2)
    group = upstream(new, well)
    group.gate(1.0, new)
    assert picked(group, 1.0, 4) == {well.name: 4}
    group.mark_down(2.0, well)
    assert picked(group, 2.0, 4) == {new.name: 4}
    group.mark_down(3.0, new)  # now somebody has looked
    assert picked(group, 3.0, 4) == {}


def test_the_only_one_is_picked_before_it_is_looked_at_unless_it_is_drained() -> None:
    new = endpoint(1)
    group = upstream(new)
    group.gate(1.0, new)
    assert group.pick(1.0, None, None) is new
    new.drained = True
    assert group.pick(1.0, None, None) is None
    new.drained = False
    group.mark_up(2.0, new)
    assert (group.pick(2.0, None, None), new.unchecked) == (new, False)
