"""A task's patience, in virtual time."""

from __future__ import annotations

import asyncio

from sidecar.transport.patience import Patience
from sidecar.transport.wheel import DeadlineWheel
from tests.transport.doubles import VirtualLoop


class _Waiting:
    """A task that waits for what never comes, with a patience of one second."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.wheel = DeadlineWheel(loop, loop.time)
        self.lost: list[bool] = []
        self.task = loop.create_task(self._wait())
        loop.turn()

    async def _wait(self) -> None:
        self.patience = patience = Patience()
        self.wheel.set(patience.timer, self.wheel.now() + 1.0)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.lost.append(patience.is_lost())
            if not self.lost[0]:
                raise
        finally:
            self.wheel.drop(patience.timer)


def test_it_ends_the_wait_and_the_task_goes_on(virtual: VirtualLoop) -> None:
    waiting = _Waiting(virtual)
    virtual.advance(0.9)
    assert not waiting.task.done()
    virtual.advance(0.2)
    assert waiting.lost == [True]
    assert waiting.task.done()
    assert not waiting.task.cancelled()
    assert waiting.task.cancelling() == 0


def test_a_task_that_somebody_cancels_stays_cancelled(virtual: VirtualLoop) -> None:
    waiting = _Waiting(virtual)
    waiting.task.cancel()
    virtual.turn()
    assert (waiting.lost, waiting.task.cancelled()) == ([False], True)


def test_a_task_that_somebody_cancels_at_the_same_time_stays_cancelled(virtual: VirtualLoop) -> None:
    waiting = _Waiting(virtual)
    waiting.patience.timer.callback()
    waiting.task.cancel()
    virtual.turn()
    assert waiting.task.cancelled()
    assert waiting.lost == [False]
    assert waiting.wheel.timers() == 0
