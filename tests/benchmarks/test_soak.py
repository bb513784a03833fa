"""The soak's report and picture, what it reads of a process, and its steady client."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from types import SimpleNamespace

import pytest

from benchmarks import soak_probe
from benchmarks.soak import Soaked, chart, parse, report
from benchmarks.soak_acts import ACTS
from benchmarks.soak_probe import Probe
from benchmarks.soak_watch import Watch, counted, rollup, windows
from tests.benchmarks.test_soak_verdict import SAMPLE
from tests.doubles.backend import Backend
from tests.doubles.process import process

BEFORE = replace(SAMPLE, downstream=0, upstream=0, in_flight=0, cpu_seconds=1.0)


def seen(**changes: object) -> Soaked:
    samples = [replace(SAMPLE, seconds=5.0 * number, cpu_seconds=1.0 + number) for number in range(1, 61)]
    whole = Soaked(
        before=BEFORE,
        samples=samples,
        after=BEFORE,
        outcomes={act.name: {next(iter(act.expected)): 2} for act in ACTS},
        reloads={"reloaded": 5.0, "failed": 6.0},
        restarts=3,
        log="fine\n",
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_a_flat_soak_passes_and_its_report_has_every_act() -> None:
    assert all(one.passed for one in seen().findings())
    told = report(seen())
    assert "FAILED" not in told
    assert all(act.name in told for act in ACTS)
    assert "Reloads: 6 × failed, 5 × reloaded. Restarts of the backend: 3." in told
    assert "CPU of Sidecar: 20% of one." in told


def test_what_failed_is_named() -> None:
    assert "| FAILED |" in report(seen(log="Traceback (most recent call last):\n"))


def test_samples_of_the_warm_up_are_not_judged_but_drawn() -> None:
    assert seen().judged[0].seconds == 120
    drawn = chart(seen(), "a note")
    for words in ("Memory", "descriptors", "p99", "judged from here", "a note"):
        assert words in drawn


def test_half_a_minute_is_the_least() -> None:
    assert parse([]).minutes == 30
    with pytest.raises(SystemExit):
        parse(["--minutes", "0.1"])


def test_sizes_of_the_kernel_are_read_as_bytes() -> None:
    text = "55d-7ff ---p 0 00:00 0 [rollup]\nRss:    2048 kB\nAnonymous:   1024 kB\n"
    assert rollup(text) == {"Rss": 2048 * 1024.0, "Anonymous": 1024 * 1024.0}


def test_one_metric_is_read_by_its_label() -> None:
    text = 'sidecar_config_reloads_total{result="failed"} 3.0\nsidecar_other{result="x"} 4.0\n'
    assert counted(text, "sidecar_config_reloads_total") == {"failed": 3.0}


async def test_windows_are_kept_line_by_line() -> None:
    reader = asyncio.StreamReader()
    reader.feed_data(b'{"p50_ms": 1.0}\n{"p50_ms": 2.0}\n')
    reader.feed_eof()
    told: list[dict[str, float]] = []
    await windows(reader, told)
    assert told == [{"p50_ms": 1.0}, {"p50_ms": 2.0}]


async def test_a_process_is_looked_at_and_left_as_it_was() -> None:
    async with Backend() as backend, process(backend.url) as proxy:
        watch = Watch(proxy.pid, proxy.admin_port)
        first = await watch.sample(objects=True)
        second = await watch.sample({"p50_ms": 1.0, "p99_ms": 2.0})
        assert first.resident > first.anonymous > 1 << 20
        assert (first.downstream, first.upstream, first.in_flight) == (0, 0, 0)
        assert first.objects is not None
        assert second.objects is None
        assert (second.p50_ms, second.p99_ms) == (1.0, 2.0)
        assert (second.descriptors, second.tasks) == (first.descriptors, first.tasks)
        assert isinstance(await watch.reloads(), dict)


async def test_the_steady_client_tells_how_long_each_answer_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak_probe, "SECONDS", 0.1)
    ticks = itertools.count()
    monkeypatch.setattr(soak_probe, "time", SimpleNamespace(perf_counter=lambda: next(ticks) * 0.02, sleep=id))
    async with Backend() as backend:
        probe = await asyncio.to_thread(Probe, backend.port, "/")
        window = await asyncio.to_thread(probe.window, 0.0)
        probe.close()
    assert window["errors"] == 0
    assert 0 < window["p50_ms"] <= window["p99_ms"] <= window["max_ms"]
