"""When the garbage collector looks, and at what: rarely, and not at what start and reloads have made."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Iterator

import pytest

from sidecar.app import garbage
from sidecar.app.garbage import Tidying, tidy, undisturbed


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
    tidy()
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
    tidy()
    left = None
    gc.collect()
    assert (left, Left.freed) == (None, False), "what is set aside is not looked at"
    tidy()
    assert Left.freed


class Timers(asyncio.SelectorEventLoop):
    """A loop on which time does not pass by itself."""

    now = 0.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def tidied(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When the memory was tidied."""
    told: list[float] = []
    monkeypatch.setattr(garbage, "tidy", lambda: told.append(0.0))
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


def test_a_storm_of_reloads_is_tidied_once_after_the_last(loop: Timers, tidied: list[float]) -> None:
    tidying = Tidying(loop)
    for _ in range(5):
        tidying.soon()
        pass_time(loop, 0.9)
    assert tidied == []
    pass_time(loop, 0.2)
    assert len(tidied) == 1
    pass_time(loop, 10.0)
    assert len(tidied) == 1


def test_an_instance_that_closes_tidies_nothing_any_more(loop: Timers, tidied: list[float]) -> None:
    tidying = Tidying(loop)
    tidying.soon()
    tidying.cancel()
    tidying.cancel()
    pass_time(loop, 10.0)
    assert tidied == []


def test_nothing_is_collected_while_it_must_not_be_disturbed() -> None:
    assert gc.isenabled()
    with undisturbed():
        assert not gc.isenabled()
        with undisturbed():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_a_reload_made_is_set_aside_at_once(loop: Timers, tidied: list[float]) -> None:
    tidying = Tidying(loop)
    tidying.soon()
    assert gc.get_freeze_count() > 0
    assert tidied == []
    tidying.cancel()


def test_a_reload_that_left_little_behind_costs_no_look(loop: Timers, tidied: list[float]) -> None:
    tidy()
    tidying = Tidying(loop)
    tidying.soon()
    pass_time(loop, 1.1)
    assert tidied == []
    left = [[number] for number in range(gc.get_freeze_count())]
    tidying.soon()
    pass_time(loop, 1.1)
    assert len(tidied) == 1
    assert left


def test_what_was_left_behind_before_a_reload_is_not_set_aside_with_what_it_makes() -> None:
    gc.collect()
    json.dumps({"what the last reload was answered with": []}, indent=2)
    with undisturbed():
        assert not [one for one in gc.get_objects(0) if getattr(one, "__module__", "") == "json.encoder"]
