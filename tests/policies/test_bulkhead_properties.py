"""A concurrency limit under any order of events: never over its limit, first in first out, nothing lost."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.model.outcome import Outcome
from sidecar.policies.bulkhead import Bulkhead, BulkheadSpec
from sidecar.policies.contract import REFUSED, WAIT, Applicant, Key

LIMITS = st.tuples(st.integers(1, 4), st.integers(0, 4), st.sampled_from([0.25, 1.0, None]))


class Request(Applicant):
    """An applicant with its place in the order of arrival."""

    def __init__(self, number: int, deadline: float, grants: list[int]) -> None:
        self.number = number
        self.deadline = deadline
        self.until = deadline
        self.machine: Bulkhead | None = None  # the one that it asked
        self._grants = grants

    def key(self, key: Key) -> str:
        raise AssertionError("a concurrency limit asks for no key")

    def granted(self, now: float) -> None:
        self._grants.append(self.number)


def make(limits: tuple[int, int, float | None]) -> Bulkhead:
    return Bulkhead("login/concurrency", BulkheadSpec(max=limits[0], max_queue=limits[1], max_wait=limits[2]))


class BulkheadInAnyOrder(RuleBasedStateMachine):
    """Requests come, wait, are granted, leave and finish, at instants that often coincide; the rules change."""

    @initialize(limits=LIMITS)
    def begin(self, limits: tuple[int, int, float | None]) -> None:
        self.now = 0.0
        self.limits = limits
        self.bound = limits[0]  # in flight at most: the limit, or what a greater one before let in
        self.machine = self.made(limits)
        self.grants: list[int] = []  # numbers, in the order they were told
        self.holders: list[tuple[Bulkhead, int]] = []  # permits, each with the machine that gave it
        self.queue: list[Request] = []
        self.granted: list[Request] = []  # told, and neither resumed nor gone
        self.arrived = 0

    def made(self, limits: tuple[int, int, float | None]) -> Bulkhead:
        """The kind of machine that is tried."""
        return make(limits)

    def learn(self) -> None:
        """Move those that were told; in what order is checked here."""
        told, self.grants[:] = list(self.grants), []
        assert told == [request.number for request in self.queue[: len(told)]], "first in, first out"
        self.granted += self.queue[: len(told)]
        del self.queue[: len(told)]
        self.bound = max(self.limits[0], min(self.bound, len(self.holders) + len(self.granted)))

    @rule(step=st.sampled_from([0.0, 0.25, 0.5]))
    def time_passes(self, step: float) -> None:
        self.now += step

    @rule(patience=st.sampled_from([0.0, 0.25, 0.5, 8.0]))
    def one_comes(self, patience: float) -> None:
        self.arrived += 1
        request = Request(self.arrived, self.now + patience, self.grants)
        free = len(self.holders) + len(self.granted) < self.limits[0]
        room = len(self.queue) < self.limits[1]
        verdict = self.machine.try_acquire(self.now, request)
        if free:
            assert verdict > 0
            self.holders.append((self.machine, verdict))
        elif room and patience > 0:
            assert verdict == WAIT
            wait = self.limits[2]
            request.until = min(request.deadline, request.deadline if wait is None else self.now + wait)
            assert self.machine.wait_until == request.until > self.now
            request.machine = self.machine
            self.queue.append(request)
        else:
            assert verdict == REFUSED

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), outcome=st.sampled_from(list(Outcome)))
    def one_finishes(self, data: st.DataObject, outcome: Outcome) -> None:
        machine, permit = self.holders.pop(data.draw(st.integers(0, len(self.holders) - 1)))
        machine.settle(self.now, permit, outcome, 0.1)
        self.learn()

    @precondition(lambda self: self.granted)
    @rule(data=st.data())
    def a_granted_one_resumes(self, data: st.DataObject) -> None:
        request = self.granted.pop(data.draw(st.integers(0, len(self.granted) - 1)))
        assert request.machine is not None
        permit = request.machine.resume(self.now, request)
        assert permit > 0
        self.holders.append((request.machine, permit))

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def a_waiting_ones_timer_fires(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.queue) - 1))
        request = self.queue[at]
        assert request.machine is not None
        verdict = request.machine.resume(self.now, request)
        if self.now < request.until:
            assert verdict == WAIT
            assert request.machine.wait_until == request.until
        else:
            assert verdict == REFUSED
            del self.queue[at]

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def a_waiting_one_leaves(self, data: st.DataObject) -> None:
        request = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        assert request.machine is not None
        request.machine.withdraw(self.now, request)
        self.learn()

    @precondition(lambda self: self.granted)
    @rule(data=st.data())
    def a_granted_one_leaves(self, data: st.DataObject) -> None:
        request = self.granted.pop(data.draw(st.integers(0, len(self.granted) - 1)))
        assert request.machine is not None
        request.machine.withdraw(self.now, request)
        self.learn()

    @rule(limits=LIMITS)
    def the_rules_change(self, limits: tuple[int, int, float | None]) -> None:
        before, self.machine = self.machine, self.made(limits)
        self.machine.inherit(before, self.now)
        self.limits = limits
        self.bound = max(self.bound, limits[0])
        self.learn()

    @invariant()
    def places_and_queue_are_counted_right(self) -> None:
        seen = self.machine.snapshot(self.now)
        assert seen["in_flight"] == len(self.holders) + len(self.granted)
        assert seen["queued"] == len(self.queue)
        assert len(self.holders) + len(self.granted) <= self.bound, "never above the limit"
        assert not self.queue or len(self.holders) + len(self.granted) >= self.limits[0], "none waits beside a place"

    def teardown(self) -> None:
        """All go, and nothing is left."""
        while self.holders or self.granted or self.queue:
            if self.granted:
                request = self.granted.pop()
                assert request.machine is not None
                self.holders.append((request.machine, request.machine.resume(self.now, request)))
            machine, permit = self.holders.pop()
            machine.settle(self.now, permit, Outcome.IGNORED, 0.0)
            self.learn()
        if self.__dict__.get("machine") is not None:
            seen = self.machine.snapshot(self.now)
            assert (seen["in_flight"], seen["queued"]) == (0, 0)


TestBulkheadInAnyOrder = BulkheadInAnyOrder.TestCase
