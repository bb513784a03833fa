"""Work that may block, beside the loop: on a thread of its own, which nothing at the process's end waits for.

A file may be a pipe that nobody writes to, or on a server that is away. The loop's own threads are no place for that:
Python joins them at its end, so a process that was told to stop would wait for a read that never comes back.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

_T = TypeVar("_T")

# Who wants threads to take what turns just now. The interpreter has one value for all, and they end in any order.
_wanted: dict[object, float] = {}
_usual: list[float] = []
# How long a thread keeps the interpreter when the loop wants it: requests wait for it several times each. Python's own
# 5 ms made the slowest of them 20 ms slower; less than this gains nothing.
_TURN_SECONDS = 0.0005


@contextmanager
def short_turns(seconds: float = _TURN_SECONDS) -> Iterator[None]:
    """Meanwhile a thread that is at work gives way after so long to one that waits, the loop's among them. On the
    loop's thread; several may be open, and end in any order: the shortest holds."""
    ticket = object()
    if not _wanted:
        _usual[:] = [sys.getswitchinterval()]
    _wanted[ticket] = seconds
    sys.setswitchinterval(min(_wanted.values()))
    try:
        yield
    finally:
        del _wanted[ticket]
        sys.setswitchinterval(min(_wanted.values()) if _wanted else _usual[0])


async def aside(work: Callable[[], _T]) -> _T:
    """The result of `work`, or what it raises, while the loop goes on. Who leaves meanwhile leaves it behind."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    # Not in the future: an error's traceback holds this frame, which holds the future. Each reload that fails would
    # leave all that it has read to the garbage collector, and the next one would set it aside with what stays.
    found: list[tuple[_T | None, BaseException | None]] = []

    def told() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        try:
            found.append((work(), None))
        except BaseException as raised:  # noqa: BLE001 - it is raised where it is waited for
            found.append((None, raised))
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(told)

    threading.Thread(target=run, name="aside", daemon=True).start()
    await done
    result, error = found.pop()
    if error is None:
        return result  # type: ignore[return-value]  # it is a _T where there is no error
    try:
        raise error
    finally:
        del error
