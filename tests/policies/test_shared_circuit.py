"""One circuit for all workers: what takes a lock and what does not, and what a dead worker leaves behind."""

from __future__ import annotations

import math
import random
from array import array
from typing import Any

import pytest

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.circuit import CLOSED, HALF_OPEN, OPEN, Thresholds
from sidecar.policies.contract import REFUSED
from sidecar.policies.shared_circuit import SharedCircuit
from sidecar.policies.sharing import Piece
from tests.doubles.shared_memory import Instance


class Heard(BreakerObserver):
    """Asks whether anybody is inside when it is told."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.words: list[str] = []

    def transition(self, before: str, after: str, why: str) -> None:
        assert self.instance.inside is None, "told outside"
        self.words.append(after)


def thresholds(**values: Any) -> Thresholds:
    made = Thresholds()
    for name, value in {
        "failure_ratio": 0.5,
        "slow_ratio": 1.0,
        "min_requests": 4,
        "window": 10.0,
        "slices": 10,
        "open_for": 5.0,
        "max_open_for": 5.0,
        "half_open_requests": 2,
        "lease_seconds": 3.0,
        **values,
    }.items():
        setattr(made, name, value)
    return made


class Workers:
    """Some workers' sides of one circuit."""

    def __init__(self, count: int = 2, **values: Any) -> None:
        self.instance = Instance(count)
        self.heard = [Heard(self.instance) for _ in range(count)]
        self.values = values
        self.circuits = [self.made(worker) for worker in range(count)]

    def made(self, worker: int, **values: Any) -> SharedCircuit:
        memory, rng = self.instance.memories[worker], random.Random(1)
        return SharedCircuit(memory, "c", thresholds(**{**self.values, **values}), rng, self.heard[worker])

    def settle(self, worker: int, now: float, outcome: Outcome, seconds: float = 0.1) -> None:
        circuit = self.circuits[worker]
        circuit.settle(now, circuit.acquire(now), outcome, seconds)

    def opened(self, now: float = 100.0) -> None:
        """Four failures in two workers, then it is open everywhere."""
        for at in range(4):
            self.settle(at % 2, now, Outcome.FAILURE)
        for circuit in self.circuits:
            circuit.look()
            assert circuit.state == OPEN

    def half_open(self) -> float:
        """The instant at which it is half open."""
        self.opened()
        now = self.circuits[0].open_until
        self.circuits[0].wake(now)
        return now


def test_failures_of_all_workers_open_it_for_all_and_one_tells() -> None:
    workers = Workers()
    workers.opened()
    assert [circuit.acquire(100.1) for circuit in workers.circuits] == [REFUSED, REFUSED]
    assert [heard.words for heard in workers.heard] == [[], ["open"]]


def test_a_healthy_circuit_and_an_open_one_take_no_lock() -> None:
    workers = Workers(count=3)
    for worker in range(3):
        workers.settle(worker, 100.0, Outcome.SUCCESS)
    before = workers.instance.entered
    for at in range(300):
        workers.settle(at % 3, 100.5, Outcome.SUCCESS)
    assert workers.instance.entered == before
    workers.circuits[0].refresh(100.6)
    assert workers.circuits[0].window.requests == 303
    for worker in range(3):
        for _ in range(300):
            workers.settle(worker, 100.7, Outcome.FAILURE)
    before = workers.instance.entered
    assert [circuit.acquire(100.8) for circuit in workers.circuits] == [REFUSED] * 3
    assert not any(circuit.admits(100.8) for circuit in workers.circuits)
    assert workers.instance.entered == before


def test_a_success_that_makes_failures_enough_to_count_opens_it() -> None:
    workers = Workers()
    workers.settle(0, 100.0, Outcome.SUCCESS)  # no failure yet: its successes are none of anybody's concern
    workers.settle(1, 100.1, Outcome.FAILURE)
    workers.settle(1, 100.1, Outcome.FAILURE)
    workers.settle(0, 100.2, Outcome.SUCCESS)
    assert workers.heard[0].words == ["open"]


