"""The life signs of workers, asked for where a service manager asks us for ours: one that hangs is ended, and replaced.

Owns how often they are asked and when silence counts. Without a watchdog it does not exist: nobody is killed for
silence unless somebody wants that.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from sidecar.app.messages import Beat
from sidecar.telemetry.stats import Stats
from sidecar.workers.crew import Crew, Worker
from sidecar.workers.link import LinkEndedError

# A worker is asked so often within the time that it may be silent.
_LOOKS = 4


class CrewWatch:
    """Ends a worker whose loop has not answered for `seconds`, so that the crew starts another one.

    It counts its own looks and not the clock: whoever was frozen together with the workers must not accuse them. Those
    that have not said that they serve are left alone, because to put large rules in force may take a while.
    """

    def __init__(self, crew: Crew, seconds: float, stats: Stats, loop: asyncio.AbstractEventLoop) -> None:
        self._crew = crew
        self._seconds = seconds
        self._stats = stats
        self._loop = loop
        self._unanswered: dict[Worker, int] = {}
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and then again and again."""
        self._look()
        self._handle = self._loop.call_later(self._seconds / _LOOKS, self.start)

    def stop(self) -> None:
        """No more looks."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def heard(self, worker: Worker) -> None:
        """It has answered."""
        self._unanswered.pop(worker, None)

    def _look(self) -> None:
        living = [worker for worker in self._crew.workers if worker.ready and not worker.link.ended]
        self._unanswered = {worker: self._unanswered[worker] for worker in living if worker in self._unanswered}
        for worker in living:
            silent = self._unanswered.get(worker, 0)
            if silent == _LOOKS:
                self._stats.events.tell(
                    "worker",
                    f"worker {worker.slot}",
                    f"has not answered for {self._seconds:g}s and is aborted",
                    {"pid": worker.pid},
                    alarming=True,
                )
                worker.abort()  # it says where it hung, and leaves a core where those are kept
            elif silent > _LOOKS:
                worker.kill()  # one that was stopped hears nothing else
            else:
                with suppress(LinkEndedError):
                    worker.link.tell(Beat())
            self._unanswered[worker] = silent + 1
