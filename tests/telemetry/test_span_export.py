"""The queue and the thread: nothing waits on the loop, nothing is lost without being counted, nothing is told twice."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from sidecar.telemetry import span_export
from sidecar.telemetry.span_export import BATCH, MOST_WAITING, Destination, Result, SpanExport
from tests.doubles.backend import LIMIT_SECONDS
from tests.doubles.collector import Collector
from tests.telemetry.test_spans import attempt, exchange

HERE = Destination("http://127.0.0.1:4318", "sidecar")
_TALKER = logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter")


class Script(SpanExporter):
    """Exports as it is told to; `gate` holds it."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()
        self.fails: Callable[[], SpanExportResult] | None = None
        self.is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.begun.set()
        self.gate.wait(LIMIT_SECONDS)
        self.batches.append(len(spans))
        return SpanExportResult.SUCCESS if self.fails is None else self.fails()

    def shutdown(self) -> None:
        self.is_shut = True


class Books:
    """What became of spans; `until` waits for it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, result: Result, spans: int) -> None:
        self.counts[result] += spans

    async def until(self, **wanted: int) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while any(self.counts[name] < count for name, count in wanted.items()):
                await asyncio.sleep(0)


@asynccontextmanager
async def exporting(script: Script, destination: Destination = HERE) -> AsyncIterator[tuple[SpanExport, Books]]:
    books = Books()
    loop = asyncio.get_running_loop()
    export = SpanExport(destination, books.count, loop.call_soon_threadsafe, lambda _: script)
    export.start()
    try:
        yield export, books
    finally:
        script.gate.set()
        export.finish()
        await asyncio.to_thread(export.wait, LIMIT_SECONDS)


@contextmanager
def at_once() -> Iterator[None]:
    """Nothing gathers: each exchange goes as it comes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(span_export, "DELAY_SECONDS", 0.0)
        yield


async def test_spans_reach_a_collector_with_the_headers_of_the_rules() -> None:
    async with Collector() as collector:
        books = Books()
        there = Destination(collector.url, "shop", {"X-Tenant": "blue"}, {"team": "red"})
        export = SpanExport(there, books.count, asyncio.get_running_loop().call_soon_threadsafe)
        export.start()
        export.exchange(exchange(attempt()))
        export.finish()
        server, client = await collector.received(2)
        await books.until(exported=2)
        await asyncio.to_thread(export.wait, LIMIT_SECONDS)
    assert collector.paths == ["/v1/traces"]
    assert collector.headers[0]["x-tenant"] == "blue"
    assert (server.resource["service.name"], server.resource["team"], server.scope) == ("shop", "red", "sidecar")
    assert (server.name, client.parent_id) == ("GET /users/{id}", server.span_id)


async def test_they_are_compressed_where_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    async with Collector() as collector:
        books = Books()
        export = SpanExport(
            Destination(f"{collector.url}/otel/in", "shop"),
            books.count,
            asyncio.get_running_loop().call_soon_threadsafe,
        )
        export.start()
        export.exchange(exchange())
        export.finish()
        await collector.received(1)
        await asyncio.to_thread(export.wait, LIMIT_SECONDS)
    assert (collector.paths, collector.headers[0]["content-encoding"]) == (["/otel/in"], "gzip")


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://collector/otlp/v1/traces", "https://collector/otlp/v1/traces"),
    ],
)
def test_an_endpoint_without_a_path_gets_the_one_of_otlp(endpoint: str, url: str) -> None:
    assert Destination(endpoint, "sidecar").url == url


def test_headers_are_not_shown() -> None:
    assert "s3cret" not in repr(Destination("http://c", "sidecar", {"authorization": "s3cret"}))


async def test_what_gathers_goes_together() -> None:
    script = Script()
    async with exporting(script) as (export, books):
        for _ in range(BATCH):
            export.exchange(exchange(attempt()))
        export.finish()
        await books.until(exported=2 * BATCH)
    assert sum(script.batches) == 2 * BATCH
    assert len(script.batches) <= 2
    assert script.is_shut


async def test_what_does_not_fit_is_dropped_and_counted_and_the_loop_never_waits() -> None:
    script = Script()
    script.gate.clear()
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange())
            assert await asyncio.to_thread(script.begun.wait, LIMIT_SECONDS)
            for _ in range(MOST_WAITING + 3):
                export.exchange(exchange(attempt()))
            assert books.counts == {"dropped": 6}
            script.gate.set()
            await books.until(exported=1 + 2 * MOST_WAITING)


async def test_finishing_exports_what_is_there_and_takes_no_more() -> None:
    script = Script()
    async with exporting(script) as (export, books):
        export.exchange(exchange())
        export.finish()
        export.finish()
        export.exchange(exchange(attempt()))
        await books.until(exported=1)
        assert books.counts == {"exported": 1, "dropped": 2}


