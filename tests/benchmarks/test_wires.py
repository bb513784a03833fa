"""TLS and TCP beside others: one real, short run over each wire, and what is printed of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import wires
from benchmarks.processes import StartError
from benchmarks.run import MissingProgramError
from benchmarks.wires import COMPARISONS, SIDECAR, Comparison, Figures, Wires
from tests.doubles.servers import require

TLS, TCP = COMPARISONS[0], next(each for each in COMPARISONS if each.name == "tcp-1m")


def figures(name: str, *costs: float, errors: int = 0) -> Figures:
    return Figures(name, [1000.0] * len(costs), list(costs), errors)


@pytest.mark.parametrize("comparison", [TLS, TCP], ids=lambda each: each.name)
def test_a_run_visits_every_row_in_every_round(comparison: Comparison, tmp_path: Path) -> None:
    for name in ("nginx", "wrk", "haproxy", "openssl"):
        require(name)
    said: list[str] = []
    measured = Wires(comparison, ("haproxy", SIDECAR), None, tmp_path, said.append).run(1, 1)
    assert [each.name for each in measured] == ["haproxy", SIDECAR]
    for each in measured:
        assert len(each.costs) == len(each.rates) == 1
        assert each.rates[0] > 0
        assert each.errors == 0
    assert len(said) == 2


def cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]


def test_the_table_says_how_much_of_sidecars_time_each_takes() -> None:
    table = cells(wires.report(TLS, [figures("haproxy", 24.0, 26.0, 25.0), figures(SIDECAR, 20.0)]))
    assert table[2] == ["haproxy", "1 000", "25.0", "1.25", "0"]
    assert table[3] == [SIDECAR, "1 000", "20.0", "1.00", "0"]


def test_where_bytes_count_the_table_says_how_many() -> None:
    table = cells(wires.report(TCP, [figures("haproxy", 1048.576), figures("nginx", 0.0)]))
    assert table[2] == ["haproxy", "1 000", "1048.6", "1.00", "-", "0"]
    assert table[3] == ["nginx", "1 000", "0.0", "-", "-", "0"]


def test_who_cannot_take_part_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(wires.ROWS, "envoy", (lambda: None, wires.ROWS["envoy"][1]))
    said: list[str] = []
    made = Wires(TCP, (), None, tmp_path, said.append)
    assert made._found("envoy") is None
    monkeypatch.setitem(wires.ROWS, "nginx", (lambda: "nginx", wires.ROWS["nginx"][1]))
    assert made._found("nginx") is None
    assert said == ["skipped: envoy is not installed", "skipped: nginx has no ngx_stream_module.so"]


def test_splicing_is_measured_only_where_many_bytes_pass_as_they_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    row = "haproxy+splice"
    monkeypatch.setitem(wires.ROWS, row, (lambda: "haproxy", wires.ROWS[row][1]))
    taking_part = [each.name for each in COMPARISONS if Wires(each, (), None, tmp_path, print)._found(row)]
    assert taking_part == ["tcp-1m"]


def test_a_module_of_nginx_is_found_where_it_is(tmp_path: Path) -> None:
    assert wires.stream_module([str(tmp_path)]) is None
    module = tmp_path / "ngx_stream_module.so"
    module.write_bytes(b"")
    assert wires.stream_module(["/nowhere", str(tmp_path)]) == module


def test_failed_requests_are_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"errors": 0}
    monkeypatch.setattr(Wires, "run", lambda *_: [figures("one", 1.0, errors=results["errors"])])
    assert wires.main([]) == 0
    assert capsys.readouterr().out.count("| one ") == len(COMPARISONS)
    results["errors"] = 3
    assert wires.main(["--only", TCP.name]) == 1
    assert "ERRORS: 3" in capsys.readouterr().out


@pytest.mark.parametrize("problem", [MissingProgramError("wrk"), StartError("did not answer")])
def test_what_cannot_be_measured_is_said(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> list[Figures]:
        raise problem

    monkeypatch.setattr(Wires, "run", run)
    assert wires.main([]) == 2
    assert str(problem) in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--only", "udp"], ["--proxies", "squid"], ["--wrong"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        wires.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
