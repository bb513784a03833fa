"""Notices that a file which the rules were read from holds something else, however it was changed.

Owns when a look is due and when the files hold still. What a file holds decides, never a time stamp or an event: an
event only says when to look, so a lost one (a network file system has none) costs at most two seconds, and an editor's
rename, a ConfigMap's swapped link and a write in place are all the same.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from pathlib import Path

from watchfiles import awatch

from sidecar.app.aside import aside
from sidecar.rules.source import fingerprint
from sidecar.transport.tasks import Tasks

_LOG = logging.getLogger("sidecar.reload")

# Seconds. `QUIET`: whoever writes has ended when nothing changed for so long. `AT_MOST`: a file that never holds still
# is read all the same. `GRACE`: one that is away or empty may be about to be written. `POLL`: between two looks without
# an event.
QUIET = 0.1
AT_MOST = 2.0
GRACE = 1.0
POLL = 2.0

Prints = dict[str, str]
# The directories to watch, each with what tells it from another one of the same path.
_Aim = dict[str, tuple[int, int]]


class Watcher:
    """Calls `reload` when a source no longer holds what it held when it was last read.

    `sources` tells the files of the last attempt to read rules, each with its fingerprint; it is asked anew each time.
    """

    def __init__(
        self, reload: Callable[[], Awaitable[object]], tasks: Tasks, sources: Callable[[], Mapping[str, str]]
    ) -> None:
        self._reload = reload
        self._tasks = tasks
        self._sources = sources
        self._futile: tuple[Mapping[str, str], Prints] | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Watch from now on; what changed since it was read counts. Where there is no file, there is nothing to do."""
        if self._task is None and self._sources():
            # It says at each batch of events that there was one.
            logging.getLogger("watchfiles").setLevel(logging.WARNING)
            self._task = self._tasks.start(self._watch(), "watch the rules")

    def stop(self) -> None:
        """Watch no longer; a reload under way goes on."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _watch(self) -> None:
        async with aclosing(self._moments()) as moments:
            async for _ in moments:
                try:
                    await self._look()
                except Exception:  # noqa: BLE001 - whoever repairs the rules must still be noticed
                    _LOG.exception("looking at the files of the rules failed")

    async def _moments(self) -> AsyncGenerator[None, None]:
        """Yields whenever it is worth looking: at events where there are any, else now and then."""
        unwatchable: _Aim = {}
        while True:
            aim = await self._aim()
            if aim == unwatchable:
                yield
                await asyncio.sleep(POLL)
                continue
            try:
                async with aclosing(_events(aim)) as events:
                    async for _ in events:
                        yield
                        if await self._aim() != aim:
                            break
            except Exception as error:  # noqa: BLE001 - no inotify, no watches left, or whatever the library meets
                _LOG.warning("changes of the rules are looked for every %g s only: %s", POLL, error)
                unwatchable = aim

    async def _aim(self) -> _Aim:
        paths = tuple(self._sources())
        return await aside(lambda: _aim_at(paths))

    async def _look(self) -> None:
        """Reload if a source changed, once they hold still."""
        known = self._sources()
        now = await _prints(known)
        until = asyncio.get_running_loop().time() + AT_MOST
        while now != known:
            before = now
            await asyncio.sleep(GRACE if "" in now.values() else QUIET)
            now = await _prints(known)
            if now == before or asyncio.get_running_loop().time() >= until:
                break
        if now == known or (known, now) == self._futile:
            return
        await self._reload()
        # A reload that came to no reading at all would be asked for again and again.
        self._futile = (known, now) if self._sources() is known else None


async def _prints(paths: Mapping[str, str]) -> Prints:
    return await aside(lambda: {path: fingerprint(path) for path in paths})


def _events(aim: _Aim) -> AsyncGenerator[object, None]:
    quiet, poll = int(QUIET * 1000), int(POLL * 1000)
    return awatch(
        *aim,
        watch_filter=None,
        debounce=quiet,
        step=quiet,
        rust_timeout=poll,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    )


def _aim_at(paths: tuple[str, ...]) -> _Aim:
    """Where an event can come from: the directory of each path as written, in which a link is swapped, and the one that
    it leads to, in which the file is written. One that is away is looked for again."""
    aim: _Aim = {}
    for path in paths:
        for directory in (Path(path).parent, Path(os.path.realpath(path)).parent):
            try:
                found = directory.stat()
            except OSError:
                continue
            aim[str(directory)] = (found.st_dev, found.st_ino)
    return aim
