"""What changed state, and why: the last events for people who look, and one line each in the process's log.

Owns the ring and the words of the log line. An event is rare by nature (a breaker opens, an endpoint is ejected,
somebody commands), so it may cost what a log line costs; nothing that happens with every request may become one.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import count

_LOG = logging.getLogger("sidecar.events")

# Enough to see how a bad quarter of an hour began, too little to weigh anything.
KEPT = 256


@dataclass(frozen=True, slots=True)
class Event:
    """One change. `time` in Unix seconds; `subject` is the name of what changed, `fields` are plain values. `alarming`:
    something got worse. `id` counts up, also over the lives of a process."""

    time: float
    kind: str
    subject: str
    text: str
    fields: Mapping[str, object]
    alarming: bool = False
    id: int = 0

    def as_mapping(self) -> dict[str, object]:
        """The event as JSON shows it."""
        return {
            "id": self.id,
            "time": round(self.time, 3),
            "kind": self.kind,
            "subject": self.subject,
            "text": self.text,
            "fields": dict(self.fields),
            "alarming": self.alarming,
        }


Listener = Callable[[Event], None]


class Events:
    """The last events of the process; `wall` is Unix seconds."""

    __slots__ = ("_ids", "_listeners", "_ring", "_wall")

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        # From the milliseconds of the start: whoever resumes at the last it saw may have seen that in an earlier life.
        self._ids = count(int(wall() * 1000))
        self._ring: deque[Event] = deque(maxlen=KEPT)
        # Keyed by a fresh object each: the same callable may subscribe twice, and each of them leaves by itself.
        self._listeners: dict[object, Listener] = {}

    @property
    def recent(self) -> tuple[Event, ...]:
        """The last 256 events at most, the oldest first."""
        return tuple(self._ring)

    def tell(
        self, kind: str, subject: str, text: str, fields: Mapping[str, object] | None = None, *, alarming: bool = False
    ) -> None:
        """Note an event; `alarming` ones are logged as warnings, others as information. Never raises."""
        event = Event(self._wall(), kind, subject, text, fields or {}, alarming, next(self._ids))
        self._ring.append(event)
        told = {"event": kind, "subject": subject, **event.fields}
        _LOG.log(logging.WARNING if alarming else logging.INFO, "%s: %s", subject, text, extra={"fields": told})
        self._hear(event)

    def adopt(self, event: Event, worker: int) -> None:
        """Take up an event that another process of the instance has told, and logged. It stands in the order of time,
        with the worker's number among its fields; listeners hear it as it comes. Never raises."""
        adopted = replace(event, fields={**event.fields, "worker": worker}, id=next(self._ids))
        later: list[Event] = []
        while self._ring and self._ring[-1].time > event.time:
            later.append(self._ring.pop())
        # A full ring drops its first for each that comes behind; where all others are later, that is this one.
        self._ring.append(adopted)
        self._ring.extend(reversed(later))
        self._hear(adopted)

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with each event from now on, on the thread that tells it. Returns what ends that."""
        ticket = object()
        self._listeners[ticket] = listener

        def leave() -> None:
            self._listeners.pop(ticket, None)

        return leave

    def _hear(self, event: Event) -> None:
        for listener in tuple(self._listeners.values()):
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - whoever listens must not undo what has already happened
                _LOG.exception("a listener failed at an event of %s", event.subject)
