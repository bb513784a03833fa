"""Rows are dealt into batches that the machine carries, and one run measures, saves and reports."""

import argparse
import sys
from pathlib import Path

import pytest

from benchmarks import overload
from benchmarks.overload_result import Result
from benchmarks.overload_rows import CAPACITY, PLAIN, ROWS, Row
from benchmarks.proxies import Proxy
from tests.doubles.overload_result import fixed_result

SHORT = ["--loads", "0.2", "--seconds", "0.5", "--warm", "0", "--no-slowdown"]


@pytest.mark.parametrize("load", [0.2, 0.5, 1, 1.5, 2, 5])
def test_batches_hold_every_row_once_and_no_more_load_than_allowed(load: float) -> None:
    dealt = list(overload.batches(ROWS, load, 2600))
    assert sorted(row.name for batch in dealt for row in batch) == sorted(row.name for row in ROWS)
    sizes = [len(batch) for batch in dealt]
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == 1 or max(sizes) * load * CAPACITY <= 2600


def test_a_family_names_all_its_rows() -> None:
    chosen = overload.parser().parse_args(["--proxies", "nginx,sidecar adaptive"]).proxies
    assert [row.name for row in chosen] == ["nginx", "sidecar adaptive", "nginx told"]


@pytest.mark.parametrize("words", [["--proxies", "nginy"], ["--loads", "0"], ["--loads", "11"], ["--loads", "x"]])
def test_what_makes_no_sense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        overload.parser().parse_args(words)
    assert "error" in capsys.readouterr().err


def test_no_load_at_all_leaves_the_slowdown() -> None:
    assert overload.parser().parse_args(["--loads", ""]).loads == []


def test_one_run_measures_saves_and_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overload, "OUT", tmp_path)
    assert overload.main(["--proxies", "direct", *SHORT]) == 0
    (point,) = Result.load(tmp_path / "overload.json").ramp
    assert (point.row, point.load) == ("direct", 0.2)
    assert point.verdict.offered > 20
    assert 0 < point.worked <= point.verdict.offered
    assert "| direct" in capsys.readouterr().out
    assert (tmp_path / "overload.svg").is_file()


def test_a_row_that_does_not_start_is_told_and_left_out() -> None:
    broken = Proxy(
        "broken", lambda: sys.executable, lambda program: "0", lambda program, site: [program, "-c", "1 / 0"]
    )
    options = overload.parser().parse_args(["--loads", "0.2,0.5"])
    options.command = "test"
    told: list[str] = []
    result = overload.measure(options, [Row("broken", PLAIN, broken)], told.append)
    assert (result.ramp, result.steps) == ([], [])
    assert "ZeroDivisionError" in result.failed["broken"]
    assert len(told) == 1, "it is not tried again for each load"


def test_an_earlier_run_is_drawn_and_published_without_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, file in (("OUT", "out"), ("CHART", "chart.svg"), ("PAGE", "page.md")):
        monkeypatch.setattr(overload, name, tmp_path / file)
    (tmp_path / "page.md").write_text("a\n<!-- measured -->\n<!-- /measured -->\nz\n")
    fixed_result().save(tmp_path / "before.json")
    assert overload.main(["--draw", str(tmp_path / "before.json"), "--publish"]) == 0
    page = (tmp_path / "page.md").read_text()
    assert page.startswith("a\n")
    assert page.endswith("z\n")
    assert capsys.readouterr().out.strip() in page
    assert (tmp_path / "chart.svg").read_text().startswith("<svg")


def test_where_nothing_is_installed_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overload, "OUT", tmp_path)
    gone = Proxy("gone", lambda: None, lambda program: program, lambda program, site: [program])
    monkeypatch.setattr(overload, "_chosen", lambda names: [Row("gone", PLAIN, gone)])
    assert overload.main(["--proxies", "gone", *SHORT]) == 2
    assert capsys.readouterr().err == "gone is skipped: it is not installed\n"


def test_a_load_is_a_number_of_capacities() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="at most 10"):
        overload._loads("1,20")
