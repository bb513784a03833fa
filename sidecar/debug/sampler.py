"""Where the loop's thread is, so many times a second: a sampling profile, taken by a thread beside it.

Owns the thread and the counts. A sample needs the interpreter's lock for some microseconds, so it is taken where the
loop's thread can be interrupted, or where it waits. Compiled code cannot be interrupted and leaves no frame; and a call
of a few microseconds between two waits is over before it is. So many samples have no frame at all. How much of that was
work the thread's processor clock tells: what it says beyond the samples with frames is `FRAMELESS`, the rest `IDLE`.
"""

from __future__ import annotations

import asyncio
import ctypes
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from types import CodeType, FrameType

from sidecar.debug.places import function

IDLE = "(idle)"
FRAMELESS = "(no frame)"
OTHER = "(stacks beyond the bound)"

_MOST_STACKS = 5000
_DEEPEST = 100
# asyncio's own loop is Python and would be at the root of every stack.
_LOOP_FILES = ("asyncio/base_events.py", "asyncio/events.py", "selectors.py")
_JOIN_SECONDS = 1.0
_PR_SET_TIMERSLACK = 29


async def profile(seconds: float, hz: int) -> dict[str, object]:
    """Sample this loop's thread for so long. Whoever cancels it ends the samples."""
    sampler = Sampler(threading.get_ident(), await _base(), hz)
    sampler.start()
    try:
        await asyncio.sleep(seconds)
    finally:
        sampler.stop()
    return sampler.told()


class Sampler:
    """Samples one thread from `start` until `stop`. `base` is the frame that runs its loop: what is below it is not
    told; None tells whole stacks."""

    def __init__(self, thread: int, base: FrameType | None, hz: int) -> None:
        self._ident = thread
        self._base = base
        self._period = 1.0 / hz
        self._hz = hz
        self._counts: Counter[tuple[CodeType, ...]] = Counter()
        self._beyond = 0
        self._stopped = threading.Event()
        self._cpu = _CpuClock(thread)
        self._seconds = self._busy = 0.0
        self._begun = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="profile", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._begun = time.monotonic()
        self._busy = self._cpu.read()
        self._thread.start()

    def stop(self) -> None:
        """Take no more samples, and let go of the loop's frames."""
        self._stopped.set()
        self._thread.join(_JOIN_SECONDS)  # it sees that at once, and holds nothing that we could wait for
        self._seconds = time.monotonic() - self._begun
        self._busy = self._cpu.read() - self._busy
        self._base = None

    def told(self) -> dict[str, object]:
        """The stacks with their counts, the outermost function first, and how busy the thread was (None: not known)."""
        busy = min(1.0, self._busy / self._seconds) if self._cpu.is_known and self._seconds else None
        samples = self._counts.total() + self._beyond
        return {
            "seconds": round(self._seconds, 3),
            "hz": self._hz,
            "samples": samples,
            "busy": None if busy is None else round(busy, 4),
            "stacks": list(self._stacks(samples, busy)),
        }

    def sample(self) -> None:
        """Note where the thread is now."""
        frame = sys._current_frames().get(self._ident)
        base = self._base
        codes: list[CodeType] = []
        while frame is not None and frame is not base and len(codes) < _DEEPEST:
            codes.append(frame.f_code)
            frame = frame.f_back
        if base is not None:
            while codes and codes[-1].co_filename.endswith(_LOOP_FILES):
                codes.pop()
        key = tuple(reversed(codes))
        if key in self._counts or len(self._counts) < _MOST_STACKS:
            self._counts[key] += 1
        else:
            self._beyond += 1

    def _run(self) -> None:
        _wake_promptly()
        rng = random.Random()  # noqa: S311 - hides nothing
        due = time.monotonic()
        while True:
            # Uneven steps: even ones would meet what happens at a fixed pace always, or never. One that comes late is
            # not made up for, as the samples would no longer be of different moments.
            due = max(due + self._period * rng.uniform(0.5, 1.5), time.monotonic())
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                return
            self.sample()

    def _stacks(self, samples: int, busy: float | None) -> Iterable[tuple[tuple[str, ...], int]]:
        merged: Counter[tuple[str, ...]] = Counter()
        for codes, count in self._counts.items():
            merged[tuple(function(code) for code in codes)] += count
        bare = merged.pop((), 0)
        yield from merged.most_common()
        idle = bare if busy is None else min(bare, round(samples * (1.0 - busy)))
        for label, count in ((IDLE, idle), (FRAMELESS, bare - idle), (OTHER, self._beyond)):
            if count:
                yield (label,), count


def _wake_promptly() -> None:
    """Linux lets a thread's waits end 50 microseconds late, unless the thread asks for better: ours would sleep until
    what it is to meet is over."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


class _CpuClock:
    """The processor time of another thread, in seconds, where the system tells it."""

    def __init__(self, thread: int) -> None:
        made = getattr(time, "pthread_getcpuclockid", None)
        self._number = None if made is None else made(thread)

    @property
    def is_known(self) -> bool:
        """Whether the system tells it."""
        return self._number is not None

    def read(self) -> float:
        """The seconds that the thread has run; 0 where nobody knows."""
        return 0.0 if self._number is None else time.clock_gettime(self._number)


async def _base() -> FrameType | None:
    """The frame that all callbacks of the running loop are called from."""
    loop = asyncio.get_running_loop()
    found: asyncio.Future[FrameType | None] = loop.create_future()

    def called() -> None:
        frame = sys._getframe().f_back
        while frame is not None and frame.f_code.co_filename.endswith(_LOOP_FILES):
            if frame.f_code.co_name == "run_forever":
                break
            frame = frame.f_back
        found.set_result(frame)

    loop.call_soon(called)
    return await found
