"""Quantiles of a histogram are those that Prometheus would estimate, whatever the counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.telemetry.latency import latency, merged, quantile
from sidecar.telemetry.stats import BOUNDS, bucket

PLACES = len(BOUNDS) + 1
histograms = st.lists(st.integers(0, 50), min_size=PLACES, max_size=PLACES)


def counts(**places: int) -> list[int]:
    """By the place of a bucket, `p0=3`."""
    return [places.get(f"p{place}", 0) for place in range(PLACES)]


def test_of_nothing_there_is_no_quantile() -> None:
    assert quantile(0.5, counts()) is None
    assert latency(counts(), 0.0)["quantiles"] == {"0.5": None, "0.9": None, "0.99": None}


@pytest.mark.parametrize(
    ("share", "buckets", "seconds"),
    [
        # Worked out by hand after histogram_quantile's definition.
        (0.5, counts(p0=10), 0.00025),
        (0.5, counts(p1=10), 0.00075),
        (0.9, counts(p0=50, p3=50), 0.0045),
        (0.5, counts(p0=5, p9=5), 0.0005),
        (0.99, counts(p2=98, p16=2), 60.0),
        (0.0, counts(p4=1), 0.005),
    ],
)
def test_it_lies_within_its_bucket_as_far_as_its_rank(share: float, buckets: list[int], seconds: float) -> None:
    assert quantile(share, buckets) == pytest.approx(seconds)


@given(st.lists(st.floats(0, 60, exclude_min=True), min_size=1), st.floats(0.01, 1))
def test_it_is_in_the_bucket_of_the_value_of_that_rank(durations: list[float], share: float) -> None:
    buckets = [0] * PLACES
    for seconds in durations:
        buckets[bucket(seconds)] += 1
    rank = share * len(durations)
    exact = next(seconds for place, seconds in enumerate(sorted(durations)) if place + 1 >= rank)
    found = quantile(share, buckets)
    place = bucket(exact)
    assert found is not None
    assert (BOUNDS[place - 1] if place else 0.0) <= found + 1e-6
    assert found <= BOUNDS[place] + 1e-6


@given(histograms, st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_takes_no_less_time(buckets: list[int], one: float, other: float) -> None:
    low, high = quantile(min(one, other), buckets), quantile(max(one, other), buckets)
    assert (low is None) == (high is None) == (not any(buckets))
    assert low is None or high is None or low <= high


@given(st.lists(histograms, min_size=1, max_size=4))
def test_the_quantiles_of_several_are_those_of_all_their_requests(parts: list[list[int]]) -> None:
    whole = [sum(column) for column in zip(*parts, strict=True)]
    assert merged([latency(part, 0.5) for part in parts]) == latency(whole, 0.5 * len(parts))


def test_counts_are_told_as_they_are() -> None:
    told = latency(counts(p0=3, p16=1), 61.00049951)
    assert (told["count"], told["seconds"], told["buckets"]) == (4, 61.0005, counts(p0=3, p16=1))
