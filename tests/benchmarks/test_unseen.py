"""The sidecar without metrics serves all the same, and counts nothing."""

from __future__ import annotations

import subprocess
import sys

from tests.doubles.process import ROOT

_CODE = """
from benchmarks.unseen import blind
from sidecar.telemetry.stats import RouteStats, Stats
blind()
stats = Stats()
route = stats.route("a")
route.started()
assert not isinstance(route, RouteStats) and not isinstance(stats.unrouted, RouteStats)
assert stats.routes == {} and stats.upstream("b").connected("ok") is None and stats.upstreams == {}
assert stats.breaker("c").transition("closed", "open", "") is None and stats.breakers == {}
print("blind")
"""


def test_nothing_is_counted_once_it_is_blind() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("blind\n", "")
