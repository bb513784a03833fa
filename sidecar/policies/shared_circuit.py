"""One circuit for all workers of an instance: the machine of circuit.py over a state in shared memory.

Between `enter` and `leave` it is the machine it always was. The state is stored whole: into the block that is not in
force, which then is made so by storing one number, the version. Whoever finds the version it knows knows the state, so
to ask a closed circuit or an open one takes no lock. Nor does a success while nothing can come of it: it is counted in
a cell of its worker (shared_window.py). Once a second each worker looks inside whether time has opened the circuit.

Leases are shared, and that of a dead worker ends by itself. What becomes of a permit after its lease is the business of
the worker that has it. Who makes a transition tells of it, once it is outside; the others find it when they are asked.
Knows no clock, no task and no rule's name.
"""

from __future__ import annotations

import math
import random
from array import array
from itertools import islice

from sidecar.model.observer import BreakerObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.circuit import AUTO, CLOSED, HALF_OPEN, OPEN, Circuit, Thresholds
from sidecar.policies.contract import REFUSED
from sidecar.policies.shared_window import SharedWindow
from sidecar.policies.sharing import Memory

_VERSION = 0  # header; its last bit says which block is in force
_IN_A_ROW = 1  # failures
_SLICES = 2  # of the window in use
_TROUBLE = 3  # attempts that failed or were slow while it was closed
_BLOCKS = 4  # two of `_BLOCK` cells each
_BLOCK = 9
_SUCCESSES = 0  # kept by each worker: those it has counted by itself, ever
_BOOKED = 1  # how many of them the window has
_SECOND = 2  # the second that the rest of them belongs to
_LEAST_LEASES = 16  # a power of two, so that a rule with a few more keeps the memory
_LEASE = 3  # cells: the permit, its end, whether its answer has begun well

_SUCCESS = Outcome.SUCCESS
_IGNORED = Outcome.IGNORED
_NEVER = -1.0


class _Told(BreakerObserver):
    """Keeps transitions until the lock is free."""

    __slots__ = ("transitions",)

    def __init__(self) -> None:
        self.transitions: list[tuple[str, str, str]] = []

    def transition(self, before: str, after: str, why: str) -> None:
        self.transitions.append((before, after, why))


