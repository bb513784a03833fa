"""A limit with `max_wait` lets a request wait for its token, and takes the token back when the request leaves."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant


def machine(*limits: dict[str, Any]) -> RateLimits:
    specs = [RateLimitSpec(**{"name": f"l{number}", "rate": 1.0, **each}) for number, each in enumerate(limits)]
    pairs = [(spec, FixedKey("_".join(spec.key)) if spec.key else None) for spec in specs]
    return RateLimits("login", pairs, RouteObserver())


def fresh(count: int) -> list[LimitedApplicant]:
    return [LimitedApplicant() for _ in range(count)]


def test_a_request_waits_for_its_token_and_goes_at_its_instant() -> None:
    limits = machine({"max_wait": 2.0})
    first, second = fresh(2)
    assert limits.try_acquire(10.0, first) == ADMITTED
    assert limits.try_acquire(10.25, second) == WAIT
    assert limits.wait_until == 11.0
    assert limits.resume(11.0, second) == ADMITTED


def test_who_comes_back_too_early_waits_for_the_same_instant() -> None:
    limits = machine({"max_wait": 5.0})
    first, second, third = fresh(3)
    for who in (first, second, third):
        limits.try_acquire(10.0, who)
    assert limits.wait_until == 12.0
    assert limits.resume(10.5, second) == WAIT
    assert limits.wait_until == 11.0
    assert limits.resume(11.5, second) == ADMITTED


def test_nobody_waits_longer_than_the_limit_allows() -> None:
    limits = machine({"max_wait": 2.0})
    assert [limits.try_acquire(10.0, who) for who in fresh(4)] == [ADMITTED, WAIT, WAIT, REFUSED]
    assert limits.retry_after == 3.0
    assert limits.try_acquire(10.0, LimitedApplicant()) == REFUSED
    assert limits.retry_after == 3.0


def test_nobody_waits_past_the_deadline() -> None:
    limits = machine({"max_wait": 60.0})
    limits.try_acquire(10.0, LimitedApplicant())
    assert limits.try_acquire(10.0, LimitedApplicant(deadline=10.9)) == REFUSED
    assert limits.try_acquire(10.0, LimitedApplicant(deadline=11.0)) == WAIT


@pytest.mark.parametrize("key", [(), ("client_ip",)])
def test_who_leaves_gives_the_reservation_back(key: tuple[str, ...]) -> None:
    limits = machine({"max_wait": 2.0, "key": key})
    first, second, third, fourth = fresh(4)
    for who in (first, second, third):
        limits.try_acquire(10.0, who)
    limits.withdraw(10.5, third)
    assert limits.try_acquire(10.5, fourth) == WAIT
    assert limits.wait_until == 12.0
    limits.withdraw(10.75, second)
    assert limits.try_acquire(10.75, third) == WAIT
    assert limits.wait_until == 11.0
    assert limits.snapshot(10.75)["waiting"] == 2


def test_who_does_not_wait_has_nothing_to_give_back() -> None:
    limits = machine({"max_wait": 2.0})
    first, second = fresh(2)
    limits.try_acquire(10.0, first)
    limits.withdraw(10.0, first)
    limits.try_acquire(10.0, second)
    assert limits.resume(11.0, second) == ADMITTED
    limits.withdraw(11.0, second)
    assert limits.try_acquire(11.0, first) == WAIT


def test_the_longest_wait_of_all_limits_counts_and_every_bucket_is_reserved() -> None:
    limits = machine({"rate": 1.0, "max_wait": 9.0, "key": ("client_ip",)}, {"rate": 0.5, "max_wait": 9.0})
    first, second, third = fresh(3)
    limits.try_acquire(10.0, first)
    assert limits.try_acquire(10.0, second) == WAIT
    assert limits.wait_until == 12.0
    assert limits.try_acquire(10.0, third) == WAIT
    assert limits.wait_until == 14.0
    limits.withdraw(10.0, third)
    limits.withdraw(10.0, second)
    assert limits.try_acquire(10.0, third) == WAIT
    assert limits.wait_until == 12.0


def test_one_limit_that_would_not_wait_refuses_for_all_and_reserves_nothing() -> None:
    limits = machine({"max_wait": 9.0, "key": ("client_ip",)}, {"rate": 0.5})
    first, second = fresh(2)
    limits.try_acquire(10.0, first)
    assert limits.try_acquire(10.0, second) == REFUSED
    assert (limits.rule, limits.retry_after) == ("login/l1", 2.0)
    assert limits.snapshot(10.0)["waiting"] == 0
    assert limits.try_acquire(12.0, second) == ADMITTED


def test_a_limit_in_shadow_mode_keeps_nobody_waiting() -> None:
    limits = machine({"max_wait": 1.0, "mode": "shadow"})
    assert [limits.try_acquire(10.0, who) for who in fresh(3)] == [ADMITTED] * 3
    assert limits.snapshot(10.0)["waiting"] == 0


def test_a_wait_goes_on_past_a_limit_in_shadow_mode_that_refuses() -> None:
    limits = machine({"mode": "shadow", "rate": 0.1}, {"max_wait": 5.0})
    first, second = fresh(2)
    limits.try_acquire(10.0, first)
    assert limits.try_acquire(10.0, second) == WAIT
    assert limits.wait_until == 11.0
    limits.withdraw(10.5, second)
    assert limits.try_acquire(10.5, first) == WAIT
    assert limits.wait_until == 11.0


def test_a_reload_makes_newcomers_wait_behind_those_that_wait_already() -> None:
    rules: dict[str, Any] = {"max_wait": 5.0, "key": ("client_ip",)}
    before, after = machine(rules), machine(rules)
    first, second, third = fresh(3)
    before.try_acquire(10.0, first)
    before.try_acquire(10.0, second)
    after.inherit(before, 10.5)
    assert after.try_acquire(10.5, third) == WAIT
    assert after.wait_until == 12.0
    assert before.resume(11.0, second) == ADMITTED