def test_a_success_anywhere_ends_the_row_of_failures() -> None:
    workers = Workers(consecutive_failures=3, min_requests=100)
    workers.settle(1, 100.0, Outcome.SUCCESS)
    for _ in range(2):
        workers.settle(0, 100.0, Outcome.FAILURE)
    workers.settle(1, 100.0, Outcome.SUCCESS)
    workers.settle(0, 100.0, Outcome.FAILURE)
    assert workers.circuits[0].state == CLOSED
    for _ in range(2):
        workers.settle(1, 100.0, Outcome.FAILURE)
    assert workers.heard[1].words == ["open"]


def test_half_open_it_admits_as_many_as_one_would() -> None:
    workers = Workers(count=3)
    now = workers.half_open()
    permits = [circuit.acquire(now) for circuit in workers.circuits]
    assert [permit > 0 for permit in permits] == [True, True, False]
    for circuit, permit in zip(workers.circuits[:2], permits[:2], strict=True):
        circuit.settle(now, permit, Outcome.SUCCESS, 0.1)
    workers.circuits[2].look()
    assert workers.circuits[2].state == CLOSED
    assert workers.heard[1].words == ["open", "closed"]


def test_the_lease_of_a_dead_worker_ends_by_itself() -> None:
    workers = Workers()
    now = workers.half_open()
    assert workers.circuits[1].acquire(now) > 0
    assert workers.circuits[1].acquire(now) > 0
    workers.instance.kill(1)
    workers.circuits[1] = workers.made(1)
    assert workers.circuits[0].acquire(now + 2.9) == REFUSED
    assert workers.circuits[1].acquire(now + 3.0) > 0


def test_an_answer_that_began_well_in_another_worker_counts_when_its_lease_ends() -> None:
    workers = Workers(half_open_requests=1)
    now = workers.half_open()
    permit = workers.circuits[1].acquire(now)
    workers.circuits[1].answering(now, permit)
    workers.circuits[0].wake(now + 3.0)
    assert workers.circuits[0].state == CLOSED
    workers.circuits[1].settle(now + 9.0, permit, Outcome.FAILURE, 0.1)  # of an earlier state
    assert workers.circuits[1].state == CLOSED


def test_one_that_comes_later_finds_it_as_it_is() -> None:
    workers = Workers()
    workers.opened()
    workers.instance.kill(0)
    fresh = workers.made(0)
    assert fresh.acquire(101.0) == REFUSED
    assert fresh.retry_after(101.0) > 0


def test_a_word_by_hand_holds_for_all_and_told_again_changes_nothing() -> None:
    workers = Workers()
    for circuit in workers.circuits:
        circuit.force("open")
    assert [heard.words for heard in workers.heard] == [["open"], []]
    assert [circuit.acquire(1e9) for circuit in workers.circuits] == [REFUSED, REFUSED]
    for circuit in workers.circuits:
        circuit.force("auto")
    assert [heard.words for heard in workers.heard] == [["open", "closed"], []]
    with pytest.raises(ValueError, match="none of"):
        workers.circuits[0].force("shut")
    assert workers.instance.inside is None


@pytest.mark.parametrize("slices", [5, 20])
def test_a_window_of_another_length_is_taken_over_once(slices: int) -> None:
    workers = Workers(min_requests=100)
    for worker in range(2):
        for _ in range(3):
            workers.settle(worker, 100.0, Outcome.SUCCESS)
    for worker in range(2):
        workers.circuits[worker].adopt(workers.made(worker, slices=slices, window=slices), 100.5)
        workers.settle(worker, 100.6, Outcome.FAILURE)
    for circuit in workers.circuits:
        circuit.refresh(100.7)
        assert (circuit.window.slices, circuit.window.requests, circuit.window.failures) == (slices, 8, 2)


