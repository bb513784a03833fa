"""What process 1 of a container inherits is reaped; what the process itself has started is left to whoever waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.orphans import PERIOD, Orphans
from tests.doubles.timers import Timers

ROOT = Path(__file__).resolve().parents[2]

# Real children, of a process of their own: this one has others.
_TWO_ORPHANS = """
import os
from sidecar.app.orphans import Orphans
from tests.doubles.timers import Timers

def child():
    number = os.fork() or os._exit(0)
    os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    return number

def left():
    return [number for number in numbers if os.path.exists(f"/proc/{number}")]

numbers = [child(), child()]
orphans = Orphans(Timers())
for _ in range(4):
    orphans.look()
    print(len(left()))
"""


def test_each_that_has_waited_since_the_last_look_is_reaped() -> None:
    done = subprocess.run([sys.executable, "-c", _TWO_ORPHANS], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1", "0", "0"]


def test_one_that_somebody_asks_for_in_time_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = iter([7, 0, 7, 0])
    monkeypatch.setattr("sidecar.app.orphans._ended", lambda: next(ended))
    timers: Any = Timers()
    orphans = Orphans(timers)
    for _ in range(4):  # `waitpid` of 7 would raise: it is no child
        orphans.look()
    assert timers.due() == [1.0, PERIOD, 1.0, PERIOD]


def test_it_looks_in_process_1_only(monkeypatch: pytest.MonkeyPatch) -> None:
    timers: Any = Timers()
    Orphans(timers).start()
    assert timers.due() == []
    monkeypatch.setattr("sidecar.app.orphans._ended", lambda: 0)
    monkeypatch.setattr(os, "getpid", lambda: 1)
    orphans = Orphans(timers)
    orphans.start()
    assert timers.due() == [PERIOD]
    orphans.stop()
    assert timers.due() == []
