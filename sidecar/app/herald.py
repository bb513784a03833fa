"""What the service manager hears of an instance: that it serves, reloads or leaves, a line for people, a life sign.

Owns the order and the rate of what is said. What is said is transport/activation.py's; where nobody listens, nothing
is. Knows no signal, and nothing that is told is waited for: what could not be said is said again a moment later, for
systemd's queue holds ten messages and a machine that boots has many services that report.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Mapping

from sidecar.app.drain import counted
from sidecar.app.instance import Instance
from sidecar.app.lifecycle import Phase
from sidecar.app.watchdog import Pulse
from sidecar.model.printable import printable
from sidecar.telemetry.events import Event
from sidecar.transport.activation import (
    READY,
    STOPPING,
    WATCHDOG,
    main_pid,
    more_time,
    notify,
    reloading,
    service_pid,
    status,
    watchdog_seconds,
)

_LOG = logging.getLogger("sidecar.herald")

# A line for people changes no more often than this.
_LINE_SECONDS = 1.0
_AGAIN_SECONDS = 0.2
# After so many tries it is told of, and tried less often: without READY a start fails, and without MAINPID a successor
# is killed, so they are never given up. What counts of more than so many is the last.
_QUICK_TRIES = 50
_SELDOM_SECONDS = 2.0
_MOST_WAITING = 16
# Whoever was followed ends as soon as it is drained; its last word must be heard all the same.
_LAST_WORD_SECONDS = 5.0
# After its deadline a drain has last answers to give, workers to end and files to close.
_BEYOND_DEADLINE = 5.0
_TELLING = ("reload", "drain", "worker")


class Herald:
    """`environ` says where the service manager listens, and what it demands of process `pid`."""

    def __init__(
        self,
        instance: Instance,
        loop: asyncio.AbstractEventLoop,
        environ: Mapping[str, str] = os.environ,
        pid: int | None = None,
    ) -> None:
        self._instance = instance
        self._environ = environ
        self._loop = loop
        self._waiting: deque[str] = deque(maxlen=_MOST_WAITING)
        self._tries = 0
        self._again: asyncio.TimerHandle | None = None
        self._reloads = 0
        self._line = self._last_drain = ""
        self._pause: asyncio.TimerHandle | None = None
        self._pulse: Pulse | None = None
        self._is_main = bool(environ.get("NOTIFY_SOCKET"))
        self._leave = instance.stats.events.subscribe(self._happened) if self._is_main else lambda: None
        self._seconds = self._watchdog(service_pid() if pid is None else pid)

    def serving(self) -> None:
        """It accepts. From now on it is alive as long as it says so."""
        self._line = self._text()
        self._tell(f"{READY}\n{status(self._line)}")
        if self._is_main and self._seconds is not None:
            self._pulse = Pulse(self._seconds, lambda: notify(self._environ, WATCHDOG), self._loop)
            self._pulse.start()
            self._instance.watch(self._seconds)

    def reload_begins(self) -> None:
        """At the service manager's word. Before it serves, and once it leaves, that is no state of its own."""
        if self._instance.lifecycle.phase is Phase.SERVING:
            self._reloads += 1
            self._tell(reloading())

    def reload_ends(self) -> None:
        """Whatever came of it. While another one is at work, that one's end is the end."""
        if self._reloads:
            self._reloads -= 1
            if not self._reloads and self._instance.lifecycle.phase is Phase.SERVING:
                self._tell(READY)

    def leaving(self) -> None:
        """It drains, and may take as long as the rules say and not as the unit does."""
        self._tell(f"{STOPPING}\n{more_time(self._instance.drain.deadline + _BEYOND_DEADLINE)}")

    def followed_by(self, pid: int) -> None:
        """Process `pid` is the service from now on, and nobody listens to this one any more."""
        self._tell(main_pid(pid))
        self._is_main = False
        self._rest()

    def close(self) -> None:
        """The process ends now, and until now it was alive."""
        if self._is_main and self._text() != self._line:
            self._tell(status(self._text()))
        self._rest()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if not self._is_main:
            while self._waiting and notify(self._environ, self._waiting.popleft(), _LAST_WORD_SECONDS):
                pass

    def _rest(self) -> None:
        self._leave()
        if self._pulse is not None:
            self._pulse.stop()
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def _watchdog(self, pid: int) -> float | None:
        try:
            return watchdog_seconds(self._environ, pid)
        except ValueError as error:
            _LOG.warning("no watchdog: %s", error)
            return None

    # The line for people.

    def _happened(self, event: Event) -> None:
        if event.kind == "drain":
            self._last_drain = event.text
        if event.kind in _TELLING and self._pause is None and self._instance.lifecycle.phase is not Phase.STARTING:
            self._refresh()

    def _refresh(self) -> None:
        """Say the line where it is another one, and look again after a while if it may change by itself."""
        text, self._pause = self._text(), None
        phase = self._instance.lifecycle.phase
        if text != self._line or phase is Phase.DRAINING:
            self._pause = self._loop.call_later(_LINE_SECONDS, self._refresh)
        if text != self._line and not self._waiting and notify(self._environ, status(text)):
            self._line = text
        if phase is Phase.DRAINING:
            self._instance.tasks.start(self._instance.drain.refresh(), "count what is left")

    def _text(self) -> str:
        instance = self._instance
        phase = instance.lifecycle.phase
        if phase is Phase.DRAINING:
            return f"{instance.drain.standing()}; still busy: {instance.drain.left()}"
        if phase > Phase.DRAINING:
            return self._last_drain
        reloader, up = instance.reloader, instance.stats.workers_up
        listeners = counted(len(reloader.current.rules.listeners), "listener")
        text = f"serving on {listeners}, rules of generation {reloader.generation}"
        if up:
            text += f", {sum(up.values())} of {len(up)} workers up"
        last = reloader.last
        if last is not None and last.result == "failed":
            text += f"; {last.why}: newer rules are refused: {last.problems[0]}"
        return printable(text)

    # What must be heard, in its order.

    def _tell(self, text: str) -> None:
        if self._is_main:
            self._waiting.append(text)
            self._say()

    def _say(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        while self._waiting:
            if notify(self._environ, self._waiting[0]):
                self._waiting.popleft()
                self._tries = 0
                continue
            self._tries += 1
            if self._tries == _QUICK_TRIES:
                _LOG.warning("the service manager does not listen at %s", self._environ["NOTIFY_SOCKET"])
            pause = _AGAIN_SECONDS if self._tries < _QUICK_TRIES else _SELDOM_SECONDS
            self._again = self._loop.call_later(pause, self._say)
            return
