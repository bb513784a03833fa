"""The export of a proxy over reloads and at its end: the same where nothing changed, and never waited for for long."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from sidecar.app import tracing as tracing_module
from sidecar.app.tracing import Tracing
from sidecar.rules.schema import ExportRule, TracingRule
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.collector import Collector
from tests.telemetry.test_spans import attempt, exchange

OFF = TracingRule()


def to(url: str, **changes: Any) -> TracingRule:
    return TracingRule(export=ExportRule(endpoint=url, **changes))


class Subject:
    """A tracing of its own, with its books."""

    def __init__(self) -> None:
        self.stats = Stats()
        self.tasks = Tasks(asyncio.get_running_loop())
        self.tracing = Tracing(self.stats, self.tasks)

    async def follow(self, rule: TracingRule) -> None:
        self.tracing.replace(rule, await self.tracing.fitting(rule))

    def trace(self) -> None:
        assert self.tracing.tracer is not None
        self.tracing.tracer.exchange(exchange(attempt()))

    async def until_exported(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while self.stats.spans_exported < count:
                await asyncio.sleep(0)


@pytest.fixture
async def subject(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Subject]:
    # A busy machine may keep a thread from its turn for longer than an end that is worth waiting for.
    monkeypatch.setattr(tracing_module, "FLUSH_SECONDS", LIMIT_SECONDS)
    made = Subject()
    yield made
    await made.tracing.close()
    await made.tasks.close()


async def test_without_an_export_nobody_is_told_and_turns_are_as_long_as_ever(subject: Subject) -> None:
    before = sys.getswitchinterval()
    await subject.follow(OFF)
    assert subject.tracing.tracer is None
    assert sys.getswitchinterval() == before


async def test_what_is_left_is_exported_at_the_end(subject: Subject) -> None:
    before = sys.getswitchinterval()
    async with Collector() as collector:
        await subject.follow(to(collector.url))
        assert sys.getswitchinterval() < before
        subject.trace()
        await subject.tracing.close()
        assert len(collector.spans) == 2
    await subject.until_exported(2)
    assert subject.tracing.tracer is None
    assert sys.getswitchinterval() == before


async def test_the_same_export_goes_on_under_other_rules(subject: Subject) -> None:
    async with Collector() as collector:
        await subject.follow(to(collector.url, headers={"x-tenant": "blue"}))
        tracer = subject.tracing.tracer
        await subject.follow(TracingRule(sample=0.5, export=to(collector.url, headers={"x-tenant": "blue"}).export))
        assert subject.tracing.tracer is tracer
        await subject.tracing.close()


async def test_another_export_takes_over_and_the_one_before_sends_what_it_has(subject: Subject) -> None:
    async with Collector() as before, Collector() as after:
        await subject.follow(to(before.url))
        subject.trace()
        await subject.follow(to(after.url, service="renamed"))
        await before.received(2)
        subject.trace()
        await subject.tracing.close()
        assert {span.resource["service.name"] for span in after.spans} == {"renamed"}
        assert (len(before.spans), len(after.spans)) == (2, 2)


async def test_switched_off_it_sends_what_it_has_and_tells_nobody_more(subject: Subject) -> None:
    async with Collector() as collector:
        await subject.follow(to(collector.url))
        subject.trace()
        await subject.follow(OFF)
        assert subject.tracing.tracer is None
        await collector.received(2)


async def test_what_was_fitted_and_never_taken_leaves_nothing_behind(subject: Subject) -> None:
    async with Collector() as collector:
        await subject.follow(to(collector.url))
        tracer = subject.tracing.tracer
        assert await subject.tracing.fitting(to(collector.url, service="never")) is not tracer
        assert subject.tracing.tracer is tracer
        await subject.tracing.close()


async def test_a_collector_that_never_answers_costs_the_end_a_moment_and_is_counted(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing_module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr("sidecar.telemetry.span_export.DELAY_SECONDS", 0.0)
    async with Collector() as collector:
        collector.gate.clear()
        await subject.follow(to(collector.url))
        subject.trace()
        await collector.asked(1)
        subject.trace()
        await subject.tracing.close()
        assert subject.stats.spans_dropped == 2


async def test_without_a_thread_to_wait_on_the_end_is_one_all_the_same(
    subject: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    export = await subject.tracing.fitting(to("http://127.0.0.1:4318"))
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        subject.tracing.replace(to("http://127.0.0.1:4318"), export)
        subject.trace()
        await subject.tracing.close()
    assert subject.stats.spans_dropped == 2


async def test_a_collector_that_refuses_is_counted(subject: Subject) -> None:
    async with Collector() as collector:
        collector.status = 400
        await subject.follow(to(collector.url))
        subject.trace()
        await subject.tracing.close()
    async with asyncio.timeout(LIMIT_SECONDS):
        while not subject.stats.spans_failed:
            await asyncio.sleep(0)
    assert (subject.stats.spans_failed, subject.stats.spans_exported) == (2, 0)


async def test_packages_that_are_not_there_change_nothing(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sidecar.telemetry.span_export", None)
    with pytest.raises(ImportError):
        await subject.tracing.fitting(to("http://127.0.0.1:4318"))
    assert subject.tracing.tracer is None
