"""Both formats hold for those who read them: Prometheus' own checker, and a strict parser of OpenMetrics."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.samples import Exemplar

from sidecar.telemetry.metrics import Metrics
from sidecar.telemetry.stats import BOUNDS, Stats
from tests.doubles.exposition import rendered
from tests.doubles.servers import require
from tests.telemetry.test_metrics import OPENMETRICS, TRACE, busy, exposed

# OpenMetrics 1.0, "Exemplars": names and values of an exemplar's labels, together.
MOST_RUNES = 128


def exemplars(stats: Stats, route: str) -> dict[str, Exemplar]:
    """By the bound of their bucket."""
    return {
        sample.labels["le"]: sample.exemplar
        for family in exposed(stats, OPENMETRICS)
        for sample in family.samples
        if sample.exemplar is not None and sample.labels["route"] == route
    }


@pytest.mark.parametrize("stats", [busy(), Stats()], ids=["busy", "new"])
def test_prometheus_finds_nothing_to_complain_of(stats: Stats) -> None:
    body, _ = rendered(Metrics(stats, {"version": "1.2.3"}), "")
    found = subprocess.run([require("promtool"), "check", "metrics"], input=body, capture_output=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, b"", b"")


def test_a_bucket_s_exemplar_leads_to_a_trace() -> None:
    found = exemplars(busy(), "login")
    assert {le: (one.labels, one.value) for le, one in found.items()} == {
        "0.0005": ({"trace_id": TRACE.decode()}, 0.0004),
        "0.005": ({"trace_id": TRACE.decode()}, 0.003),
        "+Inf": ({"trace_id": TRACE.decode()}, 61.0),
    }


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([b"", TRACE, b"f" * 32]), st.booleans())))
def test_an_exemplar_lies_in_its_bucket_and_is_short_enough(ended: list[tuple[float, bytes, bool]]) -> None:
    stats = Stats()
    for seconds, trace_id, sampled in ended:
        stats.route("a").started()
        stats.route("a").finished(b"GET", 200, seconds, trace_id, sampled)
    stats.route("a")
    bounds = [0.0, *BOUNDS, float("inf")]
    for le, one in exemplars(stats, "a").items():
        place = bounds.index(float(le))
        assert bounds[place - 1] <= one.value <= bounds[place]
        assert sum(len(name) + len(text) for name, text in one.labels.items()) <= MOST_RUNES


def test_prometheus_text_has_no_exemplars() -> None:
    body, _ = rendered(Metrics(busy(), {}), "")
    assert TRACE not in body
    assert all(line.startswith((b"# HELP ", b"# TYPE ")) for line in body.splitlines() if b"#" in line)


def test_no_series_says_when_it_was_made() -> None:
    for accept in ("", OPENMETRICS):
        assert b"_created" not in rendered(Metrics(busy(), {}), accept)[0]
