"""Where the process's own words go: standard error, one JSON object a line or text, at the level of the rules.

The access log is telemetry's; only what its lines are written with is chosen here. A full disk, a closed pipe or a
reader that stopped costs lines and nothing else: they are dropped, counted, and told of when they can be written again.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TextIO

from sidecar.model.printable import printable, printable_json
from sidecar.telemetry.file_writer import FileWriter, Notice
from sidecar.telemetry.stats import Stats
from sidecar.telemetry.stream_writer import StreamWriter

if TYPE_CHECKING:
    from sys import UnraisableHookArgs as Unraisable

_RESET = "\x1b[0m"
_STDERR = 2
# What journald takes off the beginning of a line and files it under: sd-daemon(3).
_PRIORITIES = {logging.CRITICAL: "<2>", logging.ERROR: "<3>", logging.WARNING: "<4>", logging.DEBUG: "<7>"}
_USUAL_PRIORITY = "<6>"
_COLOURS = {logging.ERROR: "\x1b[31m", logging.WARNING: "\x1b[33m", logging.INFO: "", logging.DEBUG: "\x1b[2m"}


class JsonLines(logging.Formatter):
    """One record as one JSON object on one line; `also` is in each of them."""

    def __init__(self, also: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._also = also or {}

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        told: dict[str, object] = {
            "time": _instant(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name, value in record.__dict__.get("fields", {}).items():  # what `extra={"fields": …}` of a call said
            told.setdefault(name, value)
        told |= self._also
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return printable_json(json.dumps(told, ensure_ascii=False, default=str))


class TextLines(logging.Formatter):
    """One record as a line for people, its level in colour where that is wanted; `also` comes before its words."""

    def __init__(self, also: Mapping[str, object] | None = None, *, coloured: bool = False) -> None:
        super().__init__()
        self._coloured = coloured
        self._also = "".join(f"{name} {value}: " for name, value in (also or {}).items())

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on its own lines."""
        level = f"{record.levelname.lower():7}"
        colour = _COLOURS.get(record.levelno, "") if self._coloured else ""
        if colour:
            level = f"{colour}{level}{_RESET}"
        text = f"{_instant(record.created)} {level} {self._also}{printable(record.getMessage())}"
        if not record.exc_info:
            return text
        return "\n".join([text, *map(printable, self.formatException(record.exc_info).split("\n"))])


class Lines(logging.Handler):
    """Hands each record to `write` as one line, and never waits nor raises. Lines that `write` did not take, or lost
    later, are counted, and told of before the next one that it takes. `journalled`: each begins with its priority."""

    def __init__(self, write: Callable[[bytes], bool], *, journalled: bool = False) -> None:
        super().__init__()
        self.write = write
        self._journalled = journalled
        self.coloured = isinstance(write, StreamWriter) and write.coloured
        self.dropped = 0
        self._untold = 0
        # Not the handler's own, which `close` is called with, while a file's thread has losses to tell.
        self._counting = threading.RLock()
        self._stats: Stats | None = None
        if isinstance(write, FileWriter):
            write.lost = self.lost

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            line = self._line(record)
        except Exception as error:  # noqa: BLE001 - logging's own way is to print, which may wait
            line = self._line(_record(f"a line of {record.name} could not be made: {error!r}", {}))
        if not self._tell_dropped() or not self.write(line):
            self.lost(1)

    def lost(self, count: int, untold: int = 0) -> None:
        """So many lines were not written; `untold` more were counted before, and the notice of them was lost. May be
        told on any thread."""
        with self._counting:
            self._untold += count + untold
            self.dropped += count
            if self._stats is not None:
                self._stats.log_dropped = self.dropped

    def count_in(self, stats: Stats) -> None:
        """Count the lines that are not written there, those of before too."""
        self._stats = stats
        self.lost(0)

    def close(self) -> None:
        """See logging.Handler, which calls this at the end of the process: what still waits is written, for a second at
        most."""
        if isinstance(self.write, FileWriter):
            self.write.close()
        super().close()

    def _tell_dropped(self) -> bool:
        """Whether there is nothing left to tell of."""
        with self._counting:
            untold, self._untold = self._untold, 0
        if not untold:
            return True
        told = _record(f"{untold} lines of this log could not be written", {"event": "log_dropped", "dropped": untold})
        if self.write(Notice.of(untold, self._line(told))):
            return True
        self.lost(0, untold)
        return False

    def _line(self, record: logging.LogRecord) -> bytes:
        text = self.format(record)
        if self._journalled:
            priority = _PRIORITIES.get(record.levelno, _USUAL_PRIORITY)
            text = priority + text.replace("\n", f"\n{priority}")
        return text.encode("utf-8", "backslashreplace") + b"\n"


