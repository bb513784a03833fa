"""Lines to a regular file, written by a thread of its own: no poll tells whether a disk has time, and a slow or remote
one would have whoever writes to it wait.

Whoever writes a line pays for a place in a queue that is bounded in lines and bytes. The thread takes all there are and
writes them together. What the file does not take is lost, and told.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import monotonic

MAX_QUEUED_LINES = 16_384
MAX_QUEUED_BYTES = 8 << 20
# How long the thread lets lines come together: it is woken at most fifty times a second, however many there are.
GATHER_SECONDS = 0.02
CLOSE_SECONDS = 1.0
_MAX_WRITE = 256 << 10


class Notice(bytes):
    """A line that tells of `count` lines lost before it: where it is lost itself, nobody was told of them."""

    told = 0

    @classmethod
    def of(cls, count: int, line: bytes) -> Notice:
        """This line, which tells of so many."""
        made = cls(line)
        made.told = count
        return made


class FileWriter:
    """Takes whole lines and never waits. `gather` in seconds; `lost` is told, on any thread, how many lines that were
    taken could not be written, and of how many others the notices among them would have told; `write` is os.write's
    like."""

    __slots__ = (
        "_bytes", "_descriptor", "_ending", "_idle", "_lines", "_lock", "_pending", "_thread", "_torn", "_wake",
        "_write", "gather", "lost",
    )  # fmt: skip

    def __init__(
        self, descriptor: int, gather: float = GATHER_SECONDS, write: Callable[[int, memoryview], int] = os.write
    ) -> None:
        """:raises OSError: the descriptor is none."""
        self._descriptor = os.dup(descriptor)  # our own: the number of one that is closed may be a client's next
        self._write = write
        self.gather = gather
        self.lost: Callable[[int, int], object] = _nobody
        # The collector of garbage may run wherever objects are made, and what it finds may log: each of these can be
        # entered again by the thread that is inside of it. A Condition cannot.
        self._lock = threading.RLock()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._idle = True  # the next line has to wake the thread
        self._lines: list[bytes] = []
        self._pending = 0  # lines and bytes that are not written yet, those under way too
        self._bytes = 0
        self._torn = False

    def __call__(self, line: bytes) -> bool:
        """Whether the line has a place; what becomes of it then, `lost` tells."""
        with self._lock:
            full = self._pending >= MAX_QUEUED_LINES or self._bytes + len(line) > MAX_QUEUED_BYTES
            if full or self._ending.is_set() or not self._started():
                return False
            self._lines.append(line)
            self._pending += 1
            self._bytes += len(line)
            if self._idle:  # else it comes by itself: waking it costs more than the line
                self._idle = False
                self._wake.put(None)
            return True

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Write what there is, and end. A disk that takes longer than `seconds` is left to itself, and its lines
        are lost."""
        until = monotonic() + seconds
        with self._lock:
            if self._ending.is_set():
                return
            self._ending.set()
            self._wake.put(None)
        if self._thread is not None:
            self._thread.join(max(0.0, until - monotonic()))
            if self._thread.is_alive():
                self._tell(self._pending, 0)
                return
        os.close(self._descriptor)

    def _started(self) -> bool:
        if self._thread is None:
            # A daemon, or a disk that hangs would keep the process from its end.
            thread = threading.Thread(target=self._run, name="log writer", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # no more threads for us
                return False
            self._thread = thread
        return True

    def _run(self) -> None:
        while True:
            if not self._ending.is_set():
                self._wake.get()
            self._ending.wait(self.gather)
            with self._lock:
                self._idle = True  # first: a line that comes in between wakes for nothing, instead of never
                lines, self._lines = self._lines, []
            if lines:
                self._put_all(lines)
            elif self._ending.is_set():
                return

    def _put_all(self, lines: list[bytes]) -> None:
        first = size = 0
        for place, line in enumerate(lines):
            size += len(line)
            if size >= _MAX_WRITE or place == len(lines) - 1:
                self._put(lines[first : place + 1], size)
                first, size = place + 1, 0

    def _put(self, lines: list[bytes], size: int) -> None:
        whole = memoryview(b"\n" * self._torn + b"".join(lines))
        sent = 0
        try:
            while sent < len(whole):
                sent += self._write(self._descriptor, whole[sent:])
        except OSError:
            pass  # full, gone, too large: the next may have better luck
        if sent:
            self._torn = whole[sent - 1] != ord("\n")
        with self._lock:
            self._pending -= len(lines)
            self._bytes -= size
        if sent < len(whole):
            missing = _unwritten(lines, sent)
            notices = [line for line in missing if isinstance(line, Notice)]
            self._tell(len(missing) - len(notices), sum(notice.told for notice in notices))

    def _tell(self, count: int, untold: int) -> None:
        try:
            self.lost(count, untold)
        except Exception:  # noqa: BLE001 - whoever listened is gone; the thread has more to write
            return


def _unwritten(lines: list[bytes], sent: int) -> Sequence[bytes]:
    for place, line in enumerate(lines):
        sent -= len(line)
        if sent < 0:
            return lines[place:]
    return ()


def _nobody(_count: int, _untold: int) -> None:
    pass