def test_more_probes_after_a_reload_leave_those_that_are_out() -> None:
    workers = Workers()
    now = workers.half_open()
    permit = workers.circuits[1].acquire(now)
    for worker in range(2):
        workers.circuits[worker].adopt(workers.made(worker, half_open_requests=40), now)
    assert sum(workers.circuits[0].acquire(now) > 0 for _ in range(50)) == 39
    workers.circuits[1].settle(now, permit, Outcome.FAILURE, 0.1)
    assert workers.heard[1].words[-1] == "open"


class KilledError(Exception):
    """The worker is gone, between two stores."""


class Dying:
    """Cells that take so many stores."""

    def __init__(self, cells: memoryview[float], left: list[int]) -> None:
        self.cells = cells
        self.left = left

    def __getitem__(self, at: Any) -> Any:
        return self.cells[at]

    def __setitem__(self, at: Any, value: Any) -> None:
        if self.left[0] == 0:
            raise KilledError
        self.left[0] -= 1
        self.cells[at] = value


@pytest.mark.parametrize("killed_at", range(30))
def test_a_worker_killed_at_any_store_leaves_a_circuit_that_works(
    killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    workers = Workers()
    dying, alive, left = workers.circuits[0], workers.circuits[1], [killed_at]
    for at in range(3):
        workers.settle(1, 100.0 + at / 10, Outcome.FAILURE)
    for piece in (dying._piece, dying._leases):
        assert isinstance(piece, Piece)
        monkeypatch.setattr(piece, "cells", Dying(piece.cells, left))
    monkeypatch.setattr(dying, "_cells", dying._piece.cells)
    try:
        dying.settle(100.5, dying.acquire(100.5), Outcome.FAILURE, 0.1)
        now = dying.open_until
        dying.acquire(now)
        dying.acquire(now)
    except KilledError:
        workers.instance.inside = None
    # Whatever was stored, the other worker brings it round: open, half open, closed again.
    alive.look()
    assert alive.state in (CLOSED, OPEN, HALF_OPEN)
    assert math.isfinite(alive.open_until)
    now = 120.0
    if alive.state == CLOSED:
        for _ in range(4):
            alive.settle(101.0, alive.acquire(101.0), Outcome.FAILURE, 0.1)
        assert alive.state == OPEN
    for _ in range(2):
        permit = alive.acquire(now)
        assert permit > 0
        alive.settle(now, permit, Outcome.SUCCESS, 0.1)
    assert alive.state == CLOSED


def test_more_leases_than_a_smaller_rule_has_room_for_keep_nobody_out() -> None:
    workers = Workers(half_open_requests=60, lease_seconds=3.0)
    now = workers.half_open()
    permits = [workers.circuits[0].acquire(now) for _ in range(50)]
    for worker in range(2):
        workers.circuits[worker].adopt(workers.made(worker, half_open_requests=2), now)
    assert workers.instance.inside is None
    assert workers.circuits[1].acquire(now) == REFUSED
    for permit in (permits[0], permits[49]):  # one that the others know of, and one that they do not
        workers.circuits[0].settle(now, permit, Outcome.SUCCESS, 0.1)
    workers.circuits[1].look()
    assert workers.circuits[1].state == CLOSED


def test_a_version_that_was_seen_before_what_it_stands_for_is_no_truth_inside() -> None:
    workers = Workers(min_requests=100)
    for worker in range(2):
        workers.settle(worker, 100.0, Outcome.SUCCESS)
    cells = workers.circuits[1]._piece.cells
    before = cells.tolist()
    workers.circuits[0].force("open")
    after = cells.tolist()
    cells[1:] = memoryview(array("d", before[1:]))  # only the version has come
    workers.circuits[1].look()
    cells[1:] = memoryview(array("d", after[1:]))
    workers.circuits[1].refresh(100.1)
    assert workers.circuits[1].state == OPEN
