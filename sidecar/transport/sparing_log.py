"""Warnings that strangers can cause as often as they like, told of a few times a second.

Owns the pace. What is said is its user's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

_PER_SECOND = 10


class SparingLog:
    """Warns through `log`, at most ten times in a second of the clock `now`; the next line says how many were not."""

    __slots__ = ("_log", "_now", "_said", "_second", "_unsaid")

    def __init__(self, log: logging.Logger, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._second = -1.0
        self._said = 0
        self._unsaid = 0

    def warn(self, text: str) -> None:
        """Say it, or count it."""
        now = self._now()
        if now >= self._second + 1.0:
            self._second = now
            self._said = 0
        if self._said >= _PER_SECOND:
            self._unsaid += 1
            return
        self._said += 1
        if self._unsaid:
            text = f"{text} (and {self._unsaid} more since the last line)"
            self._unsaid = 0
        self._log.warning("%s", text)
