"""The terminal that a command runs at: whether it is one, what is typed, and how it is given back.

Whatever is changed here, a mode or a signal's handler, is as it was when the context is left, on every way out that
Python knows of: an end, an exception, SIGINT, SIGTERM, a terminal that is closed.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TextIO

from sidecar.cli.sheets import Line, plain

_SEQUENCE = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
_NAMES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[5~": "page up",
    "\x1b[6~": "page down",
}
_OFF = b"\0"  # of a control character: there is none


def is_screen(stream: TextIO) -> bool:
    """Whether this can be drawn upon."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def wants_colour(stream: TextIO) -> bool:
    """Whether colours are welcome there (no-color.org)."""
    return is_screen(stream) and not os.environ.get("NO_COLOR")


def tolerant(stream: TextIO) -> None:
    """What the stream's encoding has no character for is shown as `?`, and fails nothing."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def keys(typed: bytes) -> list[str]:
    """The keys of what a terminal sent, arrows by name. Nothing sent is a terminal that is gone, and as good as `q`."""
    if not typed:
        return ["q"]
    return [_NAMES.get(found, found) for found in _SEQUENCE.findall(typed.decode(errors="replace"))]


def write(lines: Sequence[Line]) -> None:
    """Print the lines on standard output, however long they are: in colour at a terminal, else as text."""
    tolerant(sys.stdout)
    if wants_colour(sys.stdout):
        from sidecar.cli import paint  # rich takes longer to import than all the rest

        paint.show(lines)
    else:
        print("\n".join(plain(lines)))
    sys.stdout.flush()


@contextmanager
def raw(stream: TextIO) -> Iterator[int | None]:
    """Keys come at once and unseen; yields the descriptor to read them from, None where nobody types. Ctrl-C stays a
    signal; Ctrl-Z is off, for whoever stopped there would be left with a screen that is not theirs."""
    if not stream.isatty():
        yield None
        return
    descriptor = stream.fileno()
    before = termios.tcgetattr(descriptor)
    mode = termios.tcgetattr(descriptor)
    mode[3] &= ~(termios.ICANON | termios.ECHO)
    mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
    mode[6][termios.VSUSP] = _OFF
    termios.tcsetattr(descriptor, termios.TCSADRAIN, mode)
    try:
        yield descriptor
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def signals(wake: int) -> Iterator[None]:
    """A change of the screen's size writes to `wake`; SIGTERM and SIGHUP raise SystemExit, so that contexts are left.
    For the main thread."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    def note(_number: int, _frame: FrameType | None) -> None:
        """Nothing: that there is a handler makes the signal write to `wake`."""

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, end),
        signal.SIGHUP: signal.signal(signal.SIGHUP, end),
        signal.SIGWINCH: signal.signal(signal.SIGWINCH, note),
    }
    woken = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(woken)
        for number, handler in before.items():
            signal.signal(number, handler)
