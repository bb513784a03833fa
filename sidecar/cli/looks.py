"""Looks at a running sidecar, one after the other, on a thread of their own: a sidecar that hangs must not make the
keyboard hang.

Each look is a Glance or the sentence that says why there is none. Whoever waits for one waits on the descriptor.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sidecar.app.errors import CommandError
from sidecar.cli import client as admin_client
from sidecar.model.address import Address

_PATIENCE = 4.0


@dataclass(frozen=True, slots=True)
class Glance:
    """What a sidecar told: /status, and the last events, the oldest first."""

    told: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]


def glance(address: Address, timeout: float = admin_client.TIMEOUT) -> Glance:
    """Look once; CommandError says why there is nothing to see."""
    told = admin_client.status(address, timeout)
    return Glance(told, admin_client.events(address, timeout))


def pause(interval: float, took: float, *, heard: bool) -> float:
    """Seconds between a look that took so long, and was answered or not, and the next. What takes long to tell, as with
    ten thousand routes, keeps the loop that serves from serving: that is asked for a fifth of the time at most."""
    return max(0.0, interval - took, _PATIENCE * took if heard else 0.0)


class Looks:
    """Looks every `interval` seconds from now on, less often where a look takes long, until the context is left."""

    def __init__(self, address: Address, interval: float) -> None:
        self._address = address
        self._interval = interval
        self._found: deque[Glance | str] = deque(maxlen=16)
        self._stop = threading.Event()
        self._open = threading.Lock()
        self._readable, self.wake = os.pipe()
        os.set_blocking(self._readable, False)
        os.set_blocking(self.wake, False)  # as signal.set_wakeup_fd wants it
        self._thread = threading.Thread(target=self._look, name="looks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        # One that looks right now is not waited for: it finds nobody to tell, and ends.
        with self._open:
            self._stop.set()
            os.close(self._readable)
            os.close(self.wake)

    def wait(self, typed: int | None = None) -> bool:
        """Until there is a look, `wake` was written to, or there is something to read from `typed`; whether there
        is."""
        watched = [self._readable] if typed is None else [self._readable, typed]
        ready, _, _ = select.select(watched, [], [])
        if self._readable in ready:
            os.read(self._readable, 4096)
        return typed in ready

    def take(self) -> list[Glance | str]:
        """The looks since the last call, in their order."""
        found = []
        while self._found:
            found.append(self._found.popleft())
        return found

    def _look(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            try:
                found: Glance | str = glance(self._address)
            except CommandError as error:
                found = str(error)
            took = time.monotonic() - begun
            self._tell(found)
            self._stop.wait(pause(self._interval, took, heard=isinstance(found, Glance)))

    def _tell(self, found: Glance | str) -> None:
        with self._open:
            if self._stop.is_set():
                return
            self._found.append(found)
            with suppress(BlockingIOError):  # whoever waits has been woken many times already
                os.write(self.wake, b"\0")
