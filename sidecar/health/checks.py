"""The checks, as one process takes part in them: it looks at endpoints, or is told by the one that does.

A process alone looks. Of several that are one instance one looks at a time, so that an endpoint sees one check and not
one from each; a process that takes over goes on from the verdicts it knows. What is said on the way may be lost (a
process that has not yet taken up the rules drops a verdict about an endpoint it does not know), so the one that looks
says everything again every second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from sidecar.health.prober import Prober
from sidecar.health.verdicts import Verdict, Verdicts
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.generation import Runtime
from sidecar.runtime.upstream import Sentinel
from sidecar.transport.wheel import DeadlineWheel

_SAID_AGAIN = 1.0


class Crier:
    """How the processes of one instance hear of each other's findings."""

    def verdicts(self, told: Sequence[Verdict]) -> None:
        """To those who are told: these hold."""
        raise NotImplementedError

    def lost(self, upstream: str, endpoint: str) -> None:
        """To the one that looks: nobody listens there."""
        raise NotImplementedError


class Checks:
    """The health checks of this process. `crier` is None for one alone, which looks from the beginning; others do when
    they are told to `lead`. `prober` is there while it is this process that looks; `reachable` as it has it."""

    def __init__(
        self,
        wheel: DeadlineWheel,
        rng: random.Random,
        reachable: Callable[[Endpoint], bool],
        crier: Crier | None = None,
    ) -> None:
        self.verdicts = Verdicts(wheel.now)
        self._wheel = wheel
        self._rng = rng
        self._reachable = reachable
        self._crier = crier
        self._runtime: Runtime | None = None
        self._heard: Sequence[Verdict] = ()
        self.prober: Prober | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        if crier is None:
            self.prober = self._begin()
        else:
            self.verdicts.sentinel = _Reporter(crier)

    def follow(self, runtime: Runtime) -> None:
        """These endpoints from now on; see Prober.follow for when."""
        self._runtime = runtime
        if self.prober is not None:
            self.prober.follow(runtime)
        else:
            self.verdicts.follow(runtime)
            heard, self._heard = self._heard, ()
            self.told(heard)

    def lead(self) -> None:
        """Look from now on. Again, or once closed: changes nothing."""
        if self.prober is None and not self._closed:
            self.prober = self._begin(self._tell)
            if self._runtime is not None:
                self.prober.follow(self._runtime)
            self._say_again()

    def told(self, verdicts: Sequence[Verdict]) -> None:
        """The one that looks says so; before there are rules to follow, it is kept for them."""
        if self._runtime is None:
            self._heard = verdicts
        elif self.prober is None:
            for verdict in verdicts:
                self.verdicts.apply(*verdict)

    def lost(self, upstream: str, endpoint: str) -> None:
        """Another process has found nobody listening there."""
        if self.prober is not None:
            self.prober.lost(upstream, endpoint)

    async def close(self) -> None:
        """Look no more, and say no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if self.prober is not None:
            await self.prober.close()

    def _begin(self, told: Callable[[str, str, bool, str], None] | None = None) -> Prober:
        return Prober(self._wheel, self._rng, self.verdicts, reachable=self._reachable, told=told)

    def _tell(self, upstream: str, endpoint: str, up: bool, why: str) -> None:
        self.verdicts.apply(upstream, endpoint, up, why)
        if self._crier is not None:
            self._crier.verdicts([(upstream, endpoint, up, why)])

    def _say_again(self) -> None:
        if self._crier is not None:
            self._crier.verdicts(self.verdicts.standing())
            self._timer = self._wheel.loop.call_later(_SAID_AGAIN, self._say_again)


class _Reporter(Sentinel):
    __slots__ = ("_crier",)

    def __init__(self, crier: Crier) -> None:
        self._crier = crier

    def unreachable(self, endpoint: Endpoint) -> None:
        self._crier.lost(endpoint.upstream_name, endpoint.name)
