"""Memory that several workers share, in one process: their machines stand side by side on the same cells."""

from __future__ import annotations

from array import array

from sidecar.policies.sharing import Memory, Piece, Shape


class _View(Piece):
    """One worker's view of a piece."""

    def __init__(self, name: str, shape: Shape, memory: _WorkersMemory) -> None:
        self._instance = memory.instance
        cells = self._instance.cells_of(name, shape)
        super().__init__(name, shape, cells, memory.worker, memory.workers)

    def enter(self) -> None:
        """Nobody is ever inside two pieces, nor twice in one."""
        assert self._instance.inside is None, f"{self._instance.inside} and {self.name} at once"
        self._instance.inside = self.name
        self._instance.entered += 1

    def leave(self) -> None:
        assert self._instance.inside == self.name
        self._instance.inside = None

    def wake(self, worker: int) -> None:
        assert self._instance.inside is None, "nobody is called from inside"
        self._instance.woken.add(worker)


class _WorkersMemory(Memory):
    def __init__(self, instance: Instance, worker: int) -> None:
        super().__init__(worker, instance.workers)
        self.instance = instance
        self.pieces: dict[tuple[str, Shape], _View] = {}

    def piece(self, name: str, *, header: int = 0, held: int = 0, kept: int = 0, table: int = 0) -> Piece:
        """See Memory."""
        key = (name, Shape(header, held, kept, table))
        if key not in self.pieces:
            self.pieces[key] = _View(*key, self)
        return self.pieces[key]


class Instance:
    """`workers` workers. What they call each other is told at `deliver`."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.inside: str | None = None
        self.entered = 0  # times that anybody has taken a lock
        self.woken: set[int] = set()
        self.memories = [_WorkersMemory(self, worker) for worker in range(workers)]
        self._cells: dict[tuple[str, Shape], memoryview[float]] = {}

    def cells_of(self, name: str, shape: Shape) -> memoryview[float]:
        """The cells of a piece, zero when it is new."""
        key = (name, shape)
        if key not in self._cells:
            self._cells[key] = memoryview(array("d", bytes(8 * shape.cells(self.workers))))
        return self._cells[key]

    def deliver(self, now: float) -> None:
        """Let every worker that was woken have its turn, until none is."""
        while self.woken:
            self.turn(self.woken.pop(), now)

    def turn(self, worker: int, now: float) -> None:
        """One worker's machines hear who called."""
        self.woken.discard(worker)
        for piece in list(self.memories[worker].pieces.values()):
            piece.answer(now)

    def kill(self, worker: int) -> None:
        """A worker is dead and buried; one that takes its number begins with nothing of its own."""
        self.memories[worker] = _WorkersMemory(self, worker)
        views: dict[tuple[str, Shape], _View] = {}
        for memory in self.memories:
            views.update(memory.pieces)
        for view in views.values():
            view.enter()
            view.bury(worker)
            view.leave()
        self.woken.update(range(self.workers))
