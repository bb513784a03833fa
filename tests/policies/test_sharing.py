"""How a piece of shared memory is laid out, and what becomes of a worker's part of it."""

from __future__ import annotations

import pytest

from sidecar.policies.sharing import Shape
from tests.doubles.shared_memory import Instance


def test_a_piece_has_room_for_all_that_its_shape_says_and_for_who_is_called() -> None:
    assert Shape(header=2, held=3, kept=1, table=10).cells(workers=4) == 2 + 4 * (1 + 3 + 1) + 10


def test_every_worker_has_a_cell_of_its_own_in_each_row() -> None:
    instance = Instance(2)
    pieces = [memory.piece("a", header=1, held=2, kept=2, table=3) for memory in instance.memories]
    own = [[piece.held_of(0), piece.held_of(1), piece.kept_of(0), piece.kept_of(1)] for piece in pieces]
    assert len({*own[0], *own[1]}) == 8
    assert min(*own[0], *own[1]) == 1 + 2
    assert max(*own[0], *own[1]) + 1 == pieces[0].table == len(pieces[0].cells) - 3


def test_what_one_worker_writes_another_reads_and_the_totals_are_of_all() -> None:
    instance = Instance(3)
    pieces = [memory.piece("a", held=2, kept=1) for memory in instance.memories]
    for piece, count in zip(pieces, (1.0, 2.0, 4.0), strict=True):
        piece.cells[piece.held_of(1)] = count
        piece.cells[piece.kept_of(0)] = 10 * count
    assert [piece.held_by_all(1) for piece in pieces] == [7.0] * 3
    assert [piece.kept_by_all(0) for piece in pieces] == [70.0] * 3
    assert pieces[0].held_by_all(0) == 0.0


def test_a_dead_workers_holdings_are_gone_and_its_history_stays() -> None:
    instance = Instance(2)
    first, second = (memory.piece("a", held=1, kept=1) for memory in instance.memories)
    for piece in (first, second):
        piece.cells[piece.held_of(0)] = piece.cells[piece.kept_of(0)] = 5.0
    instance.kill(1)
    assert (first.held_by_all(0), first.kept_by_all(0)) == (5.0, 10.0)


def test_a_call_is_told_once_to_the_machine_that_it_is_for() -> None:
    instance = Instance(2)
    told: list[tuple[str, float]] = []
    for name in ("a", "b"):
        instance.memories[1].piece(name).on_call = lambda now, name=name: told.append((name, now))
    instance.memories[0].piece("b").call(1)
    assert told == []
    instance.deliver(7.0)
    instance.turn(1, 8.0)
    assert told == [("b", 7.0)]


def test_everybody_looks_when_a_worker_has_died() -> None:
    instance = Instance(3)
    told: list[int] = []
    for worker, memory in enumerate(instance.memories):
        memory.piece("a", held=1).on_call = lambda now, worker=worker: told.append(worker)
    instance.kill(1)
    instance.deliver(1.0)
    assert sorted(told) == [0, 2]


def test_one_worker_has_one_object_for_a_piece_and_another_shape_is_another_piece() -> None:
    memory = Instance(1).memories[0]
    assert memory.piece("a", header=1) is memory.piece("a", header=1)
    memory.piece("a", header=1).cells[0] = 3.0
    assert memory.piece("a", header=2).cells[0] == 0.0


@pytest.mark.parametrize("worker", [0, 2])
def test_a_call_that_comes_while_one_is_answered_is_a_call_again(worker: int) -> None:
    instance = Instance(3)
    piece = instance.memories[worker].piece("a")
    told: list[float] = []

    def once_more(now: float) -> None:
        told.append(now)
        if len(told) == 1:
            piece.call(worker)

    piece.on_call = once_more
    piece.call(worker)
    instance.deliver(1.0)
    assert told == [1.0, 1.0]
