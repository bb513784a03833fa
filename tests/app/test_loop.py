"""A process runs on uvloop, and without it all the same."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sidecar.app.loop import on_a_loop
from tests.doubles.process import ROOT


def test_without_uvloop_it_runs_all_the_same_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def seven() -> int:
        return 7

    monkeypatch.setitem(sys.modules, "uvloop", None)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    before = sys.unraisablehook
    assert on_a_loop(seven()) == 7
    assert sys.unraisablehook is not before  # see logs.except_names
    assert capsys.readouterr().err.count("uvloop is not installed") == 1


def test_a_process_that_is_aborted_says_where_it_was() -> None:
    aborting = (
        "import os\nfrom sidecar.app.loop import on_a_loop\n"
        "async def hanging(): os.kill(os.getpid(), 6)\n"
        "on_a_loop(hanging())"
    )
    ran = subprocess.run([sys.executable, "-c", aborting], cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == -6
    assert "Fatal Python error: Aborted" in ran.stderr
    assert "in hanging" in ran.stderr


def test_a_worker_does_without_the_admins_http_server() -> None:
    told = "import sys, sidecar.app.worker, sidecar.app.loop; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=False).returncode == 0
