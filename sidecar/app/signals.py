"""SIGTERM and SIGINT as calls on the loop's thread. Knows nothing of what they mean."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LEAVING = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def heard(on_signal: Callable[[str], None], signals: tuple[signal.Signals, ...] = LEAVING) -> Iterator[None]:
    """Call `on_signal` with the name of each of `signals` that arrives while the context is open.

    Afterwards they mean nothing: the process is on its way out, and one that came now would take its exit code."""
    loop = asyncio.get_running_loop()
    for one in signals:
        loop.add_signal_handler(one, on_signal, one.name)
    try:
        yield
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
            signal.signal(one, signal.SIG_IGN)