def set_up(
    level: str, form: str, stream: TextIO | None = None, also: Mapping[str, object] | None = None
) -> logging.Handler:
    """Send the process's log to `stream` (standard error when None), in `form` json or text. Returns the handler.
    `also` says in each line which process of several it is.

    May be called again, when other rules are in force.
    """
    root = logging.getLogger()
    ours = _ours()
    if ours is None or stream is not None:
        ours = Lines(_writer(stream or sys.stderr), journalled=stream is None and is_journal(_STDERR))
    ours.setFormatter(JsonLines(also) if form == "json" else TextLines(also, coloured=ours.coloured))
    for old in root.handlers[:]:
        root.removeHandler(old)
        if isinstance(old, Lines) and old is not ours:
            old.close()
    root.addHandler(ours)
    root.setLevel(level.upper())
    # A slow callback or an unclosed transport is our fault, but asyncio's debug chatter is nobody's.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))
    return ours


def count_in(stats: Stats) -> None:
    """Count there the lines of this log that are not written."""
    ours = _ours()
    if ours is not None:
        ours.count_in(stats)


def say(text: str) -> None:
    """Write to standard error for people, as far as that takes it."""
    ours = _ours()
    write = _writer(sys.stderr) if ours is None else ours.write
    write(text.encode("utf-8", "backslashreplace"))


def line_writer(descriptor: int, gather: float = 0.0) -> StreamWriter | FileWriter:
    """What writes lines there without ever having the loop wait; `gather` as FileWriter has it. A descriptor that is
    none takes no line."""
    with suppress(OSError):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return FileWriter(descriptor, gather)
    return StreamWriter(descriptor, coloured=is_for_people(descriptor))


def is_for_people(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether colours are welcome there: it is a terminal that knows them, and nobody has asked for none (NO_COLOR)."""
    return os.isatty(descriptor) and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def is_journal(descriptor: int, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether journald reads what is written there: JOURNAL_STREAM of systemd.exec(5) names its device and inode."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def hold_standard_streams() -> None:
    """Put /dev/null in the place of each standard stream that is closed.

    Else the next connection would get its number, and the log would be written to a client.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number is this one
    # Python has None for those that were closed when it started.
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def except_names(hook: Callable[[Unraisable], object]) -> Callable[[Unraisable], object]:
    """The hook (sys.unraisablehook) for all but names of TLS that are not ASCII.

    CPython tells it of each such name that a client asks for, so that strangers could write to standard error as often
    as they like; the listener counts their handshakes as failed and logs some of them (tls/names.py).
    """

    def told(fault: Unraisable) -> None:
        error = fault.exc_value
        if not (isinstance(error, UnicodeDecodeError) and error.object == fault.object):
            hook(fault)

    return told


def _writer(stream: TextIO | None) -> Callable[[bytes], bool]:
    if stream is None:  # it was closed when Python started
        return bool
    try:
        descriptor = stream.fileno()
    except OSError:  # it is in memory only
        return lambda line: bool(stream.write(line.decode("utf-8")))
    with suppress(OSError):
        stream.flush()
    return line_writer(descriptor)


def _ours() -> Lines | None:
    return next((one for one in logging.getLogger().handlers if isinstance(one, Lines)), None)


def _record(message: str, fields: dict[str, object]) -> logging.LogRecord:
    made = logging.LogRecord("sidecar.log", logging.WARNING, __file__, 0, message, (), None)
    made.__dict__["fields"] = fields
    return made


def _instant(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
