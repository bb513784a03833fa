"""Slow start: an endpoint that is new or back again gets a share that grows, while its caches and threads warm up.

    share = weight · max(0.10, t / duration)        t: seconds since its upstream first chose with it there

This is Envoy's slow start with aggression 1 and its min_weight_percent of 10 (Upstream load balancing, "Slow start",
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/upstream/load_balancing/slow_start). Shares are whole
hundredths of the rules' weight, so that an endpoint of weight 1 can grow too.

Only arithmetic: which endpoint is new, and since when, is the upstream's (runtime/upstream.py).
"""

from __future__ import annotations

import math

from sidecar.policies.health_gate import SlowStart

FULL = 100  # shares to one unit of weight
_FULL = FULL  # compiled, a C number that nobody can import
STEADY = math.inf  # of `since`: the endpoint has its full share
NEWCOMER = -1.0  # of `since`: it begins with the first pick that sees it

_MIN_RATIO = 0.1


class SlowStartRamp:
    """How fast shares grow."""

    __slots__ = ("duration",)

    def __init__(self, duration: float) -> None:
        """`duration` in seconds, more than 0."""
        self.duration = duration

    def share(self, weight: int, since: float, now: float) -> int:
        """The share of an endpoint whose slow start began at `since`; at least 1, at the end `weight` times FULL."""
        full = weight * _FULL
        passed = now - since
        if passed >= self.duration:
            return full
        return max(1, int(full * max(_MIN_RATIO, passed / self.duration)))


def ramp_for(spec: SlowStart | None) -> SlowStartRamp | None:
    """The ramp of a rule; None where it is off, and in shadow mode, where nobody's share changes."""
    if spec is None or spec.duration is None or spec.mode == "shadow":
        return None
    return SlowStartRamp(spec.duration)
