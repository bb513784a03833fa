"""The children that nobody here has started. The kernel gives process 1 of a container whatever loses its parent there,
a shell of `kubectl debug` say, and each that ends keeps its number until process 1 has asked for its exit code.

Knows no process by name: whoever started one asks for its code within milliseconds, so what waits for longer is an
orphan. SIGCHLD cannot be heard instead: the loop's library has its one handler, for the workers.
"""

from __future__ import annotations

import asyncio
import os

# Seconds. A number that is kept for that long is no loss; one that waits is an orphan a second later.
PERIOD = 10.0
_AGAIN = 1.0


class Orphans:
    """Reaps them, one a second. On the loop's thread."""

    __slots__ = ("_handle", "_loop", "_period", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, period: float = PERIOD) -> None:
        self._loop = loop
        self._period = period
        self._handle: asyncio.TimerHandle | None = None
        self._waiting = 0

    def start(self) -> None:
        """Look from now on, in process 1; any other process gets none."""
        if os.getpid() == 1:
            self.look()

    def stop(self) -> None:
        """Not any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def look(self) -> None:
        """Reap the child that has ended and was there at the last look already; look again later."""
        ended = _ended()
        if ended and ended == self._waiting:
            os.waitpid(ended, 0)
            ended = _ended()
        self._waiting = ended
        # Those behind it are seen when it is gone.
        self._handle = self._loop.call_later(min(self._period, _AGAIN) if ended else self._period, self.look)


def _ended() -> int:
    """A child that has ended and whose exit code nobody has asked for; 0 for none."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return 0
    return 0 if found is None else found.si_pid
