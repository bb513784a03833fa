"""The access log: one JSON object a line for each exchange that is worth one.

Owns which exchanges are written, their fields and the bound on lines a second. Never raises and never waits: a full
disk, a closed pipe or a reader that stopped costs lines, which are counted, and never a request.
"""

from __future__ import annotations

import json
import os
import select
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from sidecar.model.record import ExchangeLog, ExchangeRecord
from sidecar.telemetry.stats import Stats

Access = Literal["off", "errors", "all"]

MAX_LINES_PER_SECOND = 1000
# A pipe that is ready takes PIPE_BUF bytes at once and whole (POSIX write); a longer line could block or be torn.
MAX_LINE_BYTES = select.PIPE_BUF
_MAX_TEXT = 1024


class StreamWriter:
    """Writes whole lines to a descriptor without ever waiting for its reader."""

    __slots__ = ("_descriptor", "_given", "_poll", "_torn")

    def __init__(self, descriptor: int) -> None:
        self._given = descriptor
        self._descriptor = _unblocked(descriptor)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._torn = False

    def __call__(self, line: bytes) -> bool:
        """Write one line; whether it is written whole. One of at most MAX_LINE_BYTES is not torn by another process's
        in a pipe; a longer one may be."""
        if self._torn:
            line = b"\n" + line
        sent = 0
        while sent < len(line):
            written = self._put(line[sent : sent + MAX_LINE_BYTES])
            if not written:
                break
            sent += written
        if sent:
            self._torn = sent < len(line)
        return sent == len(line)

    def __del__(self) -> None:
        if self._descriptor != self._given:
            os.close(self._descriptor)

    def _put(self, part: bytes) -> int:
        try:
            ready = self._poll.poll(0)
            if not ready or not ready[0][1] & select.POLLOUT or ready[0][1] & (select.POLLERR | select.POLLNVAL):
                return 0
            return os.write(self._descriptor, part)
        except OSError:
            return 0


def _unblocked(descriptor: int) -> int:
    """The same pipe or terminal opened anew, not to block; the descriptor itself where it cannot be.

    Setting O_NONBLOCK on the descriptor would set it for every process that shares it, the shell among them. The poll
    before a write is not enough where several processes write to one pipe: all of them may see the same last place.
    """
    try:
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode) or os.isatty(descriptor):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass  # a pipe of another user's, or one that nobody reads
    return descriptor


class AccessLog(ExchangeLog):
    """Writes exchanges. `errors`: those answered with 5xx or by the sidecar itself; `all`; or `off`."""

    __slots__ = ("_access", "_left", "_monotonic", "_stats", "_untold", "_wall", "_window", "_write")

    def __init__(
        self,
        access: Access,
        stats: Stats,
        write: Callable[[bytes], bool],
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`write` takes one line and tells whether it is written; it does not raise. `wall` is Unix seconds."""
        self._access = access
        self._stats = stats
        self._write = write
        self._monotonic = monotonic
        self._wall = wall
        self._window = 0
        self._left = MAX_LINES_PER_SECOND
        self._untold = 0

    def follow(self, access: Access) -> None:
        """Write what other rules ask for, from now on."""
        self._access = access

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        """Whether such an exchange is to be written; `refused` when the sidecar or a fallback answered by itself."""
        return self._access == "all" or (self._access == "errors" and (status >= 500 or refused))

    def exchange(self, record: ExchangeRecord) -> None:
        """Write one exchange that is wanted, when the second's lines are not used up."""
        second = int(self._monotonic())
        if second != self._window:
            self._window = second
            self._left = MAX_LINES_PER_SECOND
            self._tell_dropped()
        if self._left <= 0:
            self._drop()
            return
        self._left -= 1
        if not self._write(_line(_fields(record, self._time()))):
            self._drop()

    def flush(self) -> None:
        """Tell of lines that were dropped and not told of yet; for the end of the process."""
        self._tell_dropped()

    def _drop(self) -> None:
        self._stats.access_log_dropped += 1
        self._untold += 1

    def _tell_dropped(self) -> None:
        if self._untold:
            told = {"time": self._time(), "level": "warning", "event": "access_log_dropped", "dropped": self._untold}
            if self._write(_line(told)):
                self._untold = 0

    def _time(self) -> str:
        moment = datetime.fromtimestamp(self._wall(), UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: ExchangeRecord, moment: str) -> dict[str, object]:
    reason = record.reason
    level = "error" if record.status >= 500 else "warning" if reason is not None else "info"
    return {
        "time": moment,
        "level": level,
        "request_id": _text(record.request_id),
        "trace_id": _text(record.trace_id),
        "route": record.route,
        "method": _text(record.method),
        "path": _text(record.path),
        "status": record.status,
        "reason": None if reason is None else reason.code,
        "rule": record.rule,
        "duration_ms": round(record.duration_ms, 3),
        "upstream": record.upstream,
        "endpoint": record.endpoint,
        "attempts": record.attempts,
        "fallback": record.fallback,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "client": record.client,
        "detail": record.detail,
    }


def _text(raw: bytes) -> str:
    # ASCII out, whatever came in: no byte of a request may end a line or steer a terminal.
    text = raw[: _MAX_TEXT + 1].decode("ascii", "backslashreplace")
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "…"


def _line(fields: dict[str, object]) -> bytes:
    line = json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"
    if len(line) <= MAX_LINE_BYTES:
        return line
    # Only escapes make a line this long (one byte can be six characters): keep it whole JSON, without what came in.
    short = {name: value if not isinstance(value, str) else value[:64] for name, value in fields.items()}
    return json.dumps(short, separators=(",", ":")).encode("ascii") + b"\n"