class SharedCircuit(Circuit):
    """See Circuit. `state`, `forced`, `generation` and `open_until` hold as of the last `look`."""

    __slots__ = (
        "_block", "_calm_until", "_cells", "_given", "_heard_by", "_inside", "_known", "_leases", "_piece",
        "_ring", "_told", "_trouble", "_version",
    )  # fmt: skip

    def __init__(
        self, memory: Memory, name: str, thresholds: Thresholds, rng: random.Random, observer: BreakerObserver
    ) -> None:
        """`name` tells this circuit from all others of the instance."""
        told = _Told()
        Circuit.__init__(self, thresholds, rng, told)
        self._told = told
        self._heard_by = observer
        self._piece = memory.piece(name, header=_BLOCKS + 2 * _BLOCK, kept=3)
        self._cells = self._piece.cells
        self._ring = SharedWindow(memory, f"{name}/window", thresholds.slices)
        self.window = self._ring
        rows = _LEAST_LEASES
        while rows < thresholds.half_open_requests:
            rows *= 2
        self._leases = memory.piece(f"{name}/leases", table=_LEASE * rows)
        self._version = 0.0
        self._block: list[float] = []  # as it was read
        self._known = self.generation  # what the permits below belong to
        self._given: set[int] = set()  # this worker's, half open and not settled
        self._calm_until = _NEVER  # until then no success of this worker's can open it
        self._trouble = 0.0  # as it was then
        self._inside = False

    def look(self) -> None:
        """See where it stands by now. Takes no lock."""
        if self._cells[_VERSION] != self._version:
            self._read()

    def acquire(self, now: float) -> int:
        """See Circuit."""
        self.look()
        if self.state == CLOSED:
            return self.generation
        if self.state == OPEN and now < self.open_until:
            return REFUSED
        self._enter()
        try:
            permit = Circuit.acquire(self, now)
        finally:
            self._leave()
        if permit != REFUSED and self.state == HALF_OPEN:
            self._given.add(permit)
        return permit

    def admits(self, now: float) -> bool:
        """See Circuit."""
        self.look()
        if self.state == CLOSED or (self.state == OPEN and now < self.open_until):
            return self.state == CLOSED
        self._enter()
        try:
            return Circuit.admits(self, now)
        finally:
            self._leave()

    def answering(self, now: float, permit: int) -> None:
        """See Circuit."""
        self._enter()
        try:
            Circuit.answering(self, now, permit)
        finally:
            self._leave()

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        """See Circuit."""
        self.look()
        if self.state == OPEN:
            return
        trouble = False
        if self.state == CLOSED:
            if permit != self.generation or outcome is _IGNORED:
                return
            trouble = outcome is not _SUCCESS or seconds > self.thresholds.slow_after
            if not trouble and now < self._calm_until and self._cells[_TROUBLE] == self._trouble:
                self._count_success()
                return
        self._enter()
        try:
            if trouble:
                self._cells[_TROUBLE] += 1.0
            Circuit.settle(self, now, permit, outcome, seconds)
            self._given.discard(permit)
            self._calm(now)
        finally:
            self._leave()

    def wake(self, now: float) -> None:
        """See Circuit."""
        if self._inside:
            Circuit.wake(self, now)
            return
        self.look()
        if self.state == HALF_OPEN or (self.state == OPEN and now >= self.open_until):
            self._enter()
            try:
                Circuit.wake(self, now)
            finally:
                self._leave()

    def probe(self, now: float, ok: bool) -> None:
        """A health check's result, in one step, for another worker may move it at any time."""
        self._enter()
        try:
            Circuit.wake(self, now)
            if self.state == HALF_OPEN:
                if ok:
                    self.succeeded()
                else:
                    self.reopen(now, "a health check failed")
        finally:
            self._leave()

    def refresh(self, now: float) -> None:
        """Know everything as of now, what the other workers have counted too."""
        self._enter()
        try:
            Circuit.wake(self, now)
            self.window.roll(now)
        finally:
            self._leave()

    def force(self, word: str) -> None:
        """See Circuit. What another worker was told already changes nothing."""
        self._enter()
        try:
            Circuit.force(self, word)
        finally:
            self._leave()

    def adopt(self, fresh: Circuit, now: float) -> None:
        """See Circuit. The first worker that takes over a window of another length fills it."""
        if not isinstance(fresh, SharedCircuit):
            return
        other = fresh  # a name of its own, for the `.pxd` to type
        self._enter()
        try:
            if self._cells[_SLICES] != other._ring.slices:
                other._ring.fill(self._ring.reshaped(other._ring.slices, now))
                self._cells[_SLICES] = other._ring.slices
            else:
                self._ring.store()
                other._ring.load()
            self._ring = other._ring
            self.window = self._ring
            self._leases = other._leases
            if self.state == HALF_OPEN:
                self._read_leases()
            self.thresholds = other.thresholds
            self._heard_by = other._heard_by
            self._calm_until = _NEVER
        finally:
            self._leave()

    def _count_success(self) -> None:
        cells, at = self._cells, self._piece.kept_of(_SUCCESSES)
        cells[at] += 1.0
        if cells[_IN_A_ROW]:
            cells[_IN_A_ROW] = 0.0

    def _calm(self, now: float) -> None:
        """Whether successes alone can open it before the next second: they only ever make a ratio smaller, so only by
        being enough for it to count. All that this worker had counted is booked by now."""
        window = self.window
        enough = window.requests >= self.thresholds.min_requests or window.failures + window.slow == 0
        second = math.floor(now)
        self._calm_until = second + 1.0 if enough or self.forced != AUTO else _NEVER
        self._cells[self._piece.kept_of(_SECOND)] = second
        self._trouble = self._cells[_TROUBLE]

    def _enter(self) -> None:
        self._piece.enter()
        self._inside = True
        cells = self._cells
        # Not `look`: where stores are seen in another order (ARM), a version known from outside may have come before
        # its block. In here both are.
        if cells[_VERSION]:
            self._read()
        self.consecutive_failures = int(cells[_IN_A_ROW])
        if self.state == HALF_OPEN:
            self.leases.clear()
            self._read_leases()
        if cells[_SLICES] == 0.0:
            cells[_SLICES] = self._ring.slices
        self._ring.load()
        self._book()

    def _leave(self) -> None:
        try:
            self._put_back()
        finally:
            self._inside = False
            self._piece.leave()
        if self._told.transitions:
            transitions, self._told.transitions = self._told.transitions, []
            for before, after, why in transitions:
                self._heard_by.transition(before, after, why)

    def _put_back(self) -> None:
        self._ring.store()
        if self._cells[_IN_A_ROW] != self.consecutive_failures:
            self._cells[_IN_A_ROW] = self.consecutive_failures
        if self.generation != self._known:
            self._forget()
        if self.state == HALF_OPEN:
            self._write_leases()
        self._write()

    def _read(self) -> None:
        """Take the block that is in force. Writers take turns at two, so one that is read is whole unless the version
        has moved on meanwhile."""
        cells = self._cells
        version = _NEVER
        while cells[_VERSION] != version:
            version = cells[_VERSION]
            at = _BLOCKS + _BLOCK * (int(version) & 1)
            self._block = list(cells[at : at + _BLOCK])
        self._version = version
        block = self._block
        self.state, self.forced, self.generation = int(block[0]), int(block[1]), int(block[2])
        self._last, self.opened, self.reopenings = int(block[3]), int(block[4]), int(block[5])
        self.open_seconds, self.open_until, self.successes = block[6], block[7], int(block[8])
        if self.generation != self._known:
            self._forget()
            self.leases.clear()
            self.overdue.clear()
            self.well_begun.clear()

    def _write(self) -> None:
        block: list[float] = [
            self.state, self.forced, self.generation, self._last, self.opened, self.reopenings, self.open_seconds,
            self.open_until, self.successes,
        ]  # fmt: skip
        if block == self._block:
            return
        version = self._version + 1.0
        at = _BLOCKS + _BLOCK * (int(version) & 1)
        self._cells[at : at + _BLOCK] = memoryview(array("d", block))
        self._cells[_VERSION] = version  # from here on it holds
        self._version = version
        self._block = block

    def _forget(self) -> None:
        """It has moved: permits of before mean nothing."""
        self._known = self.generation
        self._given.clear()
        self._calm_until = _NEVER

    def _book(self) -> None:
        """Count what the workers have counted by themselves."""
        cells, piece = self._cells, self._piece
        for worker in range(piece.workers):
            counted = piece.kept + worker
            booked = counted + _BOOKED * piece.workers
            total = cells[counted]
            if total != cells[booked]:
                self._ring.book(int(cells[counted + _SECOND * piece.workers]), int(total - cells[booked]))
                cells[booked] = total

    def _read_leases(self) -> None:
        piece = self._leases
        rows = piece.cells[piece.table :].tolist()
        for at in range(0, len(rows), _LEASE):
            permit = int(rows[at])
            if permit > self.generation:  # an earlier one is of an earlier state
                self.leases[permit] = rows[at + 1]
                if rows[at + 2]:
                    self.well_begun.add(permit)
        for permit in self._given:
            if permit not in self.leases:
                self.overdue.add(permit)

    def _write_leases(self) -> None:
        # What others' leases come to after their end, they know themselves.
        self.overdue &= self._given
        self.well_begun &= self._given.union(self.leases)
        rows: list[float] = []
        piece = self._leases
        # Those of a larger rule, taken over, may be more than there is room for: they end as if their time were over.
        for permit, end in islice(self.leases.items(), piece.shape.table // _LEASE):
            rows += [permit, end, permit in self.well_begun]
        rows += [0.0] * (piece.shape.table - len(rows))
        piece.cells[piece.table :] = memoryview(array("d", rows))
