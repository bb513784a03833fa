"""The access log: one line for each exchange that is worth one.

Owns which exchanges are written, why, and the bound on lines a second. Never raises and never waits: a full disk, a
closed pipe or a reader that stopped costs lines, which are counted, and never a request.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, log1p
from typing import Literal

from sidecar.model.record import ExchangeLog, ExchangeRecord
from sidecar.telemetry.access_format import dropped_line, json_line, text_line
from sidecar.telemetry.file_writer import Notice
from sidecar.telemetry.paced import Paced, Start
from sidecar.telemetry.stats import Stats

Access = Literal["off", "errors", "sampled", "all"]

# A flood of refusals must not make the log the bottleneck: at some 10 us a line this is a hundredth of a core.
MAX_LINES_PER_SECOND = 1000
_NEVER = 1 << 62


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """What is written, and how. `share` from 0 to 1, `slow` in seconds, `rate` in lines a second, at least one a minute
    or so; these three concern `sampled` only."""

    access: Access = "errors"
    form: Literal["json", "text"] = "json"
    share: float = 0.01
    slow: float = inf
    rate: float = 100.0


class AccessLog(ExchangeLog):
    """Writes exchanges. `errors`: those answered with 5xx or by the sidecar itself; `sampled`: those, the slow ones and
    a paced share of the rest; `all`; or `off`."""

    __slots__ = (
        "_access", "_coloured", "_left", "_moment", "_monotonic", "_paced", "_random", "_second", "_settings", "_skip",
        "_slow", "_stats", "_untold", "_wall", "_window", "_write",
    )  # fmt: skip

    def __init__(
        self,
        settings: AccessSettings,
        stats: Stats,
        write: Callable[[bytes], bool],
        start: Start,
        random: Callable[[], float],
        *,
        coloured: bool = False,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`write` takes one line and tells whether it is written; it does not raise. `start` starts the task that paces
        samples, `random` draws from [0, 1). `coloured` is for text. `wall` is Unix seconds."""
        self._stats = stats
        self._write = write
        self._random = random
        self._coloured = coloured
        self._monotonic = monotonic
        self._wall = wall
        self._window = 0
        self._second = -1
        self._moment = ""
        self._left = MAX_LINES_PER_SECOND
        self._untold = 0
        self._paced = Paced(self._put, start, settings.rate)
        self.follow(settings)

    def follow(self, settings: AccessSettings) -> None:
        """Write what other rules ask for, from now on."""
        self._settings = settings
        self._access = settings.access
        self._slow = settings.slow
        self._skip = self._gap()
        self._paced.keep_to(settings.rate)

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        """See ExchangeLog. A sample is wanted only where it has a place: who finds none is simply not sampled."""
        if self._access == "errors":
            return status >= 500 or refused
        if self._access != "sampled":
            return self._access == "all"
        if status >= 500 or refused or seconds >= self._slow:
            return True
        if self._skip > 0:
            self._skip -= 1
            return False
        self._skip = self._gap()
        has_room: bool = self._paced.has_room
        return has_room

    def exchange(self, record: ExchangeRecord) -> None:
        """Write one exchange that is wanted: a sample when its turn comes, anything else at once, unless the second's
        lines are used up. The log that is to have all has them all."""
        second = int(self._monotonic())
        if second != self._window:
            self._window = second
            self._left = MAX_LINES_PER_SECOND
            self._tell_dropped()
        logged = self._why(record)
        if logged == "sample":
            self._paced(self._line(record, logged))
        elif self._access == "all":
            self._put(self._line(record, logged))
        elif self._left > 0:
            self._left -= 1
            self._put(self._line(record, logged))
        else:
            self.lost(1)

    def lost(self, count: int, untold: int = 0) -> None:
        """So many lines were not written; those that `write` took and lost later are told here too. `untold` more were
        counted before, and the notice of them was lost."""
        self._stats.access_log_dropped += count
        self._untold += count + untold

    def flush(self) -> None:
        """Write what still waits, and tell of lines that were dropped and not told of yet; for the end."""
        self._paced.flush()
        self._tell_dropped()

    def _gap(self) -> int:
        """How many exchanges are passed over before the next sample. One draw for a whole gap gives each exchange the
        same chance as a draw for each would, at the price of a subtraction."""
        share = self._settings.share
        if share >= 1.0:
            return 0
        if share <= 0.0:
            return _NEVER
        gap = log1p(-self._random()) / log1p(-share)
        return _NEVER if gap >= _NEVER else int(gap)

    def _why(self, record: ExchangeRecord) -> str:
        if record.status >= 500 or record.reason is not None or record.fallback:
            return "error"
        if self._access == "all":
            return "all"
        return "slow" if record.duration_ms >= self._slow * 1000 else "sample"

    def _line(self, record: ExchangeRecord, logged: str) -> bytes:
        if self._settings.form == "text":
            return text_line(record, logged, self._time(), self._coloured)
        return json_line(record, logged, self._time())

    def _put(self, line: bytes) -> None:
        if not self._write(line):
            self.lost(1)

    def _tell_dropped(self) -> None:
        untold = self._untold
        if untold and self._write(Notice.of(untold, dropped_line(untold, self._time(), self._settings.form))):
            self._untold = 0

    def _time(self) -> str:
        now = self._wall()
        second = int(now)
        if second != self._second:  # a calendar for each line would be a fifth of what it costs
            self._second = second
            self._moment = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._moment}.{int((now - second) * 1000):03}Z"
