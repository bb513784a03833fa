"""Sidecar beside itself: one real, short run, and what is printed of it."""

from __future__ import annotations

import pytest

from benchmarks import scale, scale_cases
from benchmarks.processes import StartError
from benchmarks.run import MissingProgramError
from tests.doubles.servers import require


def figures(name: str, *costs: float, errors: int = 0) -> scale.Figures:
    return scale.Figures(name, 400.0, [50 << 20, 61 << 20, 60 << 20], [1000.0] * len(costs), list(costs), 5, errors)


def test_a_run_fills_every_row_and_visits_it_in_every_round() -> None:
    require("nginx")
    require("wrk")
    rows = [scale_cases.routes(3), scale_cases.keys(2, 2)]
    said: list[str] = []
    measured = scale.measure(rows, 1, 1, said.append)
    assert [each.name for each in measured] == ["3 routes", "2 keys, 2 remembered"]
    assert measured[0].errors == 0
    assert measured[0].sent > 0
    assert measured[1].sent >= 2
    for each in measured:
        assert len(each.costs) == len(each.rates) == 1
        assert len(each.resident) == 3
        assert min(each.resident) > 0
    assert len(said) == 6


def test_the_table_compares_every_row_with_the_first() -> None:
    text = scale.report("many-routes", [figures("10 routes", 20.0, 22.0), figures("10000 routes", 23.1, 23.1)])
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    assert cells[2] == ["10 routes", "1 000", "21.0", "1.00", "400", "50", "61", "0"]
    assert cells[3] == ["10000 routes", "1 000", "23.1", "1.10", "400", "50", "61", "0"]


def test_failed_requests_are_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"errors": 0}

    def measure(rows: object, rounds: int, seconds: int, say: object) -> list[scale.Figures]:
        return [figures("one", 1.0, errors=results["errors"])]

    monkeypatch.setattr(scale, "measure", measure)
    assert scale.main([]) == 0
    assert capsys.readouterr().out.count("| one ") == len(scale_cases.NAMES)
    results["errors"] = 3
    assert scale.main(["--only", "many-keys"]) == 1
    assert "ERRORS: 3" in capsys.readouterr().out


@pytest.mark.parametrize("problem", [MissingProgramError("wrk"), StartError("did not answer")])
def test_what_cannot_be_measured_is_said(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(*_: object) -> list[scale.Figures]:
        raise problem

    monkeypatch.setattr(scale, "measure", measure)
    assert scale.main([]) == 2
    assert str(problem) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--keys", "0"], ["--only", "many-cats"], ["--wrong"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        scale.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
