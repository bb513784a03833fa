"""Passive ejection: an endpoint that fails several times in a row takes no attempts for a while.

              consecutive_failures-th failure in a row, if the group allows
    available ───────────────────────────────────────────────────────────► ejected
        ▲                                                                     │
        └───────── min(base·n, max) is over, seen at the first look ──────────┘

Time passes by itself: nothing runs when an ejection ends, the next look finds it over and tells so, once. `n` counts
ejections and shrinks by one for every clean `base` since the last one ended, worked out when it is next needed.

An attempt that began before an ejection says nothing about the endpoint after it: its result is dropped. In shadow
mode a second instant is kept and nobody is out: what the endpoint would have missed is only counted.

Owns the arithmetic and an endpoint's health; knows no endpoint, no group and no clock. Who else is left is told by
the upstream (runtime/upstream.py). Form: Envoy's outlier detection, https://www.envoyproxy.io/docs/envoy/latest/intro/
arch_overview/upstream/outlier, with time instead of its sweeps, so that it does not depend on when a timer ran.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from sidecar.model.observer import UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.policies.health_gate import EjectionSpec

IN = 0.0  # of `ejected_until` and `shadow_until`: not out
_IN = IN

_SUCCESS = Outcome.SUCCESS
_FAILURE = Outcome.FAILURE
# 0.29 x 100 is 28.999… in binary; a ratio means what it says.
_ROUNDING = 1e-9
_MOST = 1e15  # ejections: what an integer holds where it is compiled


class EndpointHealth:
    """What ejection remembers of one endpoint, for as long as the endpoint lives, over reloads. Instants in seconds.

    Results of attempts that began at or before `counts_after` mean nothing. `ejections` is n, as of `clean_since`.
    """

    __slots__ = (
        "clean_since",
        "consecutive_failures",
        "counts_after",
        "ejected_until",
        "ejections",
        "name",
        "shadow_ejections",
        "shadow_until",
    )

    def __init__(self, name: str) -> None:
        """`name` is the endpoint's, as observers are told it."""
        self.name = name
        self.consecutive_failures = 0
        self.ejected_until = IN
        self.shadow_until = IN
        self.counts_after = -math.inf
        self.clean_since = -math.inf
        self.ejections = 0
        self.shadow_ejections = 0


class Ejection:
    """One upstream's rule for its endpoints. The state is in their EndpointHealth, so that a reload keeps it."""

    __slots__ = (
        "_base",
        "_consecutive_failures",
        "_max",
        "_max_ejected_ratio",
        "_most",
        "_observer",
        "enforced",
        "spec",
    )

    def __init__(self, spec: EjectionSpec, observer: UpstreamObserver) -> None:
        """`observer` is told of ejections and readmissions; of none in shadow mode."""
        self.spec = spec
        self.enforced = spec.mode == "enforce"
        self._observer = observer
        self._consecutive_failures = spec.consecutive_failures
        self._base = spec.base
        self._max = spec.max
        # A larger n makes no longer ejection, and would only keep the endpoint from being forgiven.
        self._most = math.ceil(min(spec.max / spec.base, _MOST))
        self._max_ejected_ratio = spec.max_ejected_ratio

    def settle(self, now: float, started: float, health: EndpointHealth, outcome: Outcome) -> bool:
        """One attempt's outcome, of an attempt that began at `started`. True when it is time for `eject`."""
        if started <= health.counts_after:
            return False
        if outcome is _SUCCESS:
            health.consecutive_failures = 0
            return False
        if outcome is not _FAILURE:
            return False
        # First, because an ejection that is over begins the count anew.
        out = self.is_out(now, health)
        health.consecutive_failures += 1
        return not out and health.consecutive_failures >= self._consecutive_failures

    def is_out(self, now: float, health: EndpointHealth) -> bool:
        """Whether the endpoint is ejected, or in shadow mode would be. Tells a readmission that has come due."""
        if self.enforced:
            return not self.available(now, health)
        return now < health.shadow_until

    def available(self, now: float, health: EndpointHealth) -> bool:
        """Whether the endpoint takes attempts as far as ejection is concerned; always in shadow mode."""
        if health.ejected_until == _IN or not self.enforced:
            return True
        if now < health.ejected_until:
            return False
        self.readmit(now, health)
        return True

    def eject(self, now: float, health: EndpointHealth, total: int, out: int, others: int) -> float:
        """Eject one of `total` endpoints of which `out` are out already, for the seconds returned.

        0.0 where it may not be: more than max_ejected_ratio would be out, or none of the `others` takes attempts, so
        that this is the last one. It is asked for again after the next failure then.
        """
        if others < 1 or out + 1 > math.floor(self._max_ejected_ratio * total + _ROUNDING):
            return 0.0
        health.ejections = min(self._forgiven(now, health) + 1, self._most)
        seconds = min(self._base * health.ejections, self._max)
        health.clean_since = now + seconds
        health.consecutive_failures = 0
        health.counts_after = now
        if self.enforced:
            health.ejected_until = now + seconds
            self._observer.ejected(health.name, seconds)
        else:
            health.shadow_until = now + seconds
            # What begins meanwhile would not have begun.
            health.counts_after = now + seconds
            health.shadow_ejections += 1
        return seconds

    def readmit(self, now: float, health: EndpointHealth) -> bool:
        """End an ejection: its time is over, a check found the endpoint well, or an operator says so.

        True when there was one to end."""
        if health.ejected_until == _IN:
            return False
        if now < health.ejected_until:
            health.clean_since = now
        health.ejected_until = _IN
        health.consecutive_failures = 0
        if self.enforced:
            self._observer.readmitted(health.name)
        return True

    def snapshot(self, now: float, health: EndpointHealth) -> Mapping[str, object]:
        """What operators see of one endpoint. Changes nothing, so that a look at /status readmits nobody."""
        ejected = self.enforced and now < health.ejected_until
        return {
            "state": "ejected" if ejected else "available",
            "seconds_left": health.ejected_until - now if ejected else 0.0,
            "consecutive_failures": health.consecutive_failures,
            "ejections": self._forgiven(now, health),
            "shadow_ejections": health.shadow_ejections,
        }

    def _forgiven(self, now: float, health: EndpointHealth) -> int:
        """n after the clean periods since the last ejection ended."""
        if health.ejections == 0 or now < health.clean_since:
            return health.ejections
        # Compared before it is made an integer: a process may be up for longer than 2^31 periods of a short base.
        periods = (now - health.clean_since) / self._base
        return 0 if periods >= health.ejections else health.ejections - int(periods)
