"""What is drained where several workers serve: the Traffic that drain.Drain acts on, over a crew.

Each worker drains by itself, by the same rules and at the same time; this process waits for their ends, and kills who
has not ended somewhat after the deadline. What they had to cut they say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress

from sidecar.app.drain import Stage
from sidecar.app.messages import Leave
from sidecar.app.sights import Sights
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from sidecar.workers.crew import Crew, Worker
from sidecar.workers.link import LinkEndedError

# A worker that is cut off at its deadline has still to say so.
LAST_WORDS = 2.0


class CrewTraffic:
    """See drain.Traffic. `let_go` closes the sockets that the workers have copies of."""

    def __init__(
        self,
        crew: Crew,
        stats: Stats,
        tasks: Tasks,
        let_go: Callable[[], None],
        sights: Sights,
    ) -> None:
        self.deadline = 0.0
        self.handed_on = False
        self.cut_by_workers = 0
        self._crew = crew
        self._stats = stats
        self._tasks = tasks
        self._let_go = let_go
        self._sights = sights
        self._quiet: list[Callable[[], None]] = []
        self._is_over = False

    def announce(self, ends_at: float) -> None:
        """See Traffic. From here on every worker drains by itself, to its end."""
        self._stats.drain_deadline = ends_at
        self._tasks.start(self._stop(), "stop the crew")

    def stop_accepting(self) -> None:
        """See Traffic. The workers do the same at this time."""
        self._let_go()

    async def refresh(self) -> None:
        """See Traffic."""
        await self._sights.refresh(self._crew)

    def in_flight(self) -> Mapping[str, int]:
        """See Traffic. What the workers said last."""
        return self._sights.in_flight()

    def close_idle(self) -> None:
        """See Traffic. Nothing: the workers do."""

    def when_quiet(self, tell: Callable[[], None]) -> None:
        """See Traffic."""
        if self._is_over:
            tell()
        else:
            self._quiet.append(tell)

    def leave_websockets(self) -> None:
        """See Traffic. Nothing: the workers do."""

    def hurry(self, tell: Callable[[], None]) -> None:
        """See Traffic. When they have all ended."""
        for worker in self._crew.workers:
            self._tell(worker, hurry=True)

    def cut(self) -> int:
        """See Traffic."""
        return self.cut_by_workers

    def report(self, stage: Stage, text: str, cut: int = 0) -> None:
        """See Traffic. The workers count what they cut."""
        self._stats.drain_phase = int(stage)
        self._stats.events.tell("drain", "instance", text, {"stage": stage.word, "cut": cut}, alarming=cut > 0)

    async def _stop(self) -> None:
        await self._crew.stop(self._tell, self.deadline + LAST_WORDS)
        self._is_over = True
        for tell in self._quiet:
            tell()

    def _tell(self, worker: Worker, *, hurry: bool = False) -> None:
        with suppress(LinkEndedError):
            worker.link.tell(Leave(hurry, self.handed_on))
