"""Where this process's exchanges are traced to, by the rules: at most one export at a time.

Owns its life over reloads and at the end. The packages of the extra `otel` are imported when the rules first ask for
an export, beside the loop, and not at all where they never do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from sidecar.app.aside import aside, short_turns
from sidecar.model.trace import ExchangeTracer
from sidecar.rules.schema import ExportRule, TracingRule
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks

if TYPE_CHECKING:
    from sidecar.telemetry.span_export import Result, SpanExport

# A worker is killed two seconds after its deadline, and has to cut its connections and to say its last words in them.
FLUSH_SECONDS = 1.0


class Tracing:
    """The export of one proxy. `stats` count its spans."""

    def __init__(self, stats: Stats, tasks: Tasks) -> None:
        self._stats = stats
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._rule: ExportRule | None = None
        self._export: SpanExport | None = None
        self._turns = ExitStack()

    @property
    def tracer(self) -> ExchangeTracer | None:
        """Who is told of exchanges; None where nobody records them."""
        return self._export

    async def fitting(self, rule: TracingRule) -> SpanExport | None:
        """What exports by this rule: the export of before where it fits. Else another, which has not begun and may be
        let go of as it is.

        :raises ImportError: the packages of the extra `otel` are not there; extras.lacking says so before.
        """
        if rule.export is None or rule.export == self._rule:
            return self._export if rule.export is not None else None
        return await aside(partial(_made, rule.export, self._count, self._loop.call_soon_threadsafe))

    def replace(self, rule: TracingRule, export: SpanExport | None) -> None:
        """Trace to this one from now on; what the one before has taken still goes where it was meant to go."""
        before, self._export, self._rule = self._export, export, rule.export
        if before is export:
            return
        if export is not None:
            export.start()
        self._keep_turns_short(export is not None)
        if before is not None:
            self._tasks.start(_finished(before), "export the last spans of the rules before")

    async def close(self) -> None:
        """Export what is left, as far as that is done within a second."""
        export, self._export, self._rule = self._export, None, None
        if export is not None:
            await _finished(export)
        self._keep_turns_short(False)

    def _keep_turns_short(self, wanted: bool) -> None:
        self._turns.close()
        if wanted:  # making and encoding spans is work of its own, while requests wait for the interpreter
            self._turns.enter_context(short_turns())

    def _count(self, result: Result, spans: int) -> None:
        name = f"spans_{result}"
        setattr(self._stats, name, getattr(self._stats, name) + spans)


def _made(rule: ExportRule, count: Callable[[Result, int], None], hop: Callable[..., object]) -> SpanExport:
    made = import_module("sidecar.telemetry.span_export")
    there = made.Destination(rule.endpoint, rule.service, rule.headers, rule.resource)
    export: SpanExport = made.SpanExport(there, count, hop)
    return export


async def _finished(export: SpanExport) -> None:
    export.finish()
    try:
        with suppress(RuntimeError):  # no thread to wait on is no reason not to end
            await aside(partial(export.wait, FLUSH_SECONDS))
    finally:
        export.give_up()
