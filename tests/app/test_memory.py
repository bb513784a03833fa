"""When the garbage collector looks, and at what: rarely, and not at what start and reloads have made."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from sidecar.app import memory
from sidecar.app.memory import Settling, settle_memory, undisturbed


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """The collector as it was, after the test."""
    thresholds = gc.get_threshold()
    gc.unfreeze()  # what earlier tests have set aside
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_start_up_made_is_not_looked_at_again_and_the_rest_rarely() -> None:
    before = gc.get_threshold()
    settle_memory()
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] > before[0]
    assert gc.isenabled()


def test_what_a_reload_left_behind_is_freed_though_it_was_set_aside_before() -> None:
    class Left:
        """A part of the rules that were."""

        freed = False

        def __init__(self) -> None:
            self.itself = self  # only the collector frees it

        def __del__(self) -> None:
            Left.freed = True

    left: Left | None = Left()
    settle_memory()
    left = None
    gc.collect()
    assert (left, Left.freed) == (None, False), "what is set aside is not looked at"
    settle_memory()
    assert Left.freed


class Timers(asyncio.SelectorEventLoop):
    """A loop on which time does not pass by itself."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the memory was settled."""
    told: list[float] = []
    monkeypatch.setattr(memory, "settle_memory", lambda: told.append(0.0))
    return told


@pytest.fixture
def loop(collector: None) -> Iterator[Timers]:
    made = Timers()
    yield made
    made.close()


def pass_time(loop: Timers, seconds: float) -> None:
    loop.now += seconds
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_a_storm_of_reloads_is_settled_once_after_the_last(loop: Timers, settled: list[float]) -> None:
    settling = Settling(loop)
    for _ in range(5):
        settling.soon()
        pass_time(loop, 0.9)
    assert settled == []
    pass_time(loop, 0.2)
    assert len(settled) == 1
    pass_time(loop, 10.0)
    assert len(settled) == 1


def test_an_instance_that_closes_settles_nothing_any_more(loop: Timers, settled: list[float]) -> None:
    settling = Settling(loop)
    settling.soon()
    settling.cancel()
    settling.cancel()
    pass_time(loop, 10.0)
    assert settled == []


def test_nothing_is_collected_while_it_must_not_be_disturbed() -> None:
    assert gc.isenabled()
    with undisturbed():
        assert not gc.isenabled()
        with undisturbed():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_a_reload_made_is_set_aside_at_once(loop: Timers, settled: list[float]) -> None:
    settling = Settling(loop)
    settling.soon()
    assert gc.get_freeze_count() > 0
    assert settled == []
    settling.cancel()


def test_a_reload_that_left_little_behind_costs_no_look(loop: Timers, settled: list[float]) -> None:
    settle_memory()
    settling = Settling(loop)
    settling.soon()
    pass_time(loop, 1.1)
    assert settled == []
    left = [[number] for number in range(gc.get_freeze_count())]
    settling.soon()
    pass_time(loop, 1.1)
    assert len(settled) == 1
    assert left
