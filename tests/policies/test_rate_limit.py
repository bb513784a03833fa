"""What a rate limit may say, and how the limits of a route decide together."""

from __future__ import annotations

from typing import Any

import pytest

from sidecar.model.observer import RouteObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.policies.contract import ADMITTED, REFUSED, Admission
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant
from tests.policies.specs import refused, taken


@pytest.mark.parametrize(
    ("spec", "given", "key", "sentence"),
    [
        (RateLimitSpec, {"name": "a", "rate": 0.0}, "rate", "more than 0"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "burst": 0.0}, "burst", "more than 0"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "key": ("client_ip", "client_ip")}, "key", "twice"),
        (RateLimitSpec, {"name": "a", "rate": 1.0, "max_keys": 0}, "max_keys", "at least 1"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_its_key(spec: Any, given: dict[str, Any], key: str, sentence: str) -> None:
    refused(spec, given, key, sentence)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        (RateLimitSpec, {"name": "a", "rate": 10.0}),
        (RateLimitSpec, {"name": "a", "rate": 0.5, "burst": 0.5, "key": ("client_ip", "header:x")}),
    ],
)
def test_what_makes_sense_is_taken_and_enforced(spec: Any, given: dict[str, Any]) -> None:
    taken(spec, given)


@pytest.mark.parametrize(("rate", "burst", "capacity"), [(10.0, None, 10.0), (0.1, None, 1.0), (10.0, 20.0, 20.0)])
def test_without_a_burst_one_second_s_worth_is_admitted_at_once(
    rate: float, burst: float | None, capacity: float
) -> None:
    assert RateLimitSpec(name="a", rate=rate, burst=burst).capacity == capacity


