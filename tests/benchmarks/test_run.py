"""One real, short run: the smallest that passes through every step, with nginx as backend and as proxy."""

import dataclasses
from pathlib import Path

import pytest

from benchmarks import cpu, proxies, run
from benchmarks.processes import Program
from benchmarks.run import MissingProgramError, Plan
from tests.doubles.servers import require


def test_a_run_visits_each_row_with_each_load_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("nginx")
    require("wrk")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    started: list[int] = []
    start = Program.__init__

    def recording(self: Program, *arguments: object, **named: object) -> None:
        start(self, *arguments, **named)  # type: ignore[arg-type]  # passed through unchanged
        started.append(self.pid)

    monkeypatch.setattr(Program, "__init__", recording)
    said: list[str] = []
    result = run.run(Plan(1, 1, ["small", "latency"], ["direct", "nginx"]), said.append)
    visited = [(sample.load, sample.proxy) for sample in result.samples]
    assert visited == [("small", "direct"), ("small", "nginx"), ("latency", "direct"), ("latency", "nginx")]
    assert result.errors() == 0
    assert all(sample.requests > 0 for sample in result.samples)
    assert [sample.cpu_seconds is None for sample in result.samples] == [True, False, True, False]
    assert len(said) == 4
    assert len(started) == 2
    assert [cpu.tree(pid) for pid in started] == [[], []]
    assert list(tmp_path.iterdir()) == []


def test_a_row_whose_policies_are_not_in_force_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    require("nginx")
    require("wrk")
    plain = next(proxy for proxy in proxies.PROXIES if proxy.name == "nginx")
    monkeypatch.setattr(proxies, "PROXIES", (dataclasses.replace(plain, name="claims+policies", policies=True),))
    said: list[str] = []
    result = run.run(Plan(1, 1, ["small", "memory"], ["claims+policies"]), said.append)
    assert result.failed == ["claims+policies"]
    assert (result.samples, result.footprints) == ([], [])
    assert "not in force" in said[0]


def test_without_its_tools_nothing_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "find", lambda name: None if name == "wrk" else f"/usr/bin/{name}")
    with pytest.raises(MissingProgramError, match="wrk"):
        run.run(Plan(1, 1, ["small"], ["direct"]), lambda _: None)
