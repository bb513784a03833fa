"""Tables from a fixed result: the figures, the ratios, and errors that cannot be overlooked."""

import pytest

from benchmarks import report
from benchmarks.loads import LOADS
from benchmarks.result import Sample
from tests.doubles.benchmark_result import fixed_result

SMALL = LOADS[0]


def cells(text: str, first: str) -> list[str]:
    """The cells of the line that starts with `first`."""
    for line in text.splitlines():
        found = [cell.strip() for cell in line.strip("|").split("|")]
        if found[0] == first:
            return found
    raise AssertionError(f"no line {first!r} in\n{text}")


def test_a_load_table_holds_rate_ratios_latency_cost_and_errors() -> None:
    text = report.load_table(fixed_result(), SMALL)
    assert cells(text, "`small`") == ["`small`", "req/s", "× Envoy", "× nginx", "p99 ms", "CPU µs/request", "errors"]
    assert cells(text, "**sidecar**") == ["**sidecar**", "41 000", "2.00", "0.80", "2.50", "20.0", "0"]
    assert cells(text, "envoy") == ["envoy", "20 500", "1.00", "0.40", "2.50", "20.0", "0"]
    assert cells(text, "direct")[5] == "–"


def test_ratios_are_absent_when_the_reference_was_not_measured() -> None:
    result = fixed_result()
    result.samples = [sample for sample in result.samples if sample.proxy == "sidecar"]
    assert cells(report.load_table(result, SMALL), "**sidecar**")[2:4] == ["–", "–"]


def test_a_paced_load_shows_latency_instead_of_throughput() -> None:
    latency = next(load for load in LOADS if load.paced)
    text = report.load_table(fixed_result(), latency)
    assert cells(text, "envoy") == ["envoy", "0.25", "0.50", "–", "0"]


def test_memory_is_shown_in_the_units_of_its_heading() -> None:
    assert cells(report.memory_table(fixed_result()), "nginx") == ["nginx", "30", "64", "2.0", "0"]


def test_the_cost_table_has_one_column_for_each_measured_load() -> None:
    text = report.cost_table(fixed_result())
    assert cells(text, "CPU µs/request") == ["CPU µs/request", "`small`", "`latency`"]
    assert cells(text, "nginx") == ["nginx", "20.0", "–"]


def test_every_line_of_a_table_is_equally_long() -> None:
    lines = report.load_table(fixed_result(), SMALL).splitlines()
    assert len({len(line) for line in lines}) == 1


def test_a_clean_run_says_so_and_a_failed_one_shouts() -> None:
    result = fixed_result()
    assert report.full(result).endswith("No errors.\n")
    result.samples.append(Sample(1, "small", "nginx", 1, 1.0, 0.1, 2, 1.0, 1.0))
    result.failed.append("caddy")
    assert "ERRORS: 2 failed requests" in report.full(result)
    assert "NOT MEASURED (did not start, or its policies are not in force): caddy." in report.full(result)


def test_the_summary_names_machine_commit_and_versions() -> None:
    text = report.summary(fixed_result())
    for part in ("0123456789ab", "x86_64, Test", "nginx 1.22.1", "envoy 1.40.0", "2 interleaved rounds of 1 s"):
        assert part in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (7.4, "7"), (512.3, "512"), (7511, "7 510"), (58_781, "58 800"), (1_234_567, "1 230 000")],
)
def test_counts_keep_three_digits(value: float, shown: str) -> None:
    assert report.thousands(value) == shown
