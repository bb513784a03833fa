"""Medians, sums of errors, and JSON that comes back as it went."""

from pathlib import Path

import pytest

from benchmarks.result import Footprint, Result, Row, Sample
from tests.doubles.benchmark_result import fixed_result


def test_json_comes_back_equal(tmp_path: Path) -> None:
    result = fixed_result()
    path = tmp_path / "new" / "result.json"
    result.save(path)
    assert Result.from_json(path.read_text()) == result


def test_a_row_is_the_median_of_its_rounds() -> None:
    row = fixed_result().row("small", "nginx")
    assert row is not None
    assert row.rate == 51_000
    assert row.cpu_us == pytest.approx(20.0)


def test_the_direct_row_has_no_cpu_time() -> None:
    row = fixed_result().row("small", "direct")
    assert row is not None
    assert row.cpu_us is None


def test_what_was_not_measured_has_no_row() -> None:
    result = fixed_result()
    assert result.row("small", "caddy") is None
    assert result.footprint("direct") is None


def test_a_round_without_any_answer_keeps_its_errors() -> None:
    row = Row.of([Sample(0, "small", "x", 0, 1.0, 0.1, 64, 0.0, 0.0)])
    assert row is not None
    assert (row.rate, row.cpu_us, row.errors) == (0.0, None, 64)


def test_errors_are_summed_over_samples_and_starts() -> None:
    result = fixed_result()
    assert result.errors() == 0
    result.samples.append(Sample(1, "small", "nginx", 1, 1.0, 0.1, 2, 1.0, 1.0))
    result.footprints.append(Footprint(1, "nginx", 1.0, 1, 1.0, 3))
    assert result.errors() == 5


def test_rows_keep_the_order_of_measuring() -> None:
    assert fixed_result().proxies() == ["direct", "nginx", "envoy", "sidecar"]


def test_a_footprint_is_the_median_of_its_starts() -> None:
    result = fixed_result()
    result.footprints += [Footprint(1, "nginx", 10.0, 1, 0.0, 0), Footprint(2, "nginx", 20.0, 1, 0.0, 1)]
    found = result.footprint("nginx")
    assert found == Footprint(3, "nginx", 20.0, 1, 0.0, 1)
