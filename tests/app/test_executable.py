"""The one-file executable's two processes live and die as one. Its launcher is played by a process of Python's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sidecar.app import executable

ROOT = Path(__file__).resolve().parents[2]
# Names its folder by its own process, and starts the program with it.
LAUNCHER = """
import os, subprocess, sys
folder = sys.argv[1] + "/_MEI%08xabc123" % os.getpid()
os.mkdir(folder)
child = subprocess.Popen([sys.executable, "-c", sys.argv[2], folder, *sys.argv[3:]])
sys.exit(child.wait())
"""
PROGRAM = """
import os, signal, sys
sys.frozen, sys._MEIPASS = True, sys.argv[1]
from sidecar.app.executable import settle
if sys.argv[2] == "orphan":
    launcher = os.getppid()
    os.kill(launcher, signal.SIGKILL)
    while os.getppid() == launcher:
        os.sched_yield()
settle(sys.argv[2:])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
told, tell = os.pipe()  # not signal.pause: a signal may come just before it
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)
try:
    print(os.getpid(), os.getpgid(0), flush=True)
    while True:
        os.read(told, 1)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    os.kill(os.getpid(), signal.SIGINT)
    print("once", flush=True)
"""


@contextmanager
def launched(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int, int]]:
    """The launcher, its child and that one's process group."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(folder), PROGRAM, *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert launcher.stdout is not None
    child, group = map(int, launcher.stdout.readline().split())
    try:
        yield launcher, child, group
    finally:
        for pid in (launcher.pid, child):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        launcher.wait()
        launcher.stdout.close()


def test_a_launcher_that_is_killed_takes_the_program_and_its_folder_along(tmp_path: Path) -> None:
    with launched(tmp_path, "run") as (launcher, _, _):
        assert len(list(tmp_path.iterdir())) == 1
        launcher.kill()
        assert launcher.stdout is not None
        assert launcher.stdout.read() == ""  # its end: the program has let go of it
    assert list(tmp_path.iterdir()) == []


def test_a_launcher_that_was_killed_before_we_began_does_so_too(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LAUNCHER, str(tmp_path), PROGRAM, "orphan"]
    ran = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (-signal.SIGKILL, b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["run", "demo"])
def test_what_stays_is_out_of_a_terminals_reach(tmp_path: Path, word: str) -> None:
    with launched(tmp_path, word) as (_, child, group):
        assert group == child


def test_what_stays_writes_to_a_terminal_that_stops_whoever_is_not_in_front(tmp_path: Path) -> None:
    with launched(tmp_path, "run") as (_, child, _):
        told = dict(line.split(":\t") for line in Path(f"/proc/{child}/status").read_text().splitlines())
        assert int(told["SigIgn"], 16) & 1 << signal.SIGTTOU - 1


def test_any_other_command_is_interrupted_once(tmp_path: Path) -> None:
    with launched(tmp_path, "status") as (launcher, child, group):
        assert group == launcher.pid
        os.kill(child, signal.SIGINT)
        assert launcher.stdout is not None
        assert launcher.stdout.read() == "interrupted\nonce\n"


def test_a_worker_and_a_program_in_a_folder_settle_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    before = (os.getpgid(0), signal.getsignal(signal.SIGINT))
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/sidecar/_internal", raising=False)
    executable.settle(["status"])
    monkeypatch.setattr(sys, "_MEIPASS", "/tmp/_MEI0000a1b2Xy3_9z", raising=False)
    executable.settle(["worker", "3"])
    assert (os.getpgid(0), signal.getsignal(signal.SIGINT)) == before


def test_workers_run_the_file_that_we_were_started_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/proc/self/exe")
    assert executable.worker_program() == ("/proc/self/exe", {})
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    monkeypatch.setattr(sys, "_MEIPASS", str(unpacked), raising=False)
    newer = tmp_path / "sidecar"
    newer.touch()
    for replaced in (newer, tmp_path / "gone"):
        monkeypatch.setattr(sys, "executable", str(replaced))
        program, also = executable.worker_program()
        assert also == {"_PYI_ARCHIVE_FILE": program}
        assert Path(program).read_bytes() == Path("/proc/self/exe").read_bytes()
        assert os.access(program, os.X_OK)
    assert len(list(unpacked.iterdir())) == 1


def test_modules_are_read_on_from_the_file_that_we_were_started_from(monkeypatch: pytest.MonkeyPatch) -> None:
    class Archive:
        _filename = os.path.realpath(sys.executable)

    class Importers:
        pyz_archive = Archive()

    monkeypatch.setitem(sys.modules, "pyimod02_importers", Importers)
    executable.settle(["worker", "3"])
    assert Importers.pyz_archive._filename == "/proc/self/exe"


def test_it_is_named_by_what_was_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "sidecar"
    program.touch(0o755)
    monkeypatch.setattr(sys, "executable", "/opt/sidecar-1.0/sidecar")
    monkeypatch.setenv("PATH", str(tmp_path))
    for typed, name in (("./sidecar", "./sidecar"), ("sidecar", str(program)), ("unknown", "/opt/sidecar-1.0/sidecar")):
        monkeypatch.setattr(sys, "orig_argv", [typed, "run"])
        assert executable.named() == name
