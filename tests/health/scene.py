"""Checked endpoints in virtual time: rules, a wheel on a clock that stands still, and looks that find what is set."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sidecar.health.finding import CONNECT_FAILURE, SUCCESS, Finding
from sidecar.health.prober import Prober
from sidecar.health.verdicts import Verdicts
from sidecar.policies.health_gate import HealthCheckSpec
from sidecar.rules.load import load_text
from sidecar.rules.overlay import Given
from sidecar.runtime.build import prepare
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Current, Runtime
from sidecar.runtime.upstream import Upstream
from sidecar.telemetry.stats import Stats
from tests.doubles.clock import TICK, Clock

STEP = 5 * TICK

WELL = Finding(SUCCESS, "status 200")
REFUSED = Finding(CONNECT_FAILURE, "connection refused")

CHECK = "health_check: {path: /healthz, interval: 5s, healthy_after: 2, unhealthy_after: 3}"
SHADOW = "health_check: {path: /healthz, interval: 5s, unhealthy_after: 2, mode: shadow}"
ONE = "http://127.0.0.1:3001"
TWO = "http://127.0.0.1:3002"


def rules(*urls: str, upstream: str = CHECK) -> str:
    """A rules file of one upstream."""
    return f"""
upstreams:
  app:
    endpoints: [{", ".join(f"'{url}'" for url in urls)}]
    {upstream}
routes: [{{name: all, upstream: app}}]
"""


class NotingVerdicts(Verdicts):
    """`probed` are the results that it was told of for a breaker."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.probed: list[tuple[str, bool]] = []

    def probe(self, upstream_name: str, ok: bool) -> None:
        """See Verdicts."""
        self.probed.append((upstream_name, ok))
        super().probe(upstream_name, ok)


class Scene:
    """`finds` is what looks at an endpoint find, by its port, WELL where nothing is set; `looked` are the ports looked
    at, each with the rule, in order. `bar` holds looks back until it is set again."""

    def __init__(self, *urls: str, upstream: str = CHECK, reachable: bool = True) -> None:
        self.clock = Clock()
        self.wheel = self.clock.wheel(asyncio.get_running_loop(), None)
        self.stats = Stats()
        self.finds: dict[int, Finding | Exception] = {}
        self.looked: list[tuple[int, HealthCheckSpec]] = []
        self.bar = asyncio.Event()
        self.bar.set()
        self._held = 0
        self.reachable = reachable
        self.rng = random.Random(7)
        self.verdicts = NotingVerdicts(self.wheel.now)
        self.prober = Prober(
            self.wheel, self.rng, self.verdicts, reachable=lambda endpoint: self.reachable, ask=self._ask
        )
        self.current = Current(self._prepared(rules(*urls, upstream=upstream), None))

    @property
    def runtime(self) -> Runtime:
        return self.current.runtime

    @property
    def upstream(self) -> Upstream:
        return self.runtime.upstreams["app"]

    def endpoint(self, port: int = 3001) -> Endpoint:
        (found,) = [one for one in self.upstream.endpoints if one.address.port == port]
        return found

    def down(self, port: int = 3001) -> bool:
        return self.endpoint(port).down

    def reload(self, *urls: str, upstream: str = CHECK) -> None:
        """Other rules, in force and followed."""
        self.current.swap(self._prepared(rules(*urls, upstream=upstream), self.runtime), self.wheel.now())
        self.prober.follow(self.runtime)

    async def start(self) -> None:
        self.prober.follow(self.runtime)
        await self.settled()

    async def settled(self, step: float = TICK) -> None:
        """A step of time is over, and what is due has been looked at."""
        await self.clock.advance(step)
        while len(self.prober._tasks) > (0 if self.bar.is_set() else self._held):
            await asyncio.sleep(0)

    async def looks(self, count: int) -> None:
        """Time passes until there were so many looks, counted from now."""
        wanted = len(self.looked) + count
        for _ in range(100_000):
            if len(self.looked) >= wanted:
                return
            await self.settled(STEP)
        raise AssertionError("nobody looks any more")

    async def passes(self, seconds: float, step: float = STEP) -> int:
        """Time passes, step by step; how often somebody looked."""
        before = len(self.looked)
        for _ in range(round(seconds / step)):
            await self.settled(step)
        return len(self.looked) - before

    def events(self) -> list[str]:
        return [f"{event.subject} {event.text}" for event in self.stats.events.recent if event.kind == "health"]

    def counted(self) -> dict[str, int]:
        found: dict[str, int] = {}
        for (_endpoint, result), count in self.stats.upstream("app").health_checks.items():
            found[result] = found.get(result, 0) + count
        return found

    def _prepared(self, text: str, previous: Runtime | None) -> Runtime:
        loaded = load_text(text, "rules.yaml", Given())
        return prepare(loaded.rules, loaded.digest, previous, self.stats, random.Random(0))

    async def _ask(self, endpoint: Endpoint, spec: HealthCheckSpec) -> Finding:
        self.looked.append((endpoint.address.port, spec))
        self._held += 1
        try:
            await self.bar.wait()
        finally:
            self._held -= 1
        found = self.finds.get(endpoint.address.port, WELL)
        if isinstance(found, Exception):
            raise found
        return found


@asynccontextmanager
async def scene(*urls: str, upstream: str = CHECK, reachable: bool = True) -> AsyncIterator[Scene]:
    """A scene that has not begun, and is taken down."""
    made = Scene(*(urls or (ONE,)), upstream=upstream, reachable=reachable)
    try:
        yield made
    finally:
        await made.prober.close()
        made.wheel.close()
