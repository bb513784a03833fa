"""Rate limits that hold for all workers of an instance: the machine of rate_limit.py over buckets in shared memory.

Between `enter` and `leave` of the route's piece it is the machine it always was: buckets are loaded, asked, spent and
stored. Those that wait stay with the worker that told them how long, and so do the gaps that they leave in the middle.
Each bucket is stored with the seconds from empty to full that it was counted by, and whoever loads it under others
keeps its fill ratio: workers that take new rules over one after the other need no agreement.
Knows no clock, no socket and no task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.model.observer import RouteObserver
from sidecar.policies.contract import ADMITTED, Admission, Applicant, Binding, Key
from sidecar.policies.rate_limit import RateLimits, RateLimitSpec
from sidecar.policies.shared_table import SharedTable, refill
from sidecar.policies.sharing import Memory

_WAITING = 0  # held: requests that wait
_TAT = 0  # header, of a limit without a key
_SPAN = 1


class SharedRateLimits(RateLimits):
    """All limits of one route, for every worker. One lock around all of them: admitted by each, or spending nothing."""

    __slots__ = ("_cells", "_piece", "_spares")

    def __init__(
        self, route: str, limits: Sequence[tuple[RateLimitSpec, Key | None]], observer: RouteObserver, memory: Memory
    ) -> None:
        """See RateLimits."""
        RateLimits.__init__(self, route, limits, observer)
        self._piece = memory.piece(f"{route}/rate_limits", held=1)
        # For each limit its bucket's cells, None where it has a table.
        self._cells: list[memoryview[float] | None] = []
        for spec, limit in zip(self._specs, self._limits, strict=True):
            # Another key has other buckets.
            name = f"{limit.rule}/{','.join(spec.key)}"
            if limit.key is None:
                self._cells.append(memory.piece(name, header=2).cells)
            else:
                limit.table = SharedTable(memory, name, spec.max_keys, limit.span)
                self._cells.append(None)

    @classmethod
    def bound(cls, binding: Binding) -> SharedRateLimits:
        """See Admission."""
        limits = [(spec, binding.compile_key(spec.key) if spec.key else None) for spec in binding.specs]
        return cls(binding.owner, limits, binding.observer, binding.shared)

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        """See RateLimits."""
        piece = self._piece
        waiting = len(self._waiting)
        piece.enter()
        try:
            self._load(now)
            verdict = RateLimits.try_acquire(self, now, applicant)
            self._store()
            if len(self._waiting) != waiting:
                piece.cells[piece.held_of(_WAITING)] += 1.0
        finally:
            piece.leave()
        return verdict

    def resume(self, now: float, applicant: Applicant) -> int:
        """See RateLimits."""
        verdict = RateLimits.resume(self, now, applicant)
        if verdict == ADMITTED:
            self._piece.cells[self._piece.held_of(_WAITING)] -= 1.0
        return verdict

    def withdraw(self, now: float, applicant: Applicant) -> None:
        """See RateLimits."""
        if applicant not in self._waiting:
            return
        piece = self._piece
        piece.enter()
        try:
            self._load(now)
            RateLimits.withdraw(self, now, applicant)
            self._store()
            piece.cells[piece.held_of(_WAITING)] -= 1.0
        finally:
            piece.leave()

    def answer_fields(self, now: float, applicant: Applicant) -> bytes:
        """See RateLimits. Read past the lock: what another worker does meanwhile is a token more or less."""
        if not self._lead:
            return b""
        self._load(now)
        return RateLimits.answer_fields(self, now, applicant)

    def snapshot(self, now: float) -> Mapping[str, object]:
        """See RateLimits: the instance's numbers."""
        self._load(now)
        return {**RateLimits.snapshot(self, now), "waiting": int(self._piece.held_by_all(_WAITING))}

    def inherit(self, before: Admission, now: float) -> None:
        """The buckets are where they were. What each lacks is counted by these rules from now on, and a table of
        another size takes over what the old one remembers."""
        if not isinstance(before, SharedRateLimits):
            return
        old = zip(before._specs, before._limits, strict=True)
        tables = {(limit.rule, spec.key): limit.table for spec, limit in old if spec.key}
        self._piece.enter()
        try:
            self._load(now)
            self._store()
            for spec, limit in zip(self._specs, self._limits, strict=True):
                table = tables.get((limit.rule, spec.key))
                if table is not None and isinstance(limit.table, SharedTable):
                    limit.table.take_over(table, now)
        finally:
            self._piece.leave()

    def _load(self, now: float) -> None:
        for index in range(len(self._limits)):
            limit, cells = self._limits[index], self._cells[index]
            if cells is None:
                limit.table.load(now)
            else:
                limit.tat = refill(cells[_TAT], cells[_SPAN], limit.span, now)

    def _store(self) -> None:
        for index in range(len(self._limits)):
            limit, cells = self._limits[index], self._cells[index]
            if cells is not None and limit.tat != cells[_TAT]:
                if cells[_SPAN] != limit.span:
                    # Full, for whoever dies here: an hour's lack under a rule of one second would last the hour.
                    cells[_TAT] = 0.0
                    cells[_SPAN] = limit.span
                cells[_TAT] = limit.tat
