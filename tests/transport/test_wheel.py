"""Deadlines are met within a tick, never early, and cost nothing when nobody waits."""

from __future__ import annotations

import logging
from math import inf

import pytest

from sidecar.transport.wheel import DeadlineWheel, Timer
from tests.transport.doubles import VirtualLoop

TICK = 0.02


class Bell:
    """A timer that writes down when it rang."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.rang: list[float] = []
        self.timer = Timer(lambda: self.rang.append(loop.time()))


@pytest.fixture
def wheel(virtual: VirtualLoop) -> DeadlineWheel:
    return DeadlineWheel(virtual, virtual.time, TICK)


@pytest.mark.parametrize("deadline", [0.0, 0.001, 0.02, 0.0201, 0.3, 1.0, 7.77, 100.0])
def test_fires_at_its_deadline_or_up_to_a_tick_later(
    virtual: VirtualLoop, wheel: DeadlineWheel, deadline: float
) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, deadline)
    virtual.advance(deadline + 1)
    assert len(bell.rang) == 1
    assert deadline <= bell.rang[0] <= deadline + TICK + 0.002


def test_moved_later_fires_only_then(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 1.0)
    slot = bell.timer.slot
    wheel.set(bell.timer, 5.0)
    assert bell.timer.slot == slot, "moving later must not touch the slots"
    virtual.advance(4.99)
    assert bell.rang == []
    virtual.advance(0.1)
    assert len(bell.rang) == 1


def test_moved_earlier_fires_earlier_and_once(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 5.0)
    wheel.set(bell.timer, 1.0)
    virtual.advance(10)
    assert len(bell.rang) == 1
    assert 1.0 <= bell.rang[0] <= 1.0 + TICK + 0.002


def test_cleared_does_not_fire_and_can_be_set_again(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 1.0)
    wheel.clear(bell.timer)
    virtual.advance(3)
    assert bell.rang == []
    wheel.set(bell.timer, 4.0)
    virtual.advance(2)
    assert len(bell.rang) == 1


def test_a_deadline_of_infinity_is_none(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, inf)
    assert virtual._scheduled == []  # type: ignore[attr-defined]


def test_dropped_is_let_go_of_at_once(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 1.0)
    wheel.drop(bell.timer)
    assert all(not timers for timers in wheel._slots.values())
    virtual.advance(2)
    assert bell.rang == []


def test_a_dropped_timer_no_longer_refers_to_its_owner(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.drop(bell.timer)
    wheel.set(bell.timer, 1.0)
    virtual.advance(2)
    assert bell.rang == []


def test_a_slot_emptied_and_filled_again_still_comes(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    first, second = Bell(virtual), Bell(virtual)
    wheel.set(first.timer, 1.0)
    wheel.drop(first.timer)
    wheel.set(second.timer, 1.0)
    virtual.advance(2)
    assert first.rang == []
    assert len(second.rang) == 1


def test_sleeps_without_a_timer_when_nobody_waits(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 1.0)
    virtual.advance(2)
    assert [handle for handle in virtual._scheduled if not handle.cancelled()] == []  # type: ignore[attr-defined]


def test_wakes_for_the_earliest_slot_only(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bells = [Bell(virtual) for _ in range(50)]
    for number, bell in enumerate(bells):
        wheel.set(bell.timer, 50.0 - number)
    armed = [handle for handle in virtual._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    assert len(armed) == 1
    assert armed[0].when() == pytest.approx(1.0, abs=TICK)


def test_the_exception_of_one_hurts_no_other(
    virtual: VirtualLoop, wheel: DeadlineWheel, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    before, after = Bell(virtual), Bell(virtual)
    wheel.set(before.timer, 1.0)
    wheel.set(Timer(fail), 1.0)
    wheel.set(after.timer, 1.0)
    with caplog.at_level(logging.ERROR):
        virtual.advance(2)
    assert len(before.rang) == len(after.rang) == 1
    assert "a deadline's callback failed" in caplog.text


def test_a_callback_may_set_clear_and_drop_its_neighbours(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    cleared, dropped, moved = Bell(virtual), Bell(virtual), Bell(virtual)

    def meddle() -> None:
        wheel.clear(cleared.timer)
        wheel.drop(dropped.timer)
        wheel.set(moved.timer, 3.0)

    wheel.set(Timer(meddle), 1.0)
    for bell in (cleared, dropped, moved):
        wheel.set(bell.timer, 1.0)
    virtual.advance(2)
    assert cleared.rang == dropped.rang == moved.rang == []
    virtual.advance(2)
    assert len(moved.rang) == 1
    assert cleared.rang == dropped.rang == []


def test_a_callback_may_set_its_own_timer_again(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    rang: list[float] = []

    def again() -> None:
        rang.append(virtual.time())
        if len(rang) < 3:
            wheel.set(timer, virtual.time() + 1.0)

    timer = Timer(again)
    wheel.set(timer, 1.0)
    virtual.advance(10)
    assert len(rang) == 3


def test_a_clock_of_its_own_is_obeyed(virtual: VirtualLoop) -> None:
    wheel = DeadlineWheel(virtual, lambda: virtual.time() + 1000.0, TICK)
    bell = Bell(virtual)
    wheel.set(bell.timer, 1002.0)
    virtual.advance(1.9)
    assert bell.rang == []
    virtual.advance(0.2)
    assert len(bell.rang) == 1


def test_after_a_long_turn_what_came_meanwhile_is_heard_first(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    answered, silent = Bell(virtual), Bell(virtual)
    wheel.set(answered.timer, 1.0)
    wheel.set(silent.timer, 1.1)

    def hear() -> None:
        """In the third turn after it, as a connection that has been made."""
        virtual.call_soon(virtual.call_soon, virtual.call_soon, wheel.clear, answered.timer)

    def hold_up() -> None:
        virtual.virtual.now += 2.0
        virtual.call_soon(hear)

    virtual.call_later(0.5, hold_up)
    virtual.advance(0.6)
    assert silent.rang == []
    virtual.advance(1.0)
    assert answered.rang == []
    assert silent.rang == [pytest.approx(2.5 + TICK, abs=0.001)], "once, and no later than a tick"


def test_a_loop_that_is_always_late_keeps_its_deadlines_too(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bells = [Bell(virtual) for _ in range(5)]
    for number, bell in enumerate(bells):
        wheel.set(bell.timer, 1.0 + number)

    def hold_up() -> None:
        virtual.virtual.now += 2.0
        virtual.call_later(0.01, hold_up)

    virtual.call_later(0.5, hold_up)
    virtual.advance(20)
    assert [len(bell.rang) for bell in bells] == [1] * 5


def test_closed_fires_no_more(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bell = Bell(virtual)
    wheel.set(bell.timer, 1.0)
    wheel.close()
    virtual.advance(2)
    assert bell.rang == []


def test_it_tells_how_many_timers_have_a_slot(virtual: VirtualLoop, wheel: DeadlineWheel) -> None:
    bells = [Bell(virtual) for _ in range(3)]
    assert wheel.timers() == 0
    for bell in bells:
        wheel.set(bell.timer, 1.0)
    wheel.set(Timer(lambda: None), 7.0)
    assert wheel.timers() == 4
    wheel.drop(bells[0].timer)
    assert wheel.timers() == 3
    virtual.advance(3)
    assert wheel.timers() == 1
