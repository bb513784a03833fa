"""The verbs of make and the script of CI, as far as they can be judged without running them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.doubles.servers import require

ROOT = Path(__file__).resolve().parents[2]
VERBS = ("run", "test", "check", "fmt", "build", "bench", "image", "deep", "clean")


def planned(*arguments: str) -> str:
    # A make above this test (make test) hands its flags down in the environment.
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "UPSTREAM"))}
    told = subprocess.run(
        [require("make"), "-n", "--no-print-directory", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return told.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_planned_without_an_error(verb: str) -> None:
    assert planned(verb)


def test_run_starts_the_demo_and_with_an_upstream_that_one() -> None:
    assert "sidecar demo --listen :8080 --admin 127.0.0.1:9901" in planned("run")
    own = planned("run", "UPSTREAM=http://127.0.0.1:3000")
    assert "sidecar run --upstream http://127.0.0.1:3000 --listen :8080 --admin 127.0.0.1:9901" in own


def test_the_last_thing_that_make_test_does_is_pytest() -> None:
    assert planned("test").splitlines()[-1].strip().endswith("-m pytest -q")


def test_the_help_names_every_verb() -> None:
    text = planned("help")
    assert [verb for verb in VERBS if not re.search(rf"\b{verb}\b", text)] == []


def test_the_script_of_ci_is_bash_and_can_be_run() -> None:
    script = ROOT / ".ci" / "run"
    subprocess.run([require("bash"), "-n", str(script)], check=True, timeout=30)
    assert os.access(script, os.X_OK)


def test_the_script_of_ci_stops_at_the_first_failure_and_lets_nothing_skip() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text
    assert "CI=true" in text