async def test_finishing_without_anything_ends_the_thread() -> None:
    script = Script()
    async with exporting(script) as (export, books):
        export.finish()
        await asyncio.to_thread(export.wait, LIMIT_SECONDS)
        assert script.is_shut
        assert books.counts == {}


async def test_giving_up_counts_what_never_went() -> None:
    script = Script()
    script.gate.clear()
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange())
            assert await asyncio.to_thread(script.begun.wait, LIMIT_SECONDS)
            for _ in range(BATCH + 10):
                export.exchange(exchange())
            export.finish()
            export.wait(0.0)
            export.give_up()
            assert books.counts["dropped"] == BATCH + 10
            script.gate.set()
            await books.until(exported=1)
    assert script.batches == [1]


async def test_one_failure_is_told_once_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    script = Script()

    def away() -> SpanExportResult:
        _TALKER.error("the collector is away")
        return SpanExportResult.FAILURE

    script.fails = away
    with at_once():
        async with exporting(script) as (export, books):
            for failed in range(1, 4):
                export.exchange(exchange())
                await books.until(failed=failed)
            script.fails = None
            export.exchange(exchange())
            await books.until(exported=1)
    assert [record.getMessage() for record in caplog.records] == [
        "spans do not reach http://127.0.0.1:4318/v1/traces, 1 lost: the collector is away",
        "spans reach http://127.0.0.1:4318/v1/traces again; 3 were lost",
    ]


async def test_a_collector_that_takes_every_other_batch_does_not_fill_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    script = Script()
    results = itertools.cycle([SpanExportResult.FAILURE, SpanExportResult.SUCCESS])
    script.fails = lambda: next(results)
    with at_once():
        async with exporting(script) as (export, books):
            for taken in range(1, 4):
                export.exchange(exchange())
                await books.until(failed=taken)
                export.exchange(exchange())
                await books.until(exported=taken)
            assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
            monkeypatch.setattr(span_export, "TELL_EVERY", 0.0)
            export.exchange(exchange())
            await books.until(failed=4)
    assert "3 lost" in caplog.records[-1].getMessage()


async def test_what_clients_write_into_tracestate_is_neither_logged_nor_told_as_a_cause(
    caplog: pytest.LogCaptureFixture,
) -> None:
    script = Script()

    def away() -> SpanExportResult:
        _TALKER.error("the collector is away")
        return SpanExportResult.FAILURE

    script.fails = away
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange(tracestate=b"SHOUTING"))
            await books.until(failed=1)
    (record,) = caplog.records
    assert record.getMessage().endswith("the collector is away")


async def test_a_failure_that_lasts_is_told_again_once_in_a_while(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(span_export, "TELL_EVERY", 0.0)
    script = Script()
    script.fails = lambda: SpanExportResult.FAILURE
    with at_once():
        async with exporting(script) as (export, books):
            for failed in range(1, 3):
                export.exchange(exchange())
                await books.until(failed=failed)
    assert [record.getMessage() for record in caplog.records] == [
        f"spans do not reach http://127.0.0.1:4318/v1/traces, {lost} lost: the exporter does not say why"
        for lost in (1, 2)
    ]


async def test_an_exporter_that_breaks_costs_its_batch_only(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()

    def broken() -> SpanExportResult:
        raise ZeroDivisionError("a bug")

    script.fails = broken
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange())
            await books.until(failed=1)
            script.fails = None
            export.exchange(exchange())
            await books.until(exported=1)
    assert "ZeroDivisionError: a bug" in caplog.text


async def test_an_exchange_without_an_identifier_costs_its_batch_only() -> None:
    script = Script()
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange(trace_id=b""))
            await books.until(failed=1)
            export.exchange(exchange())
            await books.until(exported=1)


async def test_without_a_thread_to_be_had_spans_are_dropped_and_nothing_else_happens(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    books = Books()
    export = SpanExport(HERE, books.count, asyncio.get_running_loop().call_soon_threadsafe, lambda _: Script())
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        export.start()
    export.exchange(exchange())
    export.finish()
    export.wait(LIMIT_SECONDS)
    export.give_up()
    assert books.counts == {"dropped": 1}
    assert "can't start new thread" in caplog.text


async def test_a_loop_that_has_ended_is_told_nothing_more() -> None:
    script = Script()

    def ended(*_told: object) -> None:
        raise RuntimeError("Event loop is closed")

    export = SpanExport(HERE, lambda result, spans: None, ended, lambda _: script)
    export.start()
    export.exchange(exchange())
    export.finish()
    await asyncio.to_thread(export.wait, LIMIT_SECONDS)
    assert script.is_shut


async def test_what_the_libraries_say_on_other_threads_is_not_ours_to_silence(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()
    with at_once():
        async with exporting(script) as (export, books):
            export.exchange(exchange())
            await books.until(exported=1)
            _TALKER.warning("somebody else's")
    assert [record.getMessage() for record in caplog.records] == ["somebody else's"]
