"""Whatever order asking, settling, time and hands come in, a breaker keeps to its table."""

from __future__ import annotations

import math
import random

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import NO_TIME, REFUSED, Applicant

LEASE = 4.0
OUTCOMES = st.sampled_from(Outcome)
BY_ITSELF = {("closed", "open"), ("open", "half_open"), ("half_open", "closed"), ("half_open", "open")}
BY_HAND = {("closed", "open"), ("half_open", "open"), ("open", "closed"), ("half_open", "closed")}
GAPS = st.one_of(st.floats(0, 0.5), st.floats(0, 30), st.just(LEASE))
SPECS = st.builds(
    lambda **given: CircuitBreakerSpec(slow_after=1.0, open_for=5.0, max_open_for=15.0, **given),
    failure_ratio=st.sampled_from([0.3, 0.5, 1.0]),
    slow_ratio=st.sampled_from([0.5, 1.0]),
    consecutive_failures=st.sampled_from([None, 1, 3]),
    min_requests=st.integers(1, 5),
    window=st.sampled_from([1.0, 2.5, 10.0]),
    half_open_requests=st.integers(1, 3),
)


class Anyone(Applicant):
    deadline = math.inf

    def key(self, key: object) -> str:
        return ""

    def granted(self, now: float) -> None:
        raise AssertionError("nobody waits for a breaker")


class Log(BreakerObserver):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def transition(self, before: str, after: str, why: str) -> None:
        self.told.append((before, after, why))


ANYONE = Anyone()


def _made(spec: CircuitBreakerSpec, seed: int, log: Log) -> CircuitBreaker:
    return CircuitBreaker("app/circuit_breaker", "upstream.app", spec, LEASE, random.Random(seed), log)


