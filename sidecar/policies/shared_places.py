"""The places of a concurrency limit that holds for all workers of an instance, and the queues for them.

Each worker counts what it has in flight and how many wait with it, so that what a dead one held is known and freed. Who
waits takes a ticket, and each worker shows the oldest tickets of its queue: a place that comes free is set aside for
the worker that shows the oldest of all, whoever frees it, and that worker is called to hand it on. So the order of
arrival holds over workers, but for those beyond the tickets shown.

What is set aside counts as taken. A worker that is called and finds nobody waiting any more gives it to the next.
Knows no clock and no task.
"""

from __future__ import annotations

from itertools import islice

from sidecar.policies.adaptive_concurrency import CELLS
from sidecar.policies.bulkhead import Places
from sidecar.policies.contract import Applicant
from sidecar.policies.sharing import Memory, Piece

_TICKET = 0  # header: the last one taken
_LEARNED = 1  # header: the first of the cells of a limit that is learned
_IN_FLIGHT = 0  # held by each worker
_SET_ASIDE = 1  # places for those that wait here, given by anybody
_QUEUED = 2
_SHOWN = 3  # the first of the rows of tickets, oldest first, 0 for none
_TICKETS = 8  # shown by each worker

# Kept for each worker, to be counted.
TIMES_ADMITTED = 0
TIMES_QUEUED = 1
TIMES_REFUSED = 2


def piece_of(memory: Memory, name: str) -> Piece:
    """The piece of the limit of this name."""
    return memory.piece(name, header=_LEARNED + CELLS, held=_SHOWN + _TICKETS, kept=3)


class SharedPlaces(Places):
    """The living state of one concurrency limit in one worker, and this worker's side of the shared one.

    `in_flight` and the totals of the base count nothing here: the cells do. What changes cells is called between
    `enter` and `leave`. It is made once for its piece, over all rules that have the limit.
    """

    __slots__ = ("_calls", "_piece", "_tickets")

    def __init__(self, piece: Piece, limit: int, max_queue: int) -> None:
        Places.__init__(self, limit, max_queue)
        self._piece = piece
        self._tickets: dict[Applicant, float] = {}  # of those that wait here
        self._calls: list[int] = []  # workers to call once outside
        piece.living = self
        piece.on_call = piece.living.look  # asked of the piece: compiled, a method of `self` is no value

    def follow(self, limits: Places) -> None:
        """Keep to these limits from now on. One that is learned is as the workers have learned it."""
        self.learned = limits.learned
        self.spare = limits.spare
        self.max = limits.max
        self.max_queue = limits.max_queue

    def enter(self) -> None:
        """Keep the others out, and see what they have set aside and learned."""
        self._piece.enter()
        self.recall()
        self.collect()

    def recall(self) -> None:
        """See what all workers have learned."""
        learned = self.learned
        if learned is not None:
            at = _LEARNED
            learned.load(self._piece.cells[at : at + CELLS].tolist())
            self.max = learned.current + self.spare

    def learn(self, now: float, seconds: float, status: int) -> None:
        """One attempt went so. To be called inside."""
        learned = self.learned
        if learned is None:
            return
        changed = learned.attempted(now, seconds, status, self.taken())
        at = _LEARNED
        self._piece.cells[at : at + CELLS] = learned.cells()
        if changed:
            self.max = learned.current + self.spare
            self.hand_on(now)

    def leave(self) -> None:
        """Let the next one in. To be followed by `report`."""
        self._piece.leave()

    def report(self, now: float) -> None:
        """Call the workers and tell the requests that have got a place."""
        calls, self._calls = self._calls, []
        for worker in calls:
            self._piece.call(worker)
        if self.untold:
            self.tell(now)

    def look(self, now: float) -> None:
        """Somebody has called: there is a place for one that waits here, or a worker is dead."""
        self.enter()
        try:
            self.show()
            self.hand_on(now)
        finally:
            self.leave()
        self.report(now)

    def taken(self) -> int:
        """Places in flight or set aside, in all workers."""
        piece = self._piece
        at = piece.held
        return int(sum(piece.cells[at : at + 2 * piece.workers].tolist()))

    def waiting(self) -> int:
        """Those that wait, in all workers, and have no place set aside."""
        piece = self._piece
        at, workers = piece.held + _SET_ASIDE * piece.workers, piece.workers
        rows = piece.cells[at : at + 2 * workers].tolist()
        if not any(rows):
            return 0
        waiting = 0.0
        for worker in range(workers):
            waiting += max(0.0, rows[workers + worker] - rows[worker])
        return int(waiting)

    def counted(self, field: int) -> int:
        """What all workers have kept count of."""
        return int(self._piece.kept_by_all(field))

    def count(self, field: int) -> None:
        """One more of what is kept."""
        self._piece.cells[self._piece.kept_of(field)] += 1.0

    def occupy(self, places: int) -> None:
        """So many places more are in flight here; fewer when negative."""
        self._piece.cells[self._piece.held_of(_IN_FLIGHT)] += places

    def join(self, applicant: Applicant, until: float) -> None:
        """One more waits here."""
        cells = self._piece.cells
        ticket = cells[_TICKET] + 1.0
        cells[_TICKET] = ticket
        self.queue[applicant] = until
        self._tickets[applicant] = ticket
        self.show()

    def leave_queue(self, applicant: Applicant) -> None:
        """One that waited waits no longer."""
        if self.queue.pop(applicant, None) is not None:
            del self._tickets[applicant]
            self.show()

    def collect(self) -> None:
        """Grant what was set aside for those that wait here. What is left over is free for anybody."""
        piece = self._piece
        aside = piece.held_of(_SET_ASIDE)
        places = int(piece.cells[aside])
        if places:
            granted = min(places, len(self.queue))
            # Neither order may lose a place for good to a death in between: all of it is this worker's, and buried.
            self.occupy(granted)
            piece.cells[aside] = 0.0
            for _ in range(granted):
                self._admit_oldest()
            self.show()

    def hand_on(self, now: float) -> None:
        """Give every free place to the oldest that waits, wherever it does."""
        free = self.max - self.taken()
        while free > 0:
            worker = self._oldest()
            if worker < 0:
                return
            if worker == self._piece.worker:
                self.occupy(1)
                self._admit_oldest()
                self.show()
            else:
                self._set_aside(worker)
            free -= 1

    def grant_all(self, now: float) -> None:
        """Let everyone in who waits here, above `max` too."""
        self.occupy(len(self.queue))
        while self.queue:
            self._admit_oldest()
        self.show()

    def show(self) -> None:
        """Let the others see how many wait here, and the oldest tickets."""
        piece = self._piece
        shown = list(islice(self._tickets.values(), _TICKETS))
        for place in range(_TICKETS):
            piece.cells[piece.held_of(_SHOWN + place)] = shown[place] if place < len(shown) else 0.0
        piece.cells[piece.held_of(_QUEUED)] = len(self.queue)

    def _admit_oldest(self) -> None:
        applicant = self.queue.popitem(last=False)[0]
        del self._tickets[applicant]
        self.granted.add(applicant)
        self.untold.append(applicant)

    def _oldest(self) -> int:
        """The worker that shows the oldest ticket, -1 when none does."""
        piece = self._piece
        at = piece.held + _SHOWN * piece.workers
        heads = piece.cells[at : at + piece.workers].tolist()
        found, oldest = -1, 0.0
        for worker, ticket in enumerate(heads):
            if ticket and (found < 0 or ticket < oldest):
                found, oldest = worker, ticket
        return found

    def _set_aside(self, worker: int) -> None:
        piece = self._piece
        cells, workers = piece.cells, piece.workers
        # The place first: one that dies before the ticket is taken down has it served twice, and nobody forgotten.
        cells[piece.held + _SET_ASIDE * workers + worker] += 1.0
        first = piece.held + _SHOWN * workers + worker
        for place in range(_TICKETS - 1):
            cells[first + place * workers] = cells[first + (place + 1) * workers]
        cells[first + (_TICKETS - 1) * workers] = 0.0
        if worker not in self._calls:
            self._calls.append(worker)
