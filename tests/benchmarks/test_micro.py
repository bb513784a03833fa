"""The timing of single calls: what is counted, what is printed, and that every case still runs."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from benchmarks.micro import __main__ as program
from benchmarks.micro.cases import CASES, Case


class SteppedClock:
    """Gives instants that grow with the calls that were made, one millisecond for each."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def prepare(self) -> Callable[[int], None]:
        """A case whose every call takes a millisecond of this clock."""

        def calls(count: int) -> None:
            self.now += count * 1e-3

        return calls


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_every_case_can_be_called(case: Case) -> None:
    calls = case.prepare()
    calls(3)
    calls(2)
    assert program.is_compiled(case.module) in (False, True)


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_a_call_costs_its_round_s_time_shared_by_all_calls_of_the_round() -> None:
    clock = SteppedClock()
    timing = program.measure(Case("call", "benchmarks.micro.cases", clock.prepare), 3, clock)
    assert math.isclose(timing.median, 1e6)
    assert math.isclose(timing.best, 1e6)
    assert not timing.compiled


def test_what_is_no_python_source_is_compiled() -> None:
    assert program.is_compiled("math")
    assert not program.is_compiled("benchmarks.micro.cases")


def test_the_table_says_what_ran() -> None:
    text = program.table([program.Timing("a call", 41.6, 40.0, True), program.Timing("b", 1200.0, 1100.4, False)])
    assert text.splitlines() == [
        "call     ns/call      best  runs",
        "a call        42        40  compiled",
        "b           1200      1100  interpreted",
    ]


def test_a_run_times_the_cases_that_were_chosen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "_ROUND_SECONDS", 0.0)
    assert program.main(["--rounds", "1", "--only", "refused"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in printed] == ["call", "rate_limits, refused"]


@pytest.mark.parametrize("arguments", [["--rounds", "0"], ["--only", "no such call"], ["--wrong"]])
def test_a_wrong_command_line_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        program.parse(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err
