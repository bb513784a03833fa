"""What machines share when several workers are one instance: pieces of memory that all of them see.

A machine finds its piece by name, so a worker that comes later, and the rules of after a reload, find the state where
it was left. Numbers are doubles: an aligned one is stored whole, and it holds every count up to 2**53. Whoever changes
what others change too does so between `enter` and `leave`; a worker that dies there leaves at once, and whatever it
had stored until then has to mean something.
Owns how a piece is laid out. May not know what carries the memory, the lock and the call (sidecar/workers/memory.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OnCall = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many cells a piece has: `header` and `table` once; `held` and `kept` for each worker.

    `held` is what a worker holds now (in flight, waiting), zeroed when it dies; `kept` outlives it.
    """

    header: int = 0
    held: int = 0
    kept: int = 0
    table: int = 0

    def cells(self, workers: int) -> int:
        """All cells of a piece among so many workers, with the row that says who is called."""
        return self.header + workers * (1 + self.held + self.kept) + self.table


class Piece:
    """One machine's memory, as one worker sees it: `cells`, laid out as

        header | called | held, a row for each field | kept, a row for each field | table

    where a row has one cell for each worker. `on_call` is told `now` in this worker's own loop turn after another one
    has called; `living` is what the machine keeps on this side of the piece, over all rules that have it.
    """

    __slots__ = ("called", "cells", "held", "kept", "living", "name", "on_call", "shape", "table", "worker", "workers")

    def __init__(self, name: str, shape: Shape, cells: memoryview[float], worker: int, workers: int) -> None:
        """`cells` are all of the piece's, zero when it is new. `worker` is this one's number, from 0."""
        self.name = name
        self.shape = shape
        self.cells = cells
        self.worker = worker
        self.workers = workers
        self.called = shape.header
        self.held = self.called + workers
        self.kept = self.held + workers * shape.held
        self.table = self.kept + workers * shape.kept
        self.on_call: OnCall | None = None
        self.living: Any = None

    def enter(self) -> None:
        """Keep the other workers out. Never while in another piece: two that wait for each other would do so for ever.

        Blocks while another worker is inside, which is for microseconds."""
        raise NotImplementedError

    def leave(self) -> None:
        """Let the next one in."""
        raise NotImplementedError

    def call(self, worker: int) -> None:
        """Have a worker's `on_call` told soon; also this one's own. To be called outside."""
        self.cells[self.called + worker] = 1.0
        self.wake(worker)

    def wake(self, worker: int) -> None:
        """Make a worker look at who is called."""
        raise NotImplementedError

    def answer(self, now: float) -> None:
        """Tell `on_call` if somebody has called. What comes in meanwhile is a call again."""
        if self.cells[self.called + self.worker] and self.on_call is not None:
            self.cells[self.called + self.worker] = 0.0
            self.on_call(now)

    def held_of(self, field: int) -> int:
        """Where this worker's own cell of a `held` field is."""
        return self.held + field * self.workers + self.worker

    def kept_of(self, field: int) -> int:
        """Where this worker's own cell of a `kept` field is."""
        return self.kept + field * self.workers + self.worker

    def held_by_all(self, field: int) -> float:
        """What all workers hold together."""
        at = self.held + field * self.workers
        return sum(self.cells[at : at + self.workers].tolist())

    def kept_by_all(self, field: int) -> float:
        """What all workers have counted together, those that have died among them."""
        at = self.kept + field * self.workers
        return sum(self.cells[at : at + self.workers].tolist())

    def bury(self, worker: int) -> None:
        """A worker has died: what it held is nobody's, and everybody shall look what that means. To be called inside,
        by one that wakes them."""
        for at in range(self.held, self.kept, self.workers):
            self.cells[at + worker] = 0.0
        for other in range(self.workers):
            self.cells[self.called + other] = 1.0


class Memory:
    """Where pieces come from. One for each worker, all over the same memory. `hash` gives a key the same number in all
    of them, which no client can know."""

    __slots__ = ("hash", "worker", "workers")

    def __init__(self, worker: int, workers: int) -> None:
        self.worker = worker
        self.workers = workers
        self.hash: Callable[[str], int] = hash

    def piece(self, name: str, *, header: int = 0, held: int = 0, kept: int = 0, table: int = 0) -> Piece:
        """The piece of this name and shape: the same memory for every worker and over every reload, and in one worker
        the same object. Raises MemoryError when there is no room for a new one."""
        raise NotImplementedError
