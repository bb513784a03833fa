"""A rate limit for all workers of an instance: what each knows of the others, and what outlives one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.shared_rate_limit import SharedRateLimits
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant
from tests.doubles.shared_memory import Instance
from tests.policies.test_rate_limit_properties import AnyWindow

GAPS = st.sampled_from([0.0, 0.01, 0.1, 0.3, 1.0, 7.0])
STEPS = st.lists(st.tuples(GAPS, st.integers(0, 2), st.sampled_from("abc")), max_size=60)
Specs = list[dict[str, Any]]
ONE: Specs = [{"name": "all", "rate": 2.0, "burst": 3.0}]
TWO: Specs = [*ONE, {"name": "ip", "rate": 1.0, "burst": 2.0, "key": ("client_ip",)}]


def limits_of(specs: Specs) -> list[tuple[RateLimitSpec, FixedKey | None]]:
    return [(RateLimitSpec(**spec), FixedKey("k") if spec.get("key") else None) for spec in specs]


def shared(instance: Instance, worker: int, specs: Specs) -> SharedRateLimits:
    return SharedRateLimits("login", limits_of(specs), RouteObserver(), instance.memories[worker])


def workers_of(specs: Specs, count: int = 3) -> list[SharedRateLimits]:
    instance = Instance(count)
    return [shared(instance, worker, specs) for worker in range(count)]


def test_a_burst_is_spent_once_however_many_workers_it_meets() -> None:
    workers = workers_of(ONE)
    who = LimitedApplicant()
    verdicts = [workers[at % 3].try_acquire(10.0, who) for at in range(6)]
    assert verdicts == [ADMITTED] * 3 + [REFUSED] * 3
    assert workers[1].rule == "login/all"
    assert workers[1].retry_after == pytest.approx(0.5)


@given(STEPS, st.sampled_from([ONE, TWO]))
def test_many_workers_decide_and_announce_what_one_machine_would(
    steps: list[tuple[float, int, str]], specs: Specs
) -> None:
    workers, single, now = workers_of(specs), RateLimits("login", limits_of(specs), RouteObserver()), 1000.0
    for gap, worker, key in steps:
        now += gap
        who = LimitedApplicant(key)
        assert workers[worker].try_acquire(now, who) == single.try_acquire(now, who)
        assert workers[worker].answer_fields(now, who) == single.answer_fields(now, who)


class AnyWindowOverWorkers(AnyWindow):
    """Requests that wait, come back and leave, in three workers."""

    def __init__(self) -> None:
        super().__init__()
        self.workers: list[SharedRateLimits] = []
        self.turn = 0

    def made(self, **values: Any) -> RateLimits:
        self.workers = workers_of([{"name": "x", **values}])
        return self.workers[0]

    def asked(self) -> RateLimits:
        self.turn = (self.turn + 1) % 3
        return self.workers[self.turn]


TestAnyWindowOverWorkers = AnyWindowOverWorkers.TestCase


def test_what_waits_in_any_worker_is_shown_and_what_leaves_is_given_back() -> None:
    first, second, _ = workers_of([{"name": "all", "rate": 1.0, "burst": 1.0, "max_wait": 9.0}])
    who, other = LimitedApplicant(), LimitedApplicant()
    assert first.try_acquire(10.0, LimitedApplicant()) == ADMITTED
    assert first.try_acquire(10.0, who) == WAIT
    assert second.try_acquire(10.0, other) == WAIT
    assert (first.wait_until, second.wait_until) == (11.0, 12.0)
    assert first.snapshot(10.0)["waiting"] == second.snapshot(10.0)["waiting"] == 2
    second.withdraw(10.5, other)
    assert first.resume(11.0, who) == ADMITTED
    assert first.snapshot(11.0)["waiting"] == 0
    assert second.try_acquire(11.0, other) == WAIT
    assert second.wait_until == 12.0


def test_those_that_waited_in_a_dead_worker_wait_no_longer() -> None:
    instance = Instance(2)
    spec: Specs = [{"name": "all", "rate": 1.0, "burst": 1.0, "max_wait": 9.0}]
    first, second = shared(instance, 0, spec), shared(instance, 1, spec)
    assert first.try_acquire(10.0, LimitedApplicant()) == ADMITTED
    assert second.try_acquire(10.0, LimitedApplicant()) == WAIT
    instance.kill(1)
    assert first.snapshot(10.0)["waiting"] == 0


def test_a_worker_that_comes_later_finds_the_bucket_as_it_is() -> None:
    instance = Instance(2)
    first = shared(instance, 0, ONE)
    for _ in range(3):
        assert first.try_acquire(10.0, LimitedApplicant()) == ADMITTED
    instance.kill(0)
    assert shared(instance, 0, ONE).try_acquire(10.0, LimitedApplicant()) == REFUSED
    assert shared(instance, 1, ONE).try_acquire(10.5, LimitedApplicant()) == ADMITTED


@pytest.mark.parametrize("key", [(), ("client_ip",)])
def test_changed_rates_scale_a_bucket_once_whoever_comes_first(key: tuple[str, ...]) -> None:
    before: Specs = [{"name": "all", "rate": 2.0, "burst": 4.0, **({"key": key} if key else {})}]
    after: Specs = [{**before[0], "rate": 1.0, "burst": 8.0}]
    instance = Instance(3)
    old = [shared(instance, worker, before) for worker in range(3)]
    for _ in range(3):
        assert old[0].try_acquire(10.0, LimitedApplicant()) == ADMITTED
    new = [shared(instance, worker, after) for worker in range(3)]
    for worker in range(3):
        new[worker].inherit(old[worker], 10.0)
        # One of four was left, so two of eight are; a worker under the old rules sees its one.
        assert new[worker]._limits[0].remaining(10.0, "a") == pytest.approx(2.0)
        old[2].answer_fields(10.0, LimitedApplicant())
        assert old[2]._limits[0].remaining(10.0, "a") == pytest.approx(1.0)
    assert [new[worker].try_acquire(10.0, LimitedApplicant()) for worker in range(3)] == [ADMITTED, ADMITTED, REFUSED]


def test_a_table_of_another_size_takes_over_what_the_old_one_remembers() -> None:
    def rules(keys: int) -> Specs:
        return [{"name": "ip", "rate": 1.0, "burst": 1.0, "key": ("client_ip",), "max_keys": keys}]

    instance = Instance(2)
    old = [shared(instance, worker, rules(100)) for worker in range(2)]
    for caller in "abcdefgh":
        assert old[0].try_acquire(10.0, LimitedApplicant(caller)) == ADMITTED
    new = [shared(instance, worker, rules(1000)) for worker in range(2)]
    new[0].inherit(old[0], 10.5)
    assert old[1].try_acquire(10.5, LimitedApplicant("late")) == ADMITTED  # before it takes the new rules over
    new[1].inherit(old[1], 10.5)
    assert [new[at % 2].try_acquire(10.5, LimitedApplicant(one)) for at, one in enumerate("abcdefgh")] == [REFUSED] * 8
    assert new[0].try_acquire(10.5, LimitedApplicant("late")) == REFUSED
    assert new[0].try_acquire(10.5, LimitedApplicant("newcomer")) == ADMITTED


@pytest.mark.parametrize("key", [(), ("client_ip",)])
def test_whoever_is_refused_again_and_again_waits_by_the_new_rate(key: tuple[str, ...]) -> None:
    before: Specs = [{"name": "x", "rate": 1 / 3600, "burst": 1.0, "key": key}]
    instance = Instance(2)
    old = [shared(instance, worker, before) for worker in range(2)]
    assert old[0].try_acquire(10.0, LimitedApplicant()) == ADMITTED
    new = [shared(instance, worker, [{**before[0], "rate": 1.0}]) for worker in range(2)]
    for worker in range(2):
        new[worker].inherit(old[worker], 10.0)
    assert [new[at % 2].try_acquire(10.2 + at * 0.2, LimitedApplicant()) for at in range(4)] == [REFUSED] * 4
    assert new[0].try_acquire(11.0, LimitedApplicant()) == ADMITTED


@pytest.mark.parametrize("max_keys", [100, 1000])
def test_another_key_has_other_buckets(max_keys: int) -> None:
    instance = Instance(1)
    old = shared(instance, 0, [{"name": "x", "rate": 1.0, "burst": 1.0, "key": ("client_ip",), "max_keys": 100}])
    assert old.try_acquire(10.0, LimitedApplicant()) == ADMITTED
    new = shared(instance, 0, [{"name": "x", "rate": 1.0, "burst": 1.0, "key": ("header:a",), "max_keys": max_keys}])
    new.inherit(old, 10.0)
    assert new.try_acquire(10.0, LimitedApplicant()) == ADMITTED
