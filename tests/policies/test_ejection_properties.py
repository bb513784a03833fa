"""A group of endpoints under any history: never too many out, never the last, times within bounds, no chance."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sidecar.model.address import Address
from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.ejection import Ejection, EndpointHealth
from sidecar.policies.health_gate import EjectionSpec
from sidecar.policies.selection import RoundRobin
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.upstream import Upstream

SPECS = st.builds(
    EjectionSpec,
    consecutive_failures=st.integers(1, 4),
    base=st.floats(0.1, 60.0),
    max=st.floats(60.0, 600.0),
    max_ejected_ratio=st.floats(0.01, 1.0),
)
OUTCOMES = st.sampled_from([Outcome.SUCCESS, Outcome.FAILURE, Outcome.FAILURE, Outcome.IGNORED])


class Told(UpstreamObserver):
    """Remembers ejections, and that a readmission follows each before the next."""

    def __init__(self) -> None:
        self.out: set[str] = set()
        self.events: list[tuple[str, float]] = []

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        raise AssertionError("no attempt is made here")

    def connected(self, result: str) -> None:
        raise AssertionError("no connection is made here")

    def ejected(self, endpoint: str, seconds: float) -> None:
        assert endpoint not in self.out
        self.out.add(endpoint)
        self.events.append((endpoint, seconds))

    def readmitted(self, endpoint: str) -> None:
        self.out.remove(endpoint)
        self.events.append((endpoint, 0.0))


class EjectionHistory(RuleBasedStateMachine):
    """Attempts come to any outcome at any time, on endpoints that are picked and on those that were."""

    @initialize(spec=SPECS, count=st.integers(1, 6))
    def begin(self, spec: EjectionSpec, count: int) -> None:
        self.spec = spec
        self.told = Told()
        self.now = 0.0
        self.endpoints = [Endpoint("app", Address("127.0.0.1", port)) for port in range(1, count + 1)]
        self.upstream = Upstream("app", self.endpoints, RoundRobin(), random.Random(1), self.told)
        self.upstream.ejection = Ejection(spec, self.told)
        self.begun: list[tuple[Endpoint, float]] = []

    @rule(times=st.integers(1, 6), outcome=OUTCOMES)
    def attempts_end_at_once(self, times: int, outcome: Outcome) -> None:
        for _ in range(times):
            endpoint = self.upstream.pick(self.now, None, None)
            assert endpoint is not None
            self.upstream.settle(self.now + 0.001, endpoint, outcome, self.now)
            self.now += 0.002

    @rule()
    def an_attempt_begins(self) -> None:
        endpoint = self.upstream.pick(self.now, None, None)
        assert endpoint is not None
        self.begun.append((endpoint, self.now))

    @rule(outcome=OUTCOMES)
    def a_late_result_of_before_an_ejection_changes_nothing(self, outcome: Outcome) -> None:
        while self.begun:
            endpoint, started = self.begun.pop()
            before = endpoint.health.consecutive_failures
            self.upstream.available(self.now)  # what is over, is over now
            known = len(self.told.events)
            late = started <= endpoint.health.counts_after
            self.upstream.settle(self.now, endpoint, outcome, started)
            assert not late or (len(self.told.events) == known and endpoint.health.consecutive_failures <= before)

    @rule(index=st.integers(0, 5), times=st.integers(1, 8))
    def one_endpoint_fails_and_fails(self, index: int, times: int) -> None:
        endpoint = self.endpoints[index % len(self.endpoints)]
        for _ in range(times):
            self.now += 0.001
            self.upstream.settle(self.now, endpoint, Outcome.FAILURE, self.now)

    @rule(seconds=st.floats(0.0, 400.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def never_too_many_and_never_the_last(self) -> None:
        if not hasattr(self, "upstream"):
            return
        total = len(self.endpoints)
        out = sum(1 for one in self.endpoints if self.now < one.health.ejected_until)
        assert out <= math.floor(self.spec.max_ejected_ratio * total + 1e-6)
        assert out < total
        assert self.upstream.available(self.now) == total - out

    @invariant()
    def times_are_within_their_bounds(self) -> None:
        if not hasattr(self, "upstream"):
            return
        lasted = [seconds for _, seconds in self.told.events if seconds]
        assert all(self.spec.base <= seconds <= self.spec.max for seconds in lasted)


TestEjectionHistory = EjectionHistory.TestCase


@given(SPECS, st.lists(st.tuples(OUTCOMES, st.floats(0.0, 100.0)), max_size=60))
def test_equal_histories_give_equal_states(spec: EjectionSpec, history: list[tuple[Outcome, float]]) -> None:
    def lived() -> list[tuple[float, int, int]]:
        ejection, health, now = Ejection(spec, Told()), EndpointHealth("app/1"), 1.0
        states = []
        for outcome, passed in history:
            if ejection.settle(now, now, health, outcome):
                ejection.eject(now, health, 10, 0, 9)
            states.append((health.ejected_until, health.ejections, health.consecutive_failures))
            now += passed
        return states

    assert lived() == lived()


@given(SPECS, st.lists(st.floats(0.0, 1000.0), min_size=1, max_size=30))
def test_an_ejection_is_a_whole_multiple_of_the_base_or_the_longest_there_is(
    spec: EjectionSpec, waits: list[float]
) -> None:
    ejection, health, now = Ejection(spec, Told()), EndpointHealth("app/1"), 0.0
    for wait in waits:
        now += wait
        seconds = 0.0
        while seconds == 0.0 and ejection.available(now, health):
            now += 0.001
            if ejection.settle(now, now, health, Outcome.FAILURE):
                seconds = ejection.eject(now, health, 1000, 0, 999)
        if seconds:
            assert seconds == min(spec.base * health.ejections, spec.max)
            assert 1 <= health.ejections <= math.ceil(spec.max / spec.base)
