"""What is different in the one-file executable (docs/binary.md), and made the same again before anything else runs.

It is two processes: a launcher that unpacks the files into a folder, passes signals on, passes our exit code out and
removes the folder; and this one. Owns their living and dying together, and reading on from the file that was started
when another one takes its place. Knows PyInstaller's launcher, and nothing of the proxy.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from sidecar.transport.activation import service_pid

_PR_SET_PDEATHSIG = 1
_OURSELVES = Path("/proc/self/exe")
_STAYING = ("run", "demo")
_WORKER = "worker"
# What the launcher compares with its own path to know whether the files are unpacked for it already.
_UNPACKED_FOR = "_PYI_ARCHIVE_FILE"


def settle(words: Sequence[str]) -> None:
    """Once, first, in a frozen program; `words` is what was typed after its name."""
    _read_on_from_ourselves()
    if words[:1] == [_WORKER] or service_pid() == os.getpid():
        return
    _die_with_the_launcher()
    if words[:1] and words[0] in _STAYING:
        # A terminal's Ctrl-C goes to the group of the launcher, which passes it on: here it would arrive twice, and a
        # second one means "now".
        os.setpgid(0, 0)
        # In the group behind, where `stty tostop` would stop us for good at the first line that we write.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGINT, _interrupted)


def named() -> str:
    """The path that this program was started by. A symbolic link stays one: it may lead to a newer version by now."""
    word = sys.orig_argv[0]
    return (word if "/" in word else shutil.which(word)) or sys.executable


def worker_program() -> tuple[str, dict[str, str]]:
    """What runs a worker of this very version, and its variables beyond our own: this file, or a copy of it where
    another one has taken its place. OSError where there is no room for one."""
    ours = Path(sys.executable)
    if _is_ourselves(ours):
        return str(ours), {}
    copy = Path(_folder()).resolve() / "sidecar-worker"
    if not copy.exists():
        half = copy.with_suffix(".half")
        shutil.copyfile(_OURSELVES, half)
        half.chmod(0o700)
        half.rename(copy)
    return str(copy), {_UNPACKED_FOR: str(copy)}


def _folder() -> str:
    return str(getattr(sys, "_MEIPASS", ""))


def _is_ourselves(path: Path) -> bool:
    try:
        return path.samefile(_OURSELVES)
    except FileNotFoundError:
        return not _OURSELVES.exists()  # without /proc there is nothing better


def _read_on_from_ourselves() -> None:
    """Modules are read when they are first imported, from the file by its path, where a newer version may stand."""
    archive = getattr(sys.modules.get("pyimod02_importers"), "pyz_archive", None)
    if archive is not None and _is_ourselves(Path(archive._filename)):
        archive._filename = str(_OURSELVES)


def _die_with_the_launcher() -> None:
    """Nobody would know of us any more, nor remove the folder: so we drain, end, and remove it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    atexit.register(_clear_up)
    if os.getppid() != service_pid():  # it died before we had asked to be told
        sys.exit(128 + signal.SIGTERM)


def _clear_up() -> None:
    if os.getppid() != service_pid():
        shutil.rmtree(_folder(), ignore_errors=True)


def _interrupted(number: int, frame: FrameType | None) -> None:
    """As Python does, but once: of a terminal's Ctrl-C the launcher hears as well, and passes it on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt
