"""Where the process's own words go: standard error, one JSON object a line or text, at the level of the rules.

The access log is not here: it is written to standard output by telemetry.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TextIO


class JsonLines(logging.Formatter):
    """One record as one JSON object on one line."""

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
        if record.exc_info:
            told["error"] = self.formatException(record.exc_info)
        return json.dumps(told, ensure_ascii=False, default=str)


class TextLines(logging.Formatter):
    """One record as a line for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; a traceback follows on its own lines."""
        text = f"{_instant(record.created)} {record.levelname.lower():7} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def set_up(level: str, form: str, stream: TextIO | None = None) -> logging.Handler:
    """Send the process's log to `stream` (standard error when None), in `form` json or text. Returns the handler."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    # A slow callback or an unclosed transport is our fault, but asyncio's debug chatter is nobody's.
    logging.getLogger("asyncio").setLevel(max(logging.INFO, root.level))
    return handler


def _instant(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
