"""Active checks: what the results of one endpoint's checks come to, and when to look again (`health_check`).

            unhealthy_after failures in a row, or an attempt found nobody listening
        up ─────────────────────────────────────────────────────────────────────────► down
        ▲                                                                               │
        └──────── healthy_after successes in a row; one where nothing is held against it ┘

Nothing is held against an endpoint that was never up, or that only had nobody listening: a first success then says all
that there is to know. One that was up and failed its checks has to prove that it is back.

Owns the counting and the pace. Knows no endpoint, no socket and no clock: whoever looks tells what it found. The
thresholds are those of HAProxy (`rise`, `fall`, `fastinter`, `downinter`) and of Kubernetes' probes.
"""

from __future__ import annotations

import random

from sidecar.policies.health_gate import HealthCheckSpec

# While it is in doubt an endpoint is looked at so much more often, but not more often than this.
_FASTER = 5
_FASTEST = 0.1
# Endpoints of many sidecars that were started together must not be asked by all of them at one instant for ever.
_JITTER = 0.1
_LONGEST_START = 1.0


class HealthCheck:
    """The checks of one endpoint, for as long as it is checked, over reloads. Seconds throughout."""

    __slots__ = ("_streak", "_trusted", "spec", "up")

    def __init__(self, spec: HealthCheckSpec, *, up: bool) -> None:
        """`up` is what holds until the checks say otherwise; where it is False, one success is enough."""
        self.spec = spec
        self.up = up
        self._streak = 0  # results in a row that speak against the state
        self._trusted = not up

    def succeeded(self) -> bool:
        """A check found the endpoint well. True when that makes it up."""
        if self.up:
            self._streak = 0
            return False
        self._streak += 1
        if not self._trusted and self._streak < self.spec.healthy_after:
            return False
        self._streak = 0
        self.up = True
        return True

    def failed(self) -> bool:
        """A check found it unwell. True when that makes it down."""
        if not self.up:
            self._streak = 0
            return False
        self._streak += 1
        if self._streak < self.spec.unhealthy_after:
            return False
        self._streak = 0
        self.up = self._trusted = False
        return True

    def lost(self) -> bool:
        """An attempt found nobody listening. True when that makes it down; says nothing about one that is."""
        if not self.up:
            return False
        self._streak = 0
        self.up = False
        self._trusted = True
        return True

    def adopt(self, spec: HealthCheckSpec) -> None:
        """Go on under other rules: it stays up or down, and what was counted under the old ones is forgotten."""
        self.spec = spec
        self._streak = 0

    @property
    def interval(self) -> float:
        """From one check to the next, before jitter: a fifth while it is down or in doubt."""
        interval = self.spec.interval
        if self.up and not self._streak:
            return interval
        return min(interval, max(interval / _FASTER, _FASTEST))

    def delay(self, rng: random.Random) -> float:
        """From the beginning of a check to that of the next."""
        return self.interval * rng.uniform(1.0 - _JITTER, 1.0 + _JITTER)

    def first_delay(self, rng: random.Random) -> float:
        """Until the first check of an endpoint that nobody waits for."""
        return rng.uniform(0.0, min(self.spec.interval, _LONGEST_START))
