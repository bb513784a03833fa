"""What the product tells of itself during a drill: its counts with their instants, its events, its access log, and the
errors in its own log.

Owns the listening. Everything is taken from where telemetry takes it, so that a drill cannot see another proxy than
its operators will.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sidecar.drill.record import Count, Event, Reading
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeLog, ExchangeRecord
from sidecar.telemetry import events as telling
from sidecar.telemetry.events import Events
from sidecar.telemetry.stats import RouteStats, Stats, UpstreamStats

Hear = Callable[[str, str, str, str], None]

_PRODUCT = "sidecar"
_MOST_ERRORS = 20


class Heard:
    """All that was heard. `now` gives seconds since the load began; `called` what the rules call an endpoint."""

    def __init__(self, now: Callable[[], float], called: Callable[[str], str]) -> None:
        self._now = now
        self._called = called
        self._known: dict[tuple[str, tuple[str, ...]], float] = {}
        self.counts: list[Count] = []
        self.events: list[Event] = []
        self.readings: list[Reading] = []
        self.errors: list[str] = []
        self.exchanges = _Exchanges()

    def count(self, kind: str, of: str, why: str, rule: str = "") -> None:
        """The product has counted something."""
        self.counts.append(Count(self._now(), kind, of, why, rule))

    def event(self, event: telling.Event) -> None:
        """It has told something."""
        subject = self._called(event.subject)
        text = event.text.replace(event.subject, subject)
        self.events.append(Event(self._now(), event.kind, subject, text, dict(event.fields), event.alarming))

    def read(self, stats: Stats) -> None:
        """Take what the policies tell of themselves, where it is other than the last time."""
        now = self._now()
        for name, labels, value in stats.readings():
            if self._known.get((name, labels)) != value:
                self._known[name, labels] = value
                self.readings.append(Reading(now, name, labels, value))


class _Exchanges(ExchangeLog):
    """The access log, kept: of each request what was told of it last."""

    def __init__(self) -> None:
        self.by_id: dict[str, ExchangeRecord] = {}

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        return True

    def exchange(self, record: ExchangeRecord) -> None:
        self.by_id[record.request_id.decode("latin-1")] = record


class HeardStats(Stats):
    """The product's counts, each told as it is made. `wall` gives the time of events."""

    def __init__(self, heard: Heard, wall: Callable[[], float]) -> None:
        super().__init__(Events(wall))
        self._hear = heard.count
        self.unrouted = _Route("", heard.count)
        self.events.subscribe(heard.event)

    def route(self, name: str) -> RouteStats:
        found = self.routes.get(name)
        if found is None:
            found = self.routes[name] = _Route(name, self._hear)
        return found

    def upstream(self, name: str) -> UpstreamStats:
        found = self.upstreams.get(name)
        if found is None:
            found = self.upstreams[name] = _Upstream(name, self.events, self._hear)
        return found


class _Route(RouteStats):
    def __init__(self, name: str, hear: Hear) -> None:
        super().__init__()
        self._name = name
        self._hear = hear

    def rejected(self, rule: str, reason: Reason) -> None:
        super().rejected(rule, reason)
        self._hear("rejected", self._name, reason.code, rule)

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        super().shadow_rejected(rule, reason)
        self._hear("shadow_rejected", self._name, reason.code, rule)

    def retried(self, reason: str) -> None:
        super().retried(reason)
        self._hear("retried", self._name, reason, "")

    def retry_skipped(self, why: str) -> None:
        super().retry_skipped(why)
        self._hear("retry_skipped", self._name, why, "")

    def fell_back(self, kind: str, cause: str) -> None:
        super().fell_back(kind, cause)
        self._hear("fell_back", self._name, cause, kind)


class _Upstream(UpstreamStats):
    def __init__(self, name: str, events: Events, hear: Hear) -> None:
        super().__init__(name, events)
        self._hear = hear

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        super().attempt_finished(outcome, seconds)
        self._hear("attempt", self.name, outcome, "")

    def connected(self, result: str) -> None:
        super().connected(result)
        self._hear("connected", self.name, result, "")

    def checked(self, endpoint: str, result: str) -> None:
        super().checked(endpoint, result)
        self._hear("check", self.name, result, "")

    def hold_counted(self, result: str) -> None:
        super().hold_counted(result)
        self._hear("hold", self.name, result, "")


class _Errors(logging.Handler):
    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._errors) < _MOST_ERRORS:
            fault = record.exc_info[1] if record.exc_info else None
            self._errors.append(record.getMessage() + (f": {fault!r}" if fault is not None else ""))


@contextmanager
def logging_aside(errors: list[str]) -> Iterator[None]:
    """Meanwhile the product's own log is not written; its errors are kept here."""
    log = logging.getLogger(_PRODUCT)
    handlers, propagates = log.handlers[:], log.propagate
    log.handlers[:] = [_Errors(errors)]
    log.propagate = False
    try:
        yield
    finally:
        log.handlers[:] = handlers
        log.propagate = propagates
