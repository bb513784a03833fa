"""Whatever happens: never more than rate and burst allow, no token out of nothing, no bucket lost in silence."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT
from sidecar.policies.key_table import FULL
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from tests.doubles.limited_applicant import FixedKey, LimitedApplicant

KEYS = st.sampled_from(["ann", "bob"])
STEPS = st.sampled_from([0.0, 0.01, 0.1, 0.125, 0.3, 0.5, 1.0, 2.5, 7.0]) | st.floats(0.0, 3.0)


def made(**values: Any) -> RateLimits:
    spec = RateLimitSpec(name="x", **values)
    return RateLimits("login", [(spec, FixedKey("k") if spec.key else None)], RouteObserver())


class AnyWindow(RuleBasedStateMachine):
    """One limit; requests are admitted at once, wait, come back on time, or leave while they wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.admitted: dict[str, list[float]] = {}
        self.waiting: list[tuple[float, LimitedApplicant, RateLimits]] = []

    @initialize(
        rate=st.sampled_from([0.5, 1.0, 3.0, 10.0]),
        burst=st.sampled_from([1.0, 1.5, 2.0, 5.0]),
        max_wait=st.sampled_from([0.0, 0.5, 4.0, 20.0]),
        keyed=st.booleans(),
    )
    def begin(self, rate: float, burst: float, max_wait: float, keyed: bool) -> None:
        self.rate, self.burst, self.keyed = rate, burst, keyed
        self.limits = self.made(rate=rate, burst=burst, max_wait=max_wait, key=("client_ip",) if keyed else ())

    def made(self, **values: Any) -> RateLimits:
        """The kind of machine that is tried."""
        return made(**values)

    def asked(self) -> RateLimits:
        """The machine that the next request asks."""
        return self.limits

    def go(self, who: LimitedApplicant, at: float) -> None:
        instants = self.admitted.setdefault(who.value if self.keyed else "", [])
        instants.append(at)
        instants.sort()

    @rule(key=KEYS, times=st.integers(1, 4))
    def ask(self, key: str, times: int) -> None:
        for _ in range(times):
            who = LimitedApplicant(key)
            limits = self.asked()
            verdict = limits.try_acquire(self.now, who)
            if verdict == ADMITTED:
                self.go(who, self.now)
            elif verdict == WAIT:
                assert limits.wait_until > self.now
                self.waiting.append((limits.wait_until, who, limits))
            else:
                assert verdict == REFUSED
                assert limits.retry_after > 0

    @rule(step=STEPS)
    def pass_time(self, step: float) -> None:
        self.now += step
        for until, who, limits in [each for each in self.waiting if each[0] <= self.now]:
            assert limits.resume(until, who) == ADMITTED
            self.waiting.remove((until, who, limits))
            self.go(who, until)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(range(len(self.waiting))))
        _, who, limits = self.waiting.pop(one)
        limits.withdraw(self.now, who)

    @precondition(lambda self: self.waiting)
    @rule()
    def come_back_early(self) -> None:
        until, who, limits = self.waiting[0]
        assert limits.resume(self.now, who) == WAIT
        assert limits.wait_until == until

    @invariant()
    def no_window_holds_more_than_rate_and_burst_allow(self) -> None:
        for instants in self.admitted.values():
            for first, begin in enumerate(instants):
                for last in range(first, len(instants)):
                    # One 256th of a token is what rounding is given.
                    assert last - first + 1 <= self.rate * (instants[last] - begin) + self.burst + 0.005

    def teardown(self) -> None:
        # Everybody who waits goes in the end, and nobody is forgotten.
        if hasattr(self, "limits"):
            self.pass_time(1000.0)
            self.no_window_holds_more_than_rate_and_burst_allow()
            assert self.limits.snapshot(self.now)["waiting"] == 0


TestAnyWindow = AnyWindow.TestCase
TestAnyWindow.settings = settings(max_examples=settings.default.max_examples, stateful_step_count=30)  # type: ignore[union-attr]


class SpoofStorm(RuleBasedStateMachine):
    """A table that is far too small for the callers that come."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.limits = made(rate=1.0, burst=3.0, max_wait=2.0, key=("client_ip",), max_keys=4)
        self.table = self.limits._limits[0].table

    def remembered(self) -> dict[str, float]:
        return {key: self.table.tat(key) for key in map(str, range(12)) if self.table.tat(key) != FULL}

    @rule(keys=st.lists(st.integers(0, 11).map(str), min_size=1, max_size=8))
    def storm(self, keys: list[str]) -> None:
        for key in keys:
            before, counted = self.remembered(), self.table.evictions
            verdict = self.limits.try_acquire(self.now, LimitedApplicant(key))
            after = self.remembered()
            lost = [tat for other, tat in before.items() if other not in after]
            assert self.table.evictions - counted == len([tat for tat in lost if tat > self.now])
            if verdict == REFUSED:
                assert after == before

    @rule(step=STEPS)
    def pass_time(self, step: float) -> None:
        self.now += step

    @invariant()
    def no_more_keys_than_the_table_may_hold(self) -> None:
        assert len(self.table) <= 4


TestSpoofStorm = SpoofStorm.TestCase


@given(st.lists(st.tuples(STEPS, KEYS), max_size=60))
def test_a_refusal_leaves_no_trace_in_any_limit(history: list[tuple[float, str]]) -> None:
    def pairs() -> RateLimits:
        specs = [
            RateLimitSpec(name="all", rate=2.0, burst=3.0),
            RateLimitSpec(name="ip", rate=1.0, burst=2.0, key=("client_ip",)),
        ]
        return RateLimits("login", [(s, FixedKey("k") if s.key else None) for s in specs], RouteObserver())

    asked, spared = pairs(), pairs()
    now = 1000.0
    for step, key in history:
        now += step
        who = LimitedApplicant(key)
        verdict = asked.try_acquire(now, who)
        # `spared` sees only those that are admitted, and cannot be told from the one that saw all.
        if verdict == ADMITTED:
            assert spared.try_acquire(now, who) == ADMITTED
        assert asked.snapshot(now) == spared.snapshot(now)
        assert asked.answer_fields(now, who) == spared.answer_fields(now, who)


@given(
    st.lists(STEPS, max_size=40), st.floats(0.1, 50.0), st.floats(1.0, 30.0), st.floats(0.1, 50.0), st.floats(1.0, 30.0)
)
def test_a_reload_keeps_the_fill_ratio_whatever_changes(
    steps: list[float], rate: float, burst: float, new_rate: float, new_burst: float
) -> None:
    before, after = made(rate=rate, burst=burst), made(rate=new_rate, burst=new_burst)
    now = 1000.0
    for step in steps:
        now += step
        before.try_acquire(now, LimitedApplicant())
    ratio = before._limits[0].remaining(now) / burst
    after.inherit(before, now)
    assert abs(after._limits[0].remaining(now) / new_burst - ratio) < 1e-6
