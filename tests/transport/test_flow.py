"""Pausing is idempotent, shared, and told only when it lasts; who takes nothing is noticed."""

from __future__ import annotations

import pytest

from sidecar.transport.flow import BY_ANY, BY_BACKLOG, BY_RECEIVER, FLOWING, FULL, TOLD, ReadGate, WriteWatch
from sidecar.transport.wheel import DeadlineWheel
from tests.transport.doubles import FakeTransport, VirtualLoop


@pytest.fixture
def gate() -> ReadGate:
    gate = ReadGate()
    gate.transport = FakeTransport()  # type: ignore[assignment]
    return gate


def reading(gate: ReadGate) -> bool:
    transport = gate.transport
    assert isinstance(transport, FakeTransport)
    return transport.reading


def test_reading_goes_on_only_when_nobody_stops_it(gate: ReadGate) -> None:
    gate.stop(BY_RECEIVER)
    gate.stop(BY_RECEIVER)
    gate.stop(BY_BACKLOG)
    gate.start(BY_RECEIVER)
    assert not reading(gate)
    gate.start(BY_BACKLOG)
    assert reading(gate)
    gate.start(BY_BACKLOG)
    gate.stop(BY_BACKLOG)
    gate.start(BY_ANY)
    assert reading(gate)


def test_a_rest_lasts_until_the_next_turn(gate: ReadGate, virtual: VirtualLoop) -> None:
    gate.rest(virtual)
    assert not reading(gate)
    virtual.turn(1)
    assert reading(gate)
    gate.rest(virtual)
    gate.stop(BY_RECEIVER)
    virtual.turn(1)
    assert not reading(gate)


def test_a_connection_that_closes_rests_no_more(gate: ReadGate, virtual: VirtualLoop) -> None:
    gate.rest(virtual)
    gate.transport.close()
    virtual.turn(1)
    assert not reading(gate)
    gate.start(BY_ANY)
    gate.rest(virtual)
    assert reading(gate)
    assert not virtual.errors


class Watch:
    """A watch and what it called."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.stalled = 0
        self.paused = 0
        self.transport = FakeTransport()
        wheel = DeadlineWheel(loop, loop.time)
        self.watch = WriteWatch(wheel, 10.0, self._stalled, self._paused)
        self.watch.transport = self.transport  # type: ignore[assignment]

    def _stalled(self) -> None:
        self.stalled += 1

    def _paused(self) -> None:
        self.paused += 1


def test_pressure_is_announced_in_the_next_turn(virtual: VirtualLoop) -> None:
    made = Watch(virtual)
    made.watch.full()
    assert (made.watch.pressure, made.paused) == (FULL, 0)
    virtual.turn()
    assert made.paused == 1


@pytest.mark.parametrize(("pressure", "told"), [(FULL, False), (TOLD, True)])
def test_the_end_of_pressure_concerns_only_those_who_were_told(virtual: VirtualLoop, pressure: int, told: bool) -> None:
    made = Watch(virtual)
    made.watch.full()
    made.watch.pressure = pressure
    assert made.watch.flows() is told
    assert made.watch.pressure == FLOWING


def test_who_takes_nothing_is_noticed_once_the_patience_is_over(virtual: VirtualLoop) -> None:
    made = Watch(virtual)
    made.transport.unsent = 500
    made.watch.watch()
    virtual.advance(9.9)
    assert made.stalled == 0
    virtual.advance(0.2)
    assert made.stalled == 1


def test_who_takes_a_little_gets_the_patience_anew(virtual: VirtualLoop) -> None:
    made = Watch(virtual)
    made.transport.unsent = 500
    made.watch.watch()
    for _ in range(4):
        virtual.advance(9)
        made.transport.unsent -= 1
    assert made.stalled == 0
    virtual.advance(21)
    assert made.stalled == 1


def test_nothing_unsent_needs_no_patience(virtual: VirtualLoop) -> None:
    made = Watch(virtual)
    made.watch.watch()
    virtual.advance(20)
    assert made.stalled == 0


def test_dropped_it_calls_nobody(virtual: VirtualLoop) -> None:
    made = Watch(virtual)
    made.transport.unsent = 500
    made.watch.watch()
    made.watch.drop()
    virtual.advance(20)
    assert made.stalled == 0
