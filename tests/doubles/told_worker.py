"""Workers as the supervisor's parts see them, without processes: what they are told, and what they answer."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from sidecar.admin.subject import Condition
from sidecar.app.messages import Count, Sight
from sidecar.app.status import counted
from sidecar.telemetry.merging import dump
from sidecar.telemetry.parts import joined
from sidecar.telemetry.stats import Stats
from sidecar.workers.crew import Crew, Member, Worker
from sidecar.workers.link import LinkEndedError

SERVING = Condition("serving", holds=True, detail="serving")


class ToldWorker:
    """`told` is what it was told, `asked` how often it was asked; `gate` holds its answers back until it is set."""

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.ready = True
        self.told: list[object] = []
        self.asked = 0
        self.stats = Stats()
        self.conditions: Sequence[Condition] = (SERVING,)
        self.in_flight = {"requests": 0, "tunnels": 0, "websockets": 0}
        self.breaker = "closed"
        self.refusal: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.link = SimpleNamespace(tell=self._tell, ask=self._ask, ended=False)

    def _tell(self, body: object) -> None:
        if self.link.ended:
            raise LinkEndedError("the other process is gone")
        self.told.append(body)

    async def _ask(self, body: object, seconds: float) -> object:
        self.asked += 1
        answer = [pickle.dumps([dump(self.stats)])] if isinstance(body, Count) else self.sight()
        await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        return answer

    def serve(self, requests: int) -> None:
        """It has answered so many more."""
        for _ in range(requests):
            self.stats.route("all").started()
            self.stats.route("all").finished(b"GET", 200, 0.125, b"", False)

    def sight(self) -> Sight:
        """What it sees now."""
        status: dict[str, Any] = {
            "phase": "serving",
            "uptime_seconds": 1.0,
            "loop_lag_seconds": 0.0,
            "connections": {"downstream": {"active": 0, "idle": 1}},
            **joined(counted(self.stats.unrouted, self.stats.routes.items(), self.stats.upstreams.items())),
            "breakers": {"upstream.app": {"state": self.breaker}},
            "drain": {"in_flight": dict(self.in_flight)},
        }
        told, counts = ([pickle.dumps([part])] for part in (status, dump(self.stats)))
        return Sight(self.conditions, told, counts, ["upstream.app"], ["app/a"])


class ToldCrew:
    """Some of them. `stops` is for how long `stop` would have waited; it returns when `over` is set."""

    def __init__(self, *workers: ToldWorker) -> None:
        self.workers = list(workers)
        self.stops: list[float] = []
        self.over = asyncio.Event()

    @property
    def members(self) -> list[Member]:
        """See Crew."""
        return [Member(worker.slot, 40 + worker.slot, worker.ready, 0) for worker in self.workers]

    async def stop(self, tell: Callable[[Worker], None], seconds: float) -> Mapping[int, int]:
        """See Crew."""
        self.stops.append(seconds)
        for worker in self.workers:
            tell(cast(Worker, worker))
        await self.over.wait()
        return {}

    @property
    def as_crew(self) -> Crew:
        """Itself, for whoever wants the real one."""
        return cast(Crew, self)
