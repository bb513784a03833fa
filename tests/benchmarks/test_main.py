"""The command line, and what a run leaves behind."""

from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import proxies
from benchmarks.result import Result, Sample
from benchmarks.run import MissingProgramError, Plan
from tests.doubles.benchmark_result import fixed_result


@pytest.fixture
def out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(program, "OUT", tmp_path)
    monkeypatch.setattr(program, "CHART", tmp_path / "chart.svg")
    return tmp_path


def measured(monkeypatch: pytest.MonkeyPatch, result: Result) -> list[Plan]:
    plans: list[Plan] = []

    def run(plan: Plan, _say: object) -> Result:
        plans.append(plan)
        return result

    monkeypatch.setattr(program, "run", run)
    return plans


def test_options_become_the_plan(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = measured(monkeypatch, fixed_result())
    arguments = ["--rounds", "3", "--seconds", "4", "--only", "small,get64k", "--proxies", "nginx,sidecar"]
    assert program.main(arguments) == 0
    assert plans == [Plan(3, 4, ["small", "get64k"], ["nginx", "sidecar"])]
    assert sorted(path.name for path in out.iterdir()) == ["result.json"]


def test_by_default_the_rows_are_those_without_policies(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = measured(monkeypatch, fixed_result())
    assert program.main([]) == 0
    assert [name for name in proxies.NAMES if "+policies" in name or name not in plans[0].proxies] == [
        name for name in proxies.NAMES if "+policies" in name
    ]
    assert program.parse(["--proxies", "sidecar+policies"]).proxies == ["sidecar+policies"]


def test_policies_adds_the_rows_with_policies_of_the_proxies_that_were_chosen(out: Path) -> None:
    assert program.parse(["--policies"]).proxies == list(proxies.NAMES)
    chosen = program.parse(["--policies", "--proxies", "sidecar,nginx"]).proxies
    assert chosen == ["nginx", "nginx+policies", "sidecar", "sidecar+policies"]


def test_publishing_writes_table_and_chart(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, fixed_result())
    assert program.main(["--publish"]) == 0
    assert (out / "table.md").read_text().startswith("| `small`")
    assert (out / "chart.svg").read_text().startswith("<svg")


def test_failed_requests_are_an_exit_status(
    out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    result = fixed_result()
    result.samples.append(Sample(0, "small", "nginx", 1, 1.0, 0.1, 1, 1.0, 1.0))
    measured(monkeypatch, result)
    assert program.main([]) == 1
    assert "ERRORS: 1" in capsys.readouterr().out
    assert (out / "result.json").exists()


@pytest.mark.parametrize(("problem", "status"), [(MissingProgramError("nginx"), 2), (KeyboardInterrupt(), 130)])
def test_a_run_that_did_not_happen_leaves_nothing(
    out: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException, status: int
) -> None:
    def run(_plan: Plan, _say: object) -> Result:
        raise problem

    monkeypatch.setattr(program, "run", run)
    assert program.main([]) == status
    assert list(out.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["--only", "big"],
        ["--only", ""],
        ["--proxies", "nginx,apache"],
        ["--rounds", "0"],
        ["--seconds", "0.5"],
        ["--only", "one", "--publish"],
    ],
)
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        program.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