class BreakerLife(RuleBasedStateMachine):
    """One breaker, the permits that are out, and what the table allows."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.log = Log()
        self.spec = CircuitBreakerSpec()
        self.breaker = self.made(self.spec, 0, self.log)
        self.out: list[tuple[int, object]] = []  # permit, generation it was given in
        self.probes: dict[int, float] = {}  # permit -> instant it was given at
        self.answers: set[int] = set()  # permits whose answer has begun well
        self.won: set[tuple[int, object]] = set()  # permits that have succeeded, and those of health checks
        self.half: object = None  # the generation that was half open last
        self.unseen_log = Log()
        self.unseen = self.made(self.spec, 0, self.unseen_log)  # told the same, and looked at only by those who ask
        self.checked = 0
        self.forced = "auto"

    @initialize(spec=SPECS, seed=st.integers(0, 9))
    def _begin(self, spec: CircuitBreakerSpec, seed: int) -> None:
        self.spec = spec
        self.breaker = self.made(spec, seed, self.log)
        self.unseen = self.made(spec, seed, self.unseen_log)

    def made(self, spec: CircuitBreakerSpec, seed: int, log: Log) -> CircuitBreaker:
        """The kind of breaker that is tried."""
        return _made(spec, seed, log)

    def _seen(self) -> dict[str, object]:
        seen = dict(self.breaker.snapshot(self.now))
        if seen["state"] == "half_open":
            self.half = seen["generation"]
        return seen

    @rule(gap=GAPS)
    def pass_time(self, gap: float) -> None:
        """Time only ever wakes an open breaker."""
        self.now += gap

    @rule()
    def ask(self) -> None:
        """It gives what it said it had."""
        available = self.breaker.available(self.now)
        permit = self.breaker.try_acquire(self.now, ANYONE)
        assert permit == self.unseen.try_acquire(self.now, ANYONE)
        assert self.log.told == self.unseen_log.told
        assert (permit > 0) == available
        assert permit > 0 or permit == REFUSED
        seen = self._seen()
        if permit == REFUSED:
            assert seen["state"] != "closed"
            assert self.breaker.retry_after == NO_TIME if self.forced == "open" else self.breaker.retry_after > 0
            return
        assert seen["state"] != "open"
        if seen["state"] == "half_open":
            assert permit not in self.probes
            self.probes[permit] = self.now
        self.out.append((permit, seen["generation"]))

    @precondition(lambda self: self.forced == "auto")
    @rule(late=st.sampled_from([0.0, 1.0]))
    def an_outage(self, late: float) -> None:
        """Whatever is asked fails, and it opens unless successes of before are in the window; then its time passes."""
        for _ in range(10):
            before = len(self.out)
            self.ask()
            if len(self.out) > before:
                self._settle(-1, Outcome.FAILURE, 0.1)
        remaining = self._seen()["open_remaining"]
        assert isinstance(remaining, float)
        self.now += remaining + late

    @rule(count=st.integers(1, 3), early=st.sampled_from([True, True, False]), end=st.sampled_from([None, *Outcome]))
    def streams(self, count: int, early: bool, end: Outcome | None) -> None:
        """Some more ask, and their answers begin well, at once or when their time is over; one may end then."""
        before = len(self.out)
        for _ in range(count):
            self.ask()
        for permit, generation in self.out[before:] if early else []:
            self._answer(permit, generation)
        self.now += LEASE
        for permit, generation in self.out[before:]:
            self._answer(permit, generation)
        if end is not None and len(self.out) > before:
            self._settle(-1, end, 0.1)

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=OUTCOMES, seconds=st.floats(0, 3))
    def settle(self, data: st.DataObject, outcome: Outcome, seconds: float) -> None:
        """Permits come back in any order; one of an earlier generation changes nothing."""
        self._settle(data.draw(st.integers(0, len(self.out) - 1)), outcome, seconds)

    def _settle(self, place: int, outcome: Outcome, seconds: float) -> None:
        self._count_lasting()
        permit, generation = self.out.pop(place)
        before = self._seen()
        self.breaker.settle(self.now, permit, outcome, seconds)
        self.unseen.settle(self.now, permit, outcome, seconds)
        if permit in self.probes and generation == before["generation"]:
            if outcome is Outcome.SUCCESS:
                self.won.add((permit, generation))
            elif outcome is Outcome.FAILURE:
                assert self._seen()["state"] == "open"
        if generation != before["generation"] or self.forced == "open":
            assert self._seen() == before
        elif outcome is Outcome.IGNORED:
            assert {**self._seen(), "leases": 0} == {**before, "leases": 0}

    @precondition(lambda self: self.out)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """An answer begins well; nothing comes of it but while half open."""
        self._answer(*data.draw(st.sampled_from(self.out)))

    def _answer(self, permit: int, generation: object) -> None:
        before = self._seen()
        self.breaker.answering(self.now, permit)
        self.unseen.answering(self.now, permit)
        self.answers.add(permit)
        if permit not in self.probes or generation != before["generation"] or self.forced == "open":
            assert self._seen() == before

    @rule(ok=st.booleans())
    def probe(self, ok: bool) -> None:
        """A health check moves only a half-open breaker."""
        before = self._seen()
        self.breaker.probe(self.now, ok)
        self.unseen.probe(self.now, ok)
        if before["state"] != "half_open":
            assert self._seen() == before
        elif not ok:
            assert self._seen()["state"] == "open"
        else:
            self.won.add((-len(self.won), before["generation"]))

    @rule(word=st.sampled_from(["open", "close", "auto", "auto"]))
    def force(self, word: str) -> None:
        """What is forced holds until auto."""
        self._check_transitions()
        before = self._seen()
        self._check_transitions()
        self.breaker.force(self.now, word)
        self.unseen.force(self.now, word)
        told = self.log.told[self.checked :]
        assert {(one, other) for one, other, _ in told} <= BY_HAND
        assert {why for _, _, why in told} <= {"by hand"}
        self.checked = len(self.log.told)
        if word == "auto" and self.forced == "auto":
            assert self._seen() == before
        elif word == "auto":
            assert (self._seen()["state"], self._seen()["requests"]) == ("closed", 0)
        self.forced = word

    def _check_transitions(self) -> None:
        for before, after, why in self.log.told[self.checked :]:
            assert (before, after) in BY_ITSELF
            assert why
            if after == "closed":
                assert self._successes(self.half) >= self.spec.half_open_requests
            assert self.forced == "auto"
        self.checked = len(self.log.told)

    def _count_lasting(self) -> None:
        for permit, period in self.out:
            if permit in self.answers and self.now >= self.probes.get(permit, math.inf) + LEASE:
                self.won.add((permit, period))

    def _successes(self, generation: object) -> int:
        """Of a half-open time: answers that ended well or lasted, and health checks."""
        self._count_lasting()
        return sum(period == generation for _, period in self.won)

    @invariant()
    def it_is_half_open_until_enough_have_succeeded(self) -> None:
        """Each probe once, however its answer ends."""
        seen = self._seen()
        successes = self._successes(seen["generation"])
        assert seen["state"] != "half_open" or successes < self.spec.half_open_requests

    @invariant()
    def it_moves_only_along_the_table(self) -> None:
        """And every transition starts where the one before ended."""
        self._check_transitions()
        ends = ["closed", *(after for _, after, _ in self.log.told)]
        assert [before for before, _, _ in self.log.told] == ends[:-1]

    @invariant()
    def it_never_has_more_probes_out_than_the_rule_says(self) -> None:
        """Counted by leases that have not ended."""
        running = [permit for permit, _ in self.out if self.now < self.probes.get(permit, -math.inf) + LEASE]
        leases = self._seen()["leases"]
        assert isinstance(leases, int)
        assert leases <= self.spec.half_open_requests
        assert leases <= len(running)

    @invariant()
    def it_is_never_open_for_longer_than_the_rule_says(self) -> None:
        """Ten in a hundred more at most, or until auto."""
        seen = self._seen()
        remaining = seen["open_remaining"]
        if self.forced == "open":
            assert remaining is None
        else:
            assert isinstance(remaining, float)
            assert 0.0 <= remaining <= 1.1 * self.spec.longest
            assert (remaining > 0.0) == (seen["state"] == "open")


TestBreakerLife = BreakerLife.TestCase


STEPS = st.lists(st.tuples(GAPS, OUTCOMES, st.floats(0, 3)), max_size=40)
Steps = list[tuple[float, Outcome, float]]


def _history(spec: CircuitBreakerSpec, seed: int, steps: Steps) -> list[object]:
    log, now = Log(), 1000.0
    breaker = _made(spec, seed, log)
    history: list[object] = []
    for gap, outcome, seconds in steps:
        now += gap
        permit = breaker.try_acquire(now, ANYONE)
        if permit > 0:
            breaker.settle(now, permit, outcome, seconds)
        history.append((permit, breaker.retry_after, dict(breaker.snapshot(now))))
    return [history, log.told]


@given(SPECS, st.integers(0, 9), STEPS)
def test_equal_seeds_have_equal_histories(spec: CircuitBreakerSpec, seed: int, steps: Steps) -> None:
    assert _history(spec, seed, steps) == _history(spec, seed, steps)


@given(SPECS, st.integers(0, 99), st.integers(0, 6))
def test_the_open_time_is_that_of_the_formula(spec: CircuitBreakerSpec, seed: int, reopenings: int) -> None:
    breaker, now = _made(spec, seed, Log()), 1000.0
    while breaker.snapshot(now)["state"] == "closed":
        breaker.settle(now, breaker.try_acquire(now, ANYONE), Outcome.FAILURE, 0.1)
    for k in range(reopenings + 1):
        remaining = breaker.snapshot(now)["open_remaining"]
        assert isinstance(remaining, float)
        plain = min(spec.longest, spec.open_for * 2**k)
        assert 0.9 * plain - 1e-6 <= remaining <= 1.1 * plain + 1e-6
        now += remaining + 1e-6
        breaker.settle(now, breaker.try_acquire(now, ANYONE), Outcome.FAILURE, 0.1)


@given(SPECS, st.integers(0, 9), STEPS, st.floats(0, 3))
def test_a_breaker_trips_exactly_when_the_formula_says(
    spec: CircuitBreakerSpec, seed: int, steps: Steps, last: float
) -> None:
    breaker, now = _made(spec, seed, Log()), 1000.0
    counted: list[tuple[float, bool, bool]] = []
    row = 0
    for gap, outcome, seconds in [*steps, (0.0, Outcome.FAILURE, last)]:
        now += gap
        breaker.settle(now, breaker.try_acquire(now, ANYONE), outcome, seconds)
        if outcome is not Outcome.IGNORED:
            row = row + 1 if outcome is Outcome.FAILURE else 0
            counted.append((now, outcome is Outcome.FAILURE, seconds > 1.0))
            inside = [one for one in counted if int(one[0]) > int(now) - math.ceil(spec.window)]
            failures, slow = sum(one[1] for one in inside), sum(one[2] for one in inside)
            trips = (spec.consecutive_failures is not None and row >= spec.consecutive_failures) or (
                len(inside) >= spec.min_requests
                and (failures / len(inside) >= spec.failure_ratio or slow / len(inside) >= spec.slow_ratio)
            )
            assert (breaker.snapshot(now)["state"] == "open") == trips
            if trips:
                return
