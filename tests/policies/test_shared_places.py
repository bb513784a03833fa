"""The places of all workers: who is called for one that comes free, and what a death at any step leaves behind."""

from __future__ import annotations

import math

import pytest

from sidecar.policies.contract import Applicant, Key
from sidecar.policies.shared_places import SharedPlaces, piece_of
from tests.doubles.shared_memory import Instance


class Waiting(Applicant):
    """One that waits, and hears when it need no longer."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self.told = False

    def key(self, key: Key) -> str:
        raise AssertionError("places ask for no key")

    def granted(self, now: float) -> None:
        self.told = True


class Workers:
    """Two workers' places, one place in all."""

    def __init__(self, limit: int = 1) -> None:
        self.instance = Instance(2)
        self.places = [SharedPlaces(piece_of(memory, "login"), limit, 100) for memory in self.instance.memories]

    def occupy(self, worker: int, places: int) -> None:
        self.places[worker].enter()
        self.places[worker].occupy(places)
        self.places[worker].hand_on(0.0)
        self.places[worker].leave()
        self.places[worker].report(0.0)

    def join(self, worker: int) -> Waiting:
        who = Waiting()
        self.places[worker].enter()
        self.places[worker].join(who, math.inf)
        self.places[worker].leave()
        return who

    def numbers(self) -> tuple[int, int]:
        return self.places[0].taken(), self.places[1].waiting()


def test_a_place_goes_to_the_oldest_wherever_it_waits() -> None:
    workers = Workers()
    workers.occupy(0, 1)
    older, younger = workers.join(1), workers.join(0)
    workers.occupy(0, -1)
    assert workers.numbers() == (1, 1)  # set aside is taken
    assert not older.told
    workers.instance.deliver(1.0)
    assert (older.told, younger.told) == (True, False)
    workers.occupy(1, -1)
    workers.instance.deliver(2.0)
    assert younger.told
    assert workers.numbers() == (1, 0)


def test_a_place_set_aside_for_one_that_has_left_goes_to_the_next() -> None:
    workers = Workers()
    workers.occupy(0, 1)
    gone, next_one = workers.join(1), workers.join(0)
    workers.occupy(0, -1)
    workers.places[1].enter()
    workers.places[1].leave_queue(gone)
    workers.places[1].leave()
    workers.places[1].report(0.0)
    workers.instance.deliver(1.0)
    # It was granted on the way in, so it holds the place until it says that it does not want it.
    assert gone.told
    workers.occupy(1, -1)
    workers.instance.deliver(2.0)
    assert next_one.told


def test_more_than_the_shown_tickets_are_served_in_turns() -> None:
    workers = Workers(limit=20)
    workers.occupy(0, 20)
    waiting = [workers.join(1) for _ in range(20)]
    workers.occupy(0, -20)
    workers.instance.deliver(1.0)
    assert all(who.told for who in waiting)
    assert workers.numbers() == (20, 0)


@pytest.mark.parametrize("killed_at", range(40))
def test_a_worker_killed_at_any_store_loses_no_place(killed_at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(limit=2)
    workers.occupy(0, 1)
    workers.occupy(1, 1)
    waiting = [workers.join(1) for _ in range(3)]

    class KilledError(Exception):
        pass

    class Dying:
        """Cells that take so many stores."""

        def __init__(self, cells: memoryview[float]) -> None:
            self.cells = cells
            self.left = killed_at

        def __getitem__(self, at: int | slice) -> object:
            return self.cells[at]

        def __setitem__(self, at: int, value: float) -> None:
            if self.left == 0:
                raise KilledError
            self.left -= 1
            self.cells[at] = value

    monkeypatch.setattr(workers.places[0]._piece, "cells", Dying(workers.places[0]._piece.cells))
    try:
        workers.occupy(0, -1)
        workers.join(0)
        workers.occupy(0, 1)
    except KilledError:
        workers.instance.inside = None
    workers.instance.kill(0)
    workers.instance.deliver(1.0)
    # The dead one had a place at most; the other worker's one is still its own, and those that wait have the rest.
    assert workers.places[1].taken() == 2
    assert [who.told for who in waiting] == [True, False, False]
    workers.occupy(1, -2)
    workers.instance.deliver(2.0)
    assert all(who.told for who in waiting)
    assert workers.places[1].taken() == 2
