"""What a histogram of `stats.py` says of latency: quantiles, as Prometheus would estimate them.

Owns the estimate, so that /status and a query of the same counts answer the same. Of several processes the buckets are
added up first: quantiles of parts are not a quantile of the whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from sidecar.telemetry.stats import BOUNDS

QUANTILES = (0.5, 0.9, 0.99)


def latency(buckets: Sequence[int], seconds: float) -> dict[str, Any]:
    """As /status tells it: `seconds` in all, and how many took how long. `buckets` are plain counts, not cumulated: one
    for each of BOUNDS, and one for what took longer."""
    return {
        "count": sum(buckets),
        "seconds": round(seconds, 6),
        "buckets": list(buckets),
        "quantiles": {str(one): quantile(one, buckets) for one in QUANTILES},
    }


def merged(latencies: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Several of the above as one; at least one."""
    counts = [sum(column) for column in zip(*(one["buckets"] for one in latencies), strict=True)]
    return latency(counts, sum(one["seconds"] for one in latencies))


def quantile(share: float, buckets: Sequence[int]) -> float | None:
    """The seconds that this share of all stayed below; None where there are none.

    As `histogram_quantile`: linear within the bucket, from 0 in the first; what is past the last bound counts as it.
    """
    total = sum(buckets)
    if not total:
        return None
    rank = share * total
    for place, up_to_here in enumerate(accumulate(buckets[:-1])):
        if up_to_here >= rank and buckets[place]:
            start = BOUNDS[place - 1] if place else 0.0
            below = up_to_here - buckets[place]
            return round(start + (BOUNDS[place] - start) * (rank - below) / buckets[place], 6)
    return BOUNDS[-1]
