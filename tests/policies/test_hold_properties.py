"""A hold under any order of events: bounded, first in first out, nobody lost, nobody told twice."""

from __future__ import annotations

import math

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.model.observer import UpstreamObserver
from sidecar.policies.contract import ADMITTED, REFUSED, WAIT, Applicant, Key
from sidecar.policies.health_gate import HoldSpec
from sidecar.policies.hold import Hold

LIMITS = st.tuples(st.sampled_from([0.5, 2.0]), st.integers(1, 5), st.sampled_from([None, 2.0, 8.0]))


class Request(Applicant):
    """An applicant with its end, as the test works it out, and how often it was told since it last had no instant."""

    def __init__(self, hold: Hold, deadline: float, until: float) -> None:
        self.hold = hold
        self.deadline = deadline
        self.until = until
        self.told = 0
        self.instant = math.inf

    def key(self, key: Key) -> str:
        raise AssertionError("a hold asks for no key")

    def granted(self, now: float) -> None:
        self.told += 1


def made(limits: tuple[float, int, float | None]) -> Hold:
    timeout, most, release = limits
    return Hold("app/hold", HoldSpec(timeout=timeout, max_requests=most, release=release), UpstreamObserver())


class HoldInAnyOrder(RuleBasedStateMachine):
    """Requests come, leave and ask; endpoints come and go; the rules change."""

    @initialize(limits=LIMITS)
    def begin(self, limits: tuple[float, int, float | None]) -> None:
        self.now = 0.0
        self.limits = limits
        self.hold = made(limits)
        self.line: list[Request] = []
        self.open = False
        self.come = self.gone = 0

    @rule(step=st.sampled_from([0.0, 0.125, 0.5]))
    def time_passes(self, step: float) -> None:
        self.now += step

    @precondition(lambda self: not self.open)
    @rule(patience=st.sampled_from([0.0, 0.25, 1.0, math.inf]))
    def one_comes(self, patience: float) -> None:
        deadline = self.now + patience
        until = min(deadline, self.now + self.limits[0])
        request = Request(self.hold, deadline, until)
        verdict = self.hold.try_acquire(self.now, request)
        if len(self.line) < self.limits[1] and until > self.now:
            assert verdict == WAIT
            assert self.hold.wait_until == until
            self.line.append(request)
            self.come += 1
        else:
            assert verdict == REFUSED

    @precondition(lambda self: self.line)
    @rule(number=st.integers(0, 9))
    def one_leaves(self, number: int) -> None:
        request = self.line.pop(number % len(self.line))
        request.hold.withdraw(self.now, request)
        self.gone += 1

    @rule()
    def an_endpoint_is_there(self) -> None:
        self.open = True
        self.hold.release(self.now)
        assert all(request.told == 1 for request in self.line), "each is told, once"
        for request in list(self.line):
            self.asks(request)
        for place, one in enumerate(self.line):
            assert all(one.instant <= after.instant for after in self.line[place:] if one.until <= after.until)

    @rule()
    def none_is_there_any_more(self) -> None:
        self.open = False
        self.hold.suspend(self.now)
        for request in self.line:
            request.told = 0
            request.instant = math.inf

    @rule(limits=LIMITS)
    def the_rules_change(self, limits: tuple[float, int, float | None]) -> None:
        self.limits = limits
        after = made(limits)
        after.inherit(self.hold, self.now)
        self.hold = after

    @rule()
    def each_asks_that_is_due(self) -> None:
        for request in list(self.line):
            self.asks(request)

    def asks(self, request: Request) -> bool:
        """One asks; whether it stays."""
        verdict = request.hold.resume(self.now, request)
        if verdict == WAIT:
            assert self.now < request.hold.wait_until <= request.until
            if self.open:
                assert request.hold.wait_until < request.until, "let go while there still is time"
                assert request.instant in (math.inf, request.hold.wait_until), "an instant is never moved"
                request.instant = request.hold.wait_until
            else:
                assert request.hold.wait_until == request.until
            return True
        assert verdict == (ADMITTED if self.open else REFUSED)
        assert self.open or self.now >= request.until
        self.line.remove(request)
        self.gone += 1
        return False

    @invariant()
    def nobody_is_lost(self) -> None:
        told = self.hold.snapshot(self.now)
        assert told["held"] == len(self.line) == self.come - self.gone


TestHoldInAnyOrder = HoldInAnyOrder.TestCase
