"""Exchanges on their way to a collector, by OTLP over HTTP, from a thread of their own.

Owns the queue between the loop and that thread: the loop only puts in, and what does not fit is dropped and counted.
Whatever the collector does costs spans and nothing else. Needs the packages of the extra `otel`.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Literal
from urllib.parse import urlsplit

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from sidecar.model.trace import ExchangeTrace, ExchangeTracer
from sidecar.telemetry.spans import resource_of, spans_of

_LOG = logging.getLogger("sidecar.tracing")

# Some seconds of a busy process, and a few megabytes; forty where clients make each text as long as it may be.
MOST_WAITING = 4096
# An exchange is two spans as a rule: a request of about 512 spans, what the SDKs send, is some hundred kilobytes.
BATCH = 256
# Whoever looks for a trace that has just ended waits no longer than this.
DELAY_SECONDS = 1.0
# A collector that is away would say so every second.
TELL_EVERY = 60.0
_LONGEST_WHY = 300
_PATH = "/v1/traces"

# Who speaks of an export on our thread, and would for every batch that fails.
_TALKATIVE = (
    "opentelemetry.attributes",
    "opentelemetry.exporter.otlp.proto.common._internal",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.trace.span",  # of each member of a tracestate that it does not like, in the client's words
    "urllib3.connectionpool",
)

Result = Literal["exported", "failed", "dropped"]


@dataclass(frozen=True, slots=True)
class Destination:
    """Where to, and who speaks. Headers may hold a secret."""

    endpoint: str
    service: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    resource: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The endpoint, with the path that OTLP gives to traces where it names none."""
        bare = urlsplit(self.endpoint).path in ("", "/")
        return self.endpoint.rstrip("/") + _PATH if bare else self.endpoint


def otlp(destination: Destination) -> SpanExporter:
    """OTLP over HTTP. What OTEL_EXPORTER_OTLP_* say of timeout, compression, certificates and further headers holds."""
    return OTLPSpanExporter(destination.url, headers=dict(destination.headers))


class SpanExport(ExchangeTracer):
    """Takes exchanges from `start` until `finish`. `count` is told of spans by what became of them, on the loop:
    `hop` has the loop call something, from any thread."""

    __slots__ = (
        "_count",
        "_exporter",
        "_given_up",
        "_hop",
        "_hurry",
        "_is_over",
        "_is_told",
        "_lost",
        "_queue",
        "_resource",
        "_rng",
        "_thread",
        "_told_at",
        "_url",
    )

    def __init__(
        self,
        destination: Destination,
        count: Callable[[Result, int], None],
        hop: Callable[..., object],
        exporter: Callable[[Destination], SpanExporter] = otlp,
    ) -> None:
        self._url = destination.url
        self._resource = resource_of(destination.service, destination.resource)
        self._exporter = exporter(destination)
        self._count = count
        self._hop = hop
        self._rng = random.Random()  # noqa: S311 - names what nobody refers to
        self._queue: SimpleQueue[ExchangeTrace | None] = SimpleQueue()
        self._hurry = threading.Event()
        self._is_over = False
        self._given_up = False
        self._lost = 0
        self._is_told = False  # that they fail, and not yet that they do no more
        self._told_at: float | None = None
        # Nothing at the process's end waits for a daemon: its collector may never answer.
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)

    def start(self) -> None:
        """Begin to export. Where no thread is to be had, every span is dropped."""
        try:
            self._thread.start()
        except RuntimeError as error:
            self._is_over = True
            _LOG.error("spans cannot be sent to %s: %s", self._url, error)

    def exchange(self, trace: ExchangeTrace) -> None:
        """See ExchangeTracer."""
        waiting = self._queue.qsize()
        if waiting >= MOST_WAITING or self._is_over:
            self._count("dropped", _spans(trace))
            return
        self._queue.put(trace)
        if waiting + 1 == BATCH:
            self._hurry.set()

    def finish(self) -> None:
        """Take no more, and export at once what is there."""
        if not self._is_over:
            self._is_over = True
            self._queue.put(None)
            self._hurry.set()

    def wait(self, seconds: float) -> None:
        """Wait for the end of that; not on the loop."""
        if self._thread.ident is not None:  # it was started
            self._thread.join(seconds)

    def give_up(self) -> None:
        """What has not begun its way is dropped. On the loop, after `finish`."""
        self._given_up = True
        self._drop(list(self._taken(MOST_WAITING)))

    # On the thread.

    def _run(self) -> None:
        with _quiet() as said:
            while (first := self._queue.get()) is not None:
                self._hurry.clear()
                if not self._is_over and self._queue.qsize() < BATCH - 1:
                    self._hurry.wait(DELAY_SECONDS)
                batch = [first, *self._taken(BATCH - 1)]
                if self._given_up:
                    self._on_loop(self._drop, batch)
                else:
                    self._export(batch, said)
            with suppress(Exception):
                self._exporter.shutdown()

    def _taken(self, most: int) -> Iterator[ExchangeTrace]:
        for _ in range(most):
            try:
                trace = self._queue.get_nowait()
            except Empty:
                return
            if trace is None:  # the end, which is the thread's to find
                self._queue.put(None)
                return
            yield trace

    def _export(self, batch: list[ExchangeTrace], said: list[str]) -> None:
        said.clear()
        result = None
        count = sum(map(_spans, batch))
        offset = time.time() - time.monotonic()  # asked each time: wall clocks are set
        try:
            spans = [span for trace in batch for span in spans_of(trace, self._resource, offset, self._fresh_id)]
            said.clear()  # of what clients sent, which is not why an export fails
            result = self._exporter.export(spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is no exchange's business
            said.append(f"{type(error).__name__}: {error}")
        is_exported = result is SpanExportResult.SUCCESS
        self._on_loop(self._settled, is_exported, count, "" if is_exported else _why(said))

    def _on_loop(self, call: Callable[..., None], *told: Any) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._hop(call, *told)

    def _fresh_id(self) -> int:
        return self._rng.getrandbits(64) or 1

    # On the loop.

    def _drop(self, traces: list[ExchangeTrace]) -> None:
        if traces:
            self._count("dropped", sum(map(_spans, traces)))

    def _settled(self, is_exported: bool, count: int, why: str) -> None:
        self._count("exported" if is_exported else "failed", count)
        if is_exported:
            if self._is_told:
                _LOG.info("spans reach %s again; %d were lost", self._url, self._lost)
                self._lost, self._is_told = 0, False
            return
        self._lost += count
        now = time.monotonic()
        if self._told_at is None or now - self._told_at >= TELL_EVERY:
            self._told_at, self._is_told = now, True
            fields = {"event": "spans_failed", "lost": self._lost}
            _LOG.warning("spans do not reach %s, %d lost: %s", self._url, self._lost, why, extra={"fields": fields})


def _spans(trace: ExchangeTrace) -> int:
    return 1 + len(trace.attempts)


def _why(said: list[str]) -> str:
    # The first of them names the cause; those after it tell of retries.
    return said[0][:_LONGEST_WHY] if said else "the exporter does not say why"


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """What the libraries say on this thread, instead of in the log."""
    said: list[str] = []
    here = threading.get_ident()

    def kept(record: logging.LogRecord) -> bool:
        if record.thread != here:
            return True
        if record.levelno >= logging.WARNING:
            said.append(record.getMessage())
        return False

    loggers = [logging.getLogger(name) for name in _TALKATIVE]
    for logger in loggers:
        logger.addFilter(kept)
    try:
        yield said
    finally:
        for logger in loggers:
            logger.removeFilter(kept)
