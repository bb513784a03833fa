"""What all workers remember of each key of a rate limit: the table of key_table.py in shared memory.

A key is known by its hash and has one of the ways of the set that the hash leads to. When they are all taken, a bucket
that is full again goes; where there is none, the one that is nearest to it goes and is counted. So a set that is
crowded loses buckets before the table is full: of 100 000 keys that all rest, about one in a thousand is lost when
70 000 are there. Up to `_WAYS` keys there is one set, and nothing is lost early.

The workers agree on a key's hash: see Memory.
"""

from __future__ import annotations

from sidecar.policies.key_table import FULL, KeyTable
from sidecar.policies.sharing import Memory

_FULL = FULL  # compiled, a C number that nobody can import
_WAYS = 32
_CODES = (1 << 52) - 1  # a hash as a double holds it; 0 is no key

_EVICTIONS = 0  # header
_USED = 1


def refill(tat: float, counted_by: float, span: float, now: float) -> float:
    """A bucket under other rules: it keeps its fill ratio. `counted_by` and `span` are the seconds from empty to full
    that it was stored under and that it is asked about; 0 for one that was never stored."""
    if tat <= now or counted_by == span or counted_by == 0.0:
        return tat
    return now + (tat - now) * (span / counted_by)


class SharedTable(KeyTable):
    """The buckets of at most `max_keys` keys, to be read and written inside the lock of the limit's route.

    A set is a row of codes, a row of TATs and a row of the spans that these were counted by: three cells a key.
    """

    __slots__ = ("_cells", "_hash", "_now", "_rows", "_sets", "_span", "_ways")

    def __init__(self, memory: Memory, name: str, max_keys: int, span: float) -> None:
        """`span` is the seconds from empty to full under the limit's rule."""
        KeyTable.__init__(self, max_keys)
        self._sets = -(-max_keys // _WAYS)
        self._ways = max_keys // self._sets
        # Tables of other sizes may have as many cells.
        piece = memory.piece(f"{name}/{self._sets}", header=2, table=3 * self._ways * self._sets)
        self._cells = piece.cells
        self._hash = memory.hash
        self._rows = piece.table
        self._span = span
        self._now = 0.0

    def __len__(self) -> int:
        return int(self._cells[_USED])

    def load(self, now: float) -> None:
        """See KeyTable: what follows is asked as of `now`."""
        self._now = now
        self.evictions = int(self._cells[_EVICTIONS])

    def tat(self, key: str) -> float:
        """See KeyTable."""
        return self._tat_at(self._find(self._code(key)))

    def store(self, key: str, tat: float, now: float) -> None:
        """See KeyTable."""
        self._put(self._code(key), tat, now)

    def amend(self, key: str, tat: float) -> None:
        """See KeyTable."""
        at = self._find(self._code(key))
        if at >= 0:
            self._write(at, tat)

    def take_over(self, before: KeyTable, now: float) -> None:
        """Remember what another table of the same limit does, counted by this one's rule from now on. Each worker may
        do so when it takes the rules over: what is known better stays."""
        if not isinstance(before, SharedTable):
            return
        other = before  # a name of its own, for the `.pxd` to type
        if other.max_keys == self.max_keys:
            if other._span != self._span:
                self._recount(now)
            return
        ways = other._ways
        for one in range(other._sets):
            row = other._rows + 3 * ways * one
            for at in range(row, row + ways):
                if other._cells[at + ways] > now:
                    code = int(other._cells[at])
                    tat = refill(other._cells[at + ways], other._cells[at + 2 * ways], self._span, now)
                    if tat > self._tat_at(self._find(code)):
                        self._put(code, tat, now)
        self.load(now)

    def _recount(self, now: float) -> None:
        """Whoever is refused stores nothing, and would wait for ever by the rule of before."""
        cells, ways = self._cells, self._ways
        for one in range(self._sets):
            row = self._rows + 3 * ways * one
            tats = cells[row + ways : row + 2 * ways].tolist()
            if max(tats) > now:
                for way in range(ways):
                    at, tat = row + way, tats[way]
                    if tat > now and cells[at + 2 * ways] != self._span:
                        self._write(at, refill(tat, cells[at + 2 * ways], self._span, now))

    def _find(self, code: int) -> int:
        """The cell of a key's code, -1 when it is not remembered."""
        row = self._row(code)
        codes = self._cells[row : row + self._ways].tolist()
        return row + codes.index(code) if code in codes else -1

    def _row(self, code: int) -> int:
        return self._rows + 3 * self._ways * (code % self._sets)

    def _tat_at(self, at: int) -> float:
        if at < 0:
            return _FULL
        return refill(self._cells[at + self._ways], self._cells[at + 2 * self._ways], self._span, self._now)

    def _put(self, code: int, tat: float, now: float) -> None:
        at = self._find(code)
        self._write(self._room(code, now) if at < 0 else at, tat)

    def _room(self, code: int, now: float) -> int:
        """The way that a new key takes. It is a full bucket until its TAT is written, whoever dies before that."""
        cells, row = self._cells, self._row(code)
        tats = cells[row + self._ways : row + 2 * self._ways].tolist()
        fullest = min(tats)
        at = row + tats.index(fullest)
        if cells[at] == 0.0:
            cells[_USED] += 1.0
        elif fullest > now:
            cells[_EVICTIONS] += 1.0
            self.evictions += 1
        cells[at + self._ways] = 0.0
        cells[at] = code
        return at

    def _write(self, at: int, tat: float) -> None:
        cells, ways = self._cells, self._ways
        if cells[at + 2 * ways] != self._span:
            cells[at + ways] = 0.0  # full, for whoever dies here
            cells[at + 2 * ways] = self._span
        cells[at + ways] = tat

    def _code(self, key: str) -> int:
        return (self._hash(key) & _CODES) + 1
