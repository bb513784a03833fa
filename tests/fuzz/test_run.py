"""A round of fuzzing: the time is shared out, a fault is found and left with the command that repeats it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import builds, corpus, run
from tests.fuzz.builds import Build
from tests.fuzz.table import TARGETS, Target

FAULTY = Target("faulty", "heads.request", (b"boom",), cut=b"o")
WORKER = """#!{python}
import sys
import tests.fuzz.table as table
import tests.fuzz.worker as worker

def run(data):
    if b"boom" in data:
        raise AssertionError("boom is there")

worker._target = lambda name: (table.Target(name, "", (b"boom",), cut=b"o"), run)
raise SystemExit(worker.main(sys.argv[1:]))
"""


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """A build in which a word is too much for a target."""
    monkeypatch.setattr(run, "HOME", tmp_path)
    monkeypatch.setattr(run, "FINDINGS", tmp_path / "findings")
    monkeypatch.setattr(corpus, "FOLDER", tmp_path / "corpus-kept")
    monkeypatch.setenv("PYTHONPATH", str(builds.ROOT))
    launcher = tmp_path / "interpreted" / "worker"
    launcher.parent.mkdir()
    launcher.write_text(WORKER.format(python=sys.executable))
    launcher.chmod(0o755)
    return Build("interpreted", launcher)


def test_time_is_shared_out_by_weight_and_between_builds() -> None:
    both = [Build("interpreted", Path("a")), Build("compiled", Path("b"))]
    work = run.shifts([TARGETS["request-head"], TARGETS["rules"], TARGETS["keys"]], both, 700)
    seconds = {(one.target.name, one.build.name): one.seconds for one in work}
    assert seconds == {
        ("request-head", "interpreted"): 150,
        ("request-head", "compiled"): 150,
        ("rules", "interpreted"): 300,
        ("keys", "interpreted"): 50,
        ("keys", "compiled"): 50,
    }


def test_a_fault_is_found_and_left_as_a_file_that_repeats_it(faulty: Build) -> None:
    (done,) = run.worked([run.Shift(FAULTY, faulty, 30)], 1, guided=False)
    assert done.executions > 0
    (finding,) = done.findings
    assert b"boom" in finding.read_bytes()
    assert "1 FOUND" in str(done)
    assert str(finding) in run.again(finding)
    repeated = subprocess.run(run.again(finding), shell=True, capture_output=True, text=True, check=False)
    assert repeated.returncode == 1
    assert "boom is there" in repeated.stderr


def test_an_input_that_kills_the_process_is_left_too(faulty: Build) -> None:
    text = faulty.launcher.read_text()
    faulty.launcher.write_text(text.replace('raise AssertionError("boom is there")', "import os; os._exit(3)"))
    (done,) = run.worked([run.Shift(FAULTY, faulty, 30)], 1, guided=False)
    (finding,) = done.findings
    assert b"boom" in finding.read_bytes()


def test_a_worker_that_does_not_work_is_a_finding(faulty: Build) -> None:
    faulty.launcher.write_text(f"#!{sys.executable}\nraise SystemExit('no')\n")
    (done,) = run.worked([run.Shift(FAULTY, faulty, 2)], 1, guided=True)
    assert done.findings == [done.said]
    assert done.said.read_text() == "no\n"


def test_what_was_done_is_added_up(faulty: Build) -> None:
    done = run.Done(run.Shift(FAULTY, faulty, 60), Path("x"), executions=1500, seconds=60.0, coverage=7)
    run.book([done])
    run.book([done])
    assert "| `faulty` | interpreted | 3,000 | 2.0 | 7 |" in run.table()


def test_inputs_that_the_builds_read_differently_are_told(
    faulty: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.write_text(faulty.launcher.read_text().replace("def run(data):", "def run(data):\n    return len(data)"))
    other.chmod(0o755)
    folder = corpus.FOLDER / FAULTY.name
    folder.mkdir(parents=True)
    (folder / "a").write_bytes(b"a")
    assert run.differences([FAULTY], [faulty, faulty]) == []
    assert run.differences([FAULTY], [faulty, Build("compiled", other)]) == [f"faulty {folder / 'a'}"]
    assert run.differences([FAULTY], [faulty]) == []
