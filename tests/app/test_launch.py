"""A process that outlives us is given away, and until then we know how it ended."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.launch import Launch
from tests.doubles.process import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="upgrades are Linux's")

Launching = Callable[..., Launch]


@pytest.fixture
def launching() -> Iterator[Launching]:
    """Starts Python with this program; whatever still runs of it is killed after the test."""
    made: list[tuple[Launch, int]] = []

    def launched(program: str, environment: Mapping[str, str] | None = None) -> Launch:
        launch = Launch([sys.executable, "-S", "-c", program], environment or {})
        made.append((launch, os.pidfd_open(launch.pid)))
        return launch

    yield launched
    for launch, descriptor in made:
        launch.let_go()
        with suppress(ProcessLookupError):  # by its descriptor: the number may be another's by now
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        os.close(descriptor)
        os.close(launch.ended)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def ended(launch: Launch) -> None:
    """Waits until it says that it has ended."""
    assert select.select([launch.ended], [], [], 60.0)[0]


@pytest.mark.parametrize(("program", "code"), [("raise SystemExit(3)", 3), ("import os; os.kill(os.getpid(), 9)", 137)])
def test_how_it_ended_is_known_while_it_is_ours(launching: Launching, program: str, code: int) -> None:
    launch = launching(program)
    ended(launch)
    assert launch.let_go() == code
    assert launch.let_go() == 0


def test_once_let_go_it_lives_on_and_is_not_our_descendant(launching: Launching) -> None:
    launch = launching("import time; time.sleep(600)")
    between = parent_of(launch.pid)
    assert parent_of(between) == os.getpid()
    assert launch.let_go() == 0
    assert not Path(f"/proc/{between}").exists()
    assert parent_of(launch.pid) not in (between, os.getpid())


def test_who_stands_between_holds_nothing_open(launching: Launching) -> None:
    reading, writing = os.pipe()
    launching("import time; time.sleep(600)")
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_it_has_the_environment_that_it_is_given_and_nothing_to_read(launching: Launching, tmp_path: Path) -> None:
    program = "import os, sys; open(os.environ['TOLD'], 'w').write(sys.stdin.read() + os.environ.get('HOME', 'none'))"
    launch = launching(program, {"TOLD": str(tmp_path / "told")})
    ended(launch)
    assert (tmp_path / "told").read_text() == "none"


def test_what_cannot_be_started_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        Launch([str(tmp_path / "gone")], {})


async def test_a_signal_that_reaches_the_copy_too_is_heard_once(
    launching: Launching, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    popen = subprocess.Popen

    def signalled(*given: Any, **more: Any) -> Any:  # in the copy only
        os.kill(os.getpid(), signal.SIGUSR1)
        return popen(*given, **more)

    monkeypatch.setattr(subprocess, "Popen", signalled)
    loop = asyncio.get_running_loop()
    signals = (signal.SIGUSR1, signal.SIGUSR2)
    before = [signal.getsignal(one) for one in signals]
    for one in signals:
        loop.add_signal_handler(one, heard.put_nowait, one.name)
    try:
        launching("")
        os.kill(os.getpid(), signal.SIGUSR2)
        async with asyncio.timeout(60):
            assert await heard.get() == "SIGUSR2"
    finally:
        for one, way in zip(signals, before, strict=True):
            loop.remove_signal_handler(one)
            signal.signal(one, way)


@pytest.mark.parametrize("refused", ["fork", "pidfd_open"])
def test_what_the_system_refuses_leaves_nothing_open(refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: object) -> int:
        raise OSError(11, "no room")

    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(os, refused, refusing)
    with pytest.raises(OSError, match="no room"):
        Launch([sys.executable, "-S", "-c", ""], {})
    assert len(os.listdir("/proc/self/fd")) == before


def test_when_we_die_it_is_given_away_too() -> None:
    program = (
        "import os, sys\nfrom sidecar.app.launch import Launch\n"
        "launch = Launch([sys.executable, '-S', '-c', 'import os, time; os.close(1); time.sleep(600)'], {})\n"
        "print(launch.pid, launch._between, flush=True)\nos._exit(0)"
    )
    said = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=60)
    pid, between = map(int, said.stdout.split())
    with suppress(ProcessLookupError):  # it has left already
        descriptor = os.pidfd_open(between)
        assert select.select([descriptor], [], [], 60.0)[0]
        os.close(descriptor)
    os.kill(pid, signal.SIGKILL)
