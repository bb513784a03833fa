"""The load: it sends as many as it is asked to, and tells what became of each."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator

import pytest

from sidecar.demo.backend import Backend
from sidecar.demo.chaos import Mood
from sidecar.demo.load import Load, Tally

FAST = 1e6


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    one = Backend(random.Random(1), Mood(flaky=0.2))
    await one.start()
    yield one
    await one.close()


async def told(url: str, requests: int | None) -> str:
    lines: list[str] = []
    async with asyncio.timeout(30):
        await Load(url, FAST, requests, lines.append).run()
    (line,) = lines
    return line


async def test_every_request_is_sent_once_and_counted_by_its_end(backend: Backend) -> None:
    found = re.match(r"200 requests in .* s: (\d+) × 200, (\d+) × 503; (\d+) failed", await told(backend.url, 200))
    assert found
    fine, failed, told_failed = map(int, found.groups())
    assert fine + failed == 200
    assert failed == told_failed
    assert 15 < failed < 70


async def test_where_nobody_is_no_request_is_answered() -> None:
    backend = Backend()
    await backend.start()
    await backend.close()
    line = await told(backend.url, 3)
    assert "3 × no answer; 3 failed (100.0%)" in line


async def test_a_load_without_an_end_stops_when_told_to_and_tells_the_rest(backend: Backend) -> None:
    lines: list[str] = []
    load = Load(f"{backend.url}/healthz", 100.0, None, lines.append)
    load.stop()
    async with asyncio.timeout(30):
        await load.run()
    assert lines == ["no request within 0.0 s"]


def test_the_line_tells_how_long_requests_took() -> None:
    tally = Tally()
    for number in range(100):
        tally.add("200", number / 1000)
    assert (
        tally.told(10.0) == "100 requests in 10.0 s: 100 × 200; 0 failed (0.0%); half within 49 ms, 99 % within 98 ms"
    )


@pytest.mark.parametrize(("end", "failed"), [("200", 0), ("404", 0), ("500", 1), ("503", 1), ("no answer", 1)])
def test_what_counts_as_failed_is_no_answer_and_a_fault_of_the_server(end: str, failed: int) -> None:
    tally = Tally()
    tally.add(end, 0.0)
    assert tally.failed == failed
