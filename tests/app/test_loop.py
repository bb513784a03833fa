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


def test_a_worker_does_without_the_admins_http_server() -> None:
    told = "import sys, sidecar.app.worker, sidecar.app.loop; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", told], cwd=ROOT, check=False).returncode == 0
