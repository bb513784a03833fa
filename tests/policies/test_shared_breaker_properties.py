"""Several workers have one breaker: it does what a single one would, whoever asks and whoever tells."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from sidecar.model.outcome import Outcome
from sidecar.policies.circuit_breaker import CircuitBreaker, CircuitBreakerSpec
from sidecar.policies.contract import REFUSED
from sidecar.policies.shared_breaker import SharedCircuitBreaker
from tests.doubles.shared_memory import Instance
from tests.policies.test_circuit_breaker_properties import ANYONE, LEASE, SPECS, BreakerLife, Log

GAPS = st.sampled_from([0.0, 0.0, 0.1, 0.4, 1.0, 3.0, LEASE, 7.0])
ACTS = st.sampled_from(["ask", "ask", "ask", "settle", "settle", "settle", "answer", "probe", "force", "burst"])
STEPS = st.lists(
    st.tuples(GAPS, ACTS, st.integers(0, 2), st.integers(0, 9), st.sampled_from(Outcome), st.sampled_from([0.1, 2.0])),
    max_size=60,
)
Steps = list[tuple[float, str, int, int, Outcome, float]]


def shared(instance: Instance, worker: int, spec: CircuitBreakerSpec, rng: random.Random, log: Log) -> CircuitBreaker:
    memory = instance.memories[worker]
    return SharedCircuitBreaker("app/circuit_breaker", "upstream.app", spec, LEASE, rng, log, memory)


class OneWorkersBreaker(BreakerLife):
    """The table of a breaker holds in shared memory too."""

    def made(self, spec: CircuitBreakerSpec, seed: int, log: Log) -> CircuitBreaker:
        return shared(Instance(1), 0, spec, random.Random(seed), log)


TestOneWorkersBreaker = OneWorkersBreaker.TestCase


class Held:
    """A breaker of one worker, beside the single one, with the permits that both have out."""

    def __init__(self, workers: list[CircuitBreaker], single: CircuitBreaker) -> None:
        self.workers = workers
        self.single = single
        self.out: list[tuple[int, int]] = []  # permit, worker
        self.now = 1000.0

    def ask(self, worker: int) -> None:
        assert self.workers[worker].available(self.now) == self.single.available(self.now)
        permit = self.workers[worker].try_acquire(self.now, ANYONE)
        assert permit == self.single.try_acquire(self.now, ANYONE)
        if permit == REFUSED:
            assert self.workers[worker].retry_after == self.single.retry_after
        else:
            self.out.append((permit, worker))

    def settle(self, place: int, outcome: Outcome, seconds: float) -> None:
        if self.out:
            permit, worker = self.out.pop(place % len(self.out))
            self.workers[worker].settle(self.now, permit, outcome, seconds)
            self.single.settle(self.now, permit, outcome, seconds)

    def answer(self, place: int) -> None:
        if self.out:
            permit, worker = self.out[place % len(self.out)]
            self.workers[worker].answering(self.now, permit)
            self.single.answering(self.now, permit)

    def act(self, act: str, worker: int, place: int, outcome: Outcome, seconds: float) -> None:
        if act == "ask":
            self.ask(worker)
        elif act == "burst":
            for _ in range(place):
                self.ask(worker)
                self.settle(-1, outcome, seconds)
        elif act == "settle":
            self.settle(place, outcome, seconds)
        elif act == "answer":
            self.answer(place)
        elif act == "probe":
            self.workers[worker].probe(self.now, outcome is Outcome.SUCCESS)
            self.single.probe(self.now, outcome is Outcome.SUCCESS)
        elif place > 6:
            self.force(("open", "close", "auto")[place - 7])

    def force(self, word: str) -> None:
        """Every worker is told, as a person's word goes to all."""
        for breaker in self.workers:
            breaker.force(self.now, word)
        self.single.force(self.now, word)


@given(SPECS, STEPS, st.booleans())
def test_many_workers_breakers_are_one(spec: CircuitBreakerSpec, steps: Steps, looked_at: bool) -> None:
    instance, rng, told, single_told = Instance(3), random.Random(1), Log(), Log()
    workers = [shared(instance, worker, spec, rng, told) for worker in range(3)]
    single = CircuitBreaker("app/circuit_breaker", "upstream.app", spec, LEASE, random.Random(1), single_told)
    held = Held(workers, single)
    for gap, act, worker, place, outcome, seconds in steps:
        held.now += gap
        held.act(act, worker, place, outcome, seconds)
        assert told.told == single_told.told
        if looked_at:
            assert workers[place % 3].snapshot(held.now) == single.snapshot(held.now)
    for breaker in workers:
        assert breaker.snapshot(held.now) == single.snapshot(held.now)


@given(SPECS, SPECS, STEPS, STEPS)
def test_new_rules_taken_over_one_after_the_other_lead_where_they_lead_at_once(
    spec: CircuitBreakerSpec, other: CircuitBreakerSpec, steps: Steps, later: Steps
) -> None:
    instance, rng = Instance(3), random.Random(1)
    workers = [shared(instance, worker, spec, rng, Log()) for worker in range(3)]
    single = CircuitBreaker("app/circuit_breaker", "upstream.app", spec, LEASE, random.Random(1), Log())
    held = Held(workers, single)
    for gap, act, worker, place, outcome, seconds in steps:
        held.now += gap
        held.act(act, worker, place, outcome, seconds)
    for worker in range(3):
        newer = shared(instance, worker, other, rng, Log())
        newer.inherit(held.workers[worker], held.now)
        held.workers[worker] = newer
    held.single = CircuitBreaker("app/circuit_breaker", "upstream.app", other, LEASE, random.Random(1), Log())
    held.single.inherit(single, held.now)
    for gap, act, worker, place, outcome, seconds in later:
        held.now += gap
        held.act(act, worker, place, outcome, seconds)
        assert held.workers[place % 3].snapshot(held.now) == held.single.snapshot(held.now)