class Observed(RouteObserver):
    """Keeps what a limit in shadow mode would have refused."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Reason]] = []

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        self.told.append((rule, reason))


def pair(name: str, **values: Any) -> tuple[RateLimitSpec, FixedKey | None]:
    spec = RateLimitSpec(name=name, **{"rate": 1.0, **values})
    return spec, FixedKey("_".join(spec.key)) if spec.key else None


def limits(*pairs: tuple[RateLimitSpec, FixedKey | None], observer: Observed | None = None) -> RateLimits:
    return RateLimits("login", pairs, observer or Observed())


ANYONE = LimitedApplicant()


def test_a_limit_admits_its_burst_and_then_its_rate() -> None:
    machine = limits(pair("all", rate=2.0, burst=3.0))
    assert [machine.try_acquire(10.0, ANYONE) for _ in range(4)] == [ADMITTED, ADMITTED, ADMITTED, REFUSED]
    assert machine.try_acquire(10.5, ANYONE) == ADMITTED
    assert machine.try_acquire(10.5, ANYONE) == REFUSED


def test_a_refusal_names_its_limit_and_says_when_to_come_back() -> None:
    machine = limits(pair("all", rate=0.5))
    machine.try_acquire(10.0, ANYONE)
    assert machine.name == "login/rate_limits"
    assert machine.try_acquire(10.5, ANYONE) == REFUSED
    assert (machine.rule, machine.reason, machine.status) == ("login/all", Reason.RATE_LIMITED, 0)
    assert machine.retry_after == 1.5


def test_callers_are_told_apart_by_their_key() -> None:
    machine = limits(pair("per-client", key=("client_ip",)))
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    assert [machine.try_acquire(1.0, who) for who in (ann, bob, ann)] == [ADMITTED, ADMITTED, REFUSED]


def test_the_limit_with_the_most_key_sources_is_asked_first_and_ties_stand_as_written() -> None:
    machine = limits(
        pair("all"), pair("ip", key=("client_ip",)), pair("both", key=("client_ip", "path:id")), pair("all2")
    )
    rules = []
    for _ in range(2):
        machine.try_acquire(1.0, ANYONE)
        rules.append(machine.rule)
    assert rules[1] == "login/both"
    assert list(machine.snapshot(1.0)["limits"]) == ["both", "ip", "all", "all2"]  # type: ignore[call-overload]


def test_a_refusal_spends_no_other_bucket() -> None:
    machine = limits(pair("all", burst=1.0, rate=0.001), pair("ip", burst=5.0, key=("client_ip",)))
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    assert machine.try_acquire(1.0, ann) == ADMITTED
    for _ in range(10):
        assert machine.try_acquire(1.0, bob) == REFUSED
        assert machine.rule == "login/all"
    shown: Any = machine.snapshot(1.0)["limits"]
    assert shown["ip"]["keys"] == 1
    assert b'"ip";r=5, ' in machine.answer_fields(1.0, bob)


def test_a_limit_in_shadow_mode_counts_and_lets_go_without_spending() -> None:
    observer = Observed()
    machine = limits(pair("trial", mode="shadow"), pair("all", burst=3.0), observer=observer)
    assert [machine.try_acquire(1.0, ANYONE) for _ in range(4)] == [ADMITTED, ADMITTED, ADMITTED, REFUSED]
    # The last would have been refused by it too, and first.
    assert observer.told == [("login/trial", Reason.RATE_LIMITED)] * 3
    assert machine.rule == "login/all"
    assert machine.try_acquire(2.0, ANYONE) == ADMITTED
    assert len(observer.told) == 3


def test_only_what_a_caller_is_held_to_is_announced() -> None:
    machine = limits(pair("trial", mode="shadow"), pair("a", rate=10.0, burst=20.0), pair("b", rate=0.1, burst=2.0))
    machine.try_acquire(1.0, ANYONE)
    assert machine.answer_fields(1.0, ANYONE) == (
        b'RateLimit-Policy: "a";q=20;w=2, "b";q=2;w=20\r\nRateLimit: "a";r=19;t=1, "b";r=1;t=10\r\n'
    )
    assert limits(pair("trial", mode="shadow")).answer_fields(1.0, ANYONE) == b""


def test_each_caller_is_told_of_its_own_bucket() -> None:
    machine = limits(pair("per-client", rate=10.0, burst=20.0, key=("client_ip",)))
    ann, bob = LimitedApplicant("ann"), LimitedApplicant("bob")
    machine.try_acquire(1.0, ann)
    policy = b'RateLimit-Policy: "per-client";q=20;w=2\r\n'
    assert machine.answer_fields(1.0, ann) == policy + b'RateLimit: "per-client";r=19;t=1\r\n'
    assert machine.answer_fields(1.0, bob) == policy + b'RateLimit: "per-client";r=20\r\n'


def test_what_a_refused_caller_reads_agrees_with_retry_after() -> None:
    machine = limits(pair("all", rate=0.1, burst=2.0))
    for _ in range(3):
        verdict = machine.try_acquire(1.0, ANYONE)
    assert verdict == REFUSED
    assert machine.retry_after == 10.0
    assert machine.answer_fields(1.0, ANYONE).endswith(b'RateLimit: "all";r=0;t=10\r\n')


def test_operators_see_rule_values_and_buckets() -> None:
    machine = limits(
        pair("all", rate=10.0), pair("ip", rate=0.1, key=("client_ip",), mode="shadow", max_keys=1), pair("odd", rate=2)
    )
    for who in ("ann", "bob"):
        machine.try_acquire(1.0, LimitedApplicant(who))
    assert machine.snapshot(1.0) == {
        "limits": {
            "ip": {
                "rate": "6/m", "burst": 1, "key": ["client_ip"], "mode": "shadow",
                "keys": 1, "max_keys": 1, "evictions": 1,
            },
            "all": {"rate": "10/s", "burst": 10, "key": [], "mode": "enforce", "remaining": 8},
            "odd": {"rate": "2/s", "burst": 2, "key": [], "mode": "enforce", "remaining": 0},
        },
        "waiting": 0,
    }  # fmt: skip


def test_a_reload_without_a_change_changes_nothing() -> None:
    def rules() -> RateLimits:
        return limits(pair("all", burst=3.0, rate=0.5), pair("ip", burst=2.0, rate=0.5, key=("client_ip",)))

    before, after = rules(), rules()
    for _ in range(2):
        before.try_acquire(1.0, ANYONE)
    after.inherit(before, 1.5)
    assert after.snapshot(1.5) == before.snapshot(1.5)
    assert after.answer_fields(1.5, ANYONE) == before.answer_fields(1.5, ANYONE)
    assert after.try_acquire(1.5, ANYONE) == REFUSED
    assert after.rule == "login/ip"


@pytest.mark.parametrize("key", [(), ("client_ip",)])
def test_a_changed_rate_or_burst_keeps_the_fill_ratio(key: tuple[str, ...]) -> None:
    before, after = limits(pair("x", rate=1.0, burst=10.0, key=key)), limits(pair("x", rate=5.0, burst=100.0, key=key))
    for _ in range(5):
        before.try_acquire(10.0, ANYONE)
    after.inherit(before, 10.0)
    assert after.answer_fields(10.0, ANYONE).endswith(b'RateLimit: "x";r=50;t=1\r\n')


def test_a_rested_bucket_stays_full_across_a_reload() -> None:
    before, after = limits(pair("x", burst=10.0)), limits(pair("x", burst=5.0))
    before.try_acquire(1.0, ANYONE)
    after.inherit(before, 100.0)
    assert [after.try_acquire(100.0, ANYONE) for _ in range(6)] == [ADMITTED] * 5 + [REFUSED]


def test_a_limit_with_another_key_or_another_name_starts_fresh() -> None:
    before = limits(pair("x", key=("client_ip",)), pair("y"))
    after = limits(pair("x", key=("header:x-user",)), pair("z"))
    before.try_acquire(1.0, ANYONE)
    after.inherit(before, 1.0)
    assert after.try_acquire(1.0, ANYONE) == ADMITTED


def test_a_smaller_table_after_a_reload_keeps_those_admitted_last() -> None:
    before = limits(pair("x", key=("client_ip",), max_keys=3))
    after = limits(pair("x", key=("client_ip",), max_keys=1))
    for who in ("ann", "bob"):
        before.try_acquire(1.0, LimitedApplicant(who))
    after.inherit(before, 1.0)
    assert [after.try_acquire(1.0, LimitedApplicant(who)) for who in ("bob", "ann")] == [REFUSED, ADMITTED]


def test_nothing_is_taken_over_from_a_machine_of_another_kind() -> None:
    machine = limits(pair("x"))
    machine.inherit(Admission("login/concurrency", Reason.CONCURRENCY_LIMITED), 1.0)
    assert machine.try_acquire(1.0, ANYONE) == ADMITTED


def test_there_is_nothing_to_settle() -> None:
    machine = limits(pair("x"))
    machine.try_acquire(1.0, ANYONE)
    machine.settle(1.0, ADMITTED, Outcome.IGNORED, 0.0)
    assert machine.try_acquire(1.0, ANYONE) == REFUSED
