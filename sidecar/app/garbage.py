"""When the garbage collector looks, and at what.

Once serving, a full collection of a large heap (a table of keys, ten thousand routes) would stop the loop for
milliseconds, and would find nothing: the path of a request makes no cycles. What a reload leaves behind may.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# Objects made and not freed since the collector last looked at the youngest.
_COLLECT_AFTER = 20_000

# Rules that were go without a look, by their counts of references. A quarter more than there was says that something
# did not, or that the rules have grown.
_LOOK_AFTER_GROWTH = 1.25

# Reloads come in storms; one look after the last of them is enough.
_AFTER_A_RELOAD = 1.0


def give_back() -> None:
    """Free what can be freed, and return it to the system where the C library can (glibc)."""
    gc.collect()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def tidy() -> None:
    """Collect what can be collected. The rest stays for good: the collector need not look at it, and rarely at what
    comes."""
    gc.unfreeze()
    give_back()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 100)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Nothing is collected meanwhile. To make a thousand routes makes nothing that could be freed, and looking for it
    in between takes longer than making them.

    What has been left behind until now is freed first, or `Tidying` would set it aside: an indented answer of the admin
    is a cycle of three kilobytes (json.encoder), and whoever reloads has one.
    """
    gc.collect(0)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Tidying:
    """Tidies some time after the last of several reloads, if what is kept has grown. On the loop's thread."""

    __slots__ = ("_handle", "_loop", "_objects")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._objects: int | None = None  # set aside when it was last tidied

    def soon(self) -> None:
        """There was a reload just now: what it made is set aside at once, or the next request would be held up by a
        look at all of it."""
        self.cancel()
        if self._objects is None:
            self._objects = gc.get_freeze_count()
        gc.freeze()
        self._handle = self._loop.call_later(_AFTER_A_RELOAD, self._tidy)

    def cancel(self) -> None:
        """Not any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _tidy(self) -> None:
        if gc.get_freeze_count() > (self._objects or 0) * _LOOK_AFTER_GROWTH:
            tidy()
            self._objects = gc.get_freeze_count()
