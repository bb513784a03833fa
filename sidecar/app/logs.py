"""Where the process's own words go: standard error, one JSON object a line or text, at the level of the rules.

The access log is not here: it is written to standard output by telemetry. A full disk, a closed pipe or a reader that
stopped costs lines and nothing else: they are dropped, counted, and told of when lines can be written again.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import TextIO

from sidecar.telemetry.log import StreamWriter


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
        return json.dumps(told, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """One record as a line for people; `also` comes before its words."""

    def __init__(self, also: Mapping[str, object] | None = None) -> None:
        super().__init__()
        self._also = "".join(f"{name} {value}: " for name, value in (also or {}).items())

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on its own lines."""
        text = f"{_instant(record.created)} {record.levelname.lower():7} {self._also}{record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class Lines(logging.Handler):
    """Hands each record to `write` as one line, and never waits nor raises. Lines that `write` did not take are
    counted, and told of before the next one that it takes."""

    def __init__(self, write: Callable[[bytes], bool]) -> None:
        super().__init__()
        self.write = write
        self._untold = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        try:
            line = self._line(record)
        except Exception as error:  # noqa: BLE001 - logging's own way is to print, which may wait
            line = self._line(_record(f"a line of {record.name} could not be made: {error!r}", {}))
        if self._untold:
            dropped = {"event": "log_dropped", "dropped": self._untold}
            if self.write(self._line(_record(f"{self._untold} lines of this log could not be written", dropped))):
                self._untold = 0
        if self._untold or not self.write(line):
            self._untold += 1

    def _line(self, record: logging.LogRecord) -> bytes:
        return self.format(record).encode("utf-8", "backslashreplace") + b"\n"


def set_up(
    level: str, form: str, stream: TextIO | None = None, also: Mapping[str, object] | None = None
) -> logging.Handler:
    """Send the process's log to `stream` (standard error when None), in `form` json or text. Returns the handler.
    `also` says in each line which process of several it is.

    May be called again, when other rules are in force.
    """
    root = logging.getLogger()
    ours = next((one for one in root.handlers if isinstance(one, Lines)), None)
    if ours is None or stream is not None:
        ours = Lines(_writer(stream or sys.stderr))
    ours.setFormatter(JsonLines(also) if form == "json" else TextLines(also))
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(ours)
    root.setLevel(level.upper())
    # A slow callback or an unclosed transport is our fault, but asyncio's debug chatter is nobody's.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))
    return ours


def say(text: str) -> None:
    """Write to standard error for people, as far as that takes it."""
    _writer(sys.stderr)(text.encode("utf-8", "backslashreplace"))


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


def _writer(stream: TextIO | None) -> Callable[[bytes], bool]:
    if stream is None:  # it was closed when Python started
        return bool
    try:
        descriptor = stream.fileno()
    except OSError:  # it is in memory only
        return lambda line: bool(stream.write(line.decode("utf-8")))
    with suppress(OSError):
        stream.flush()
    return StreamWriter(descriptor)


def _record(message: str, fields: dict[str, object]) -> logging.LogRecord:
    made = logging.LogRecord("sidecar.log", logging.WARNING, __file__, 0, message, (), None)
    made.__dict__["fields"] = fields
    return made


def _instant(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
