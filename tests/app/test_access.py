"""The access log is as the rules say, and hears of lines that a file lost."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

from sidecar.app.access import access_log, access_settings
from sidecar.model.record import ExchangeRecord
from sidecar.rules.schema import LogRule, SampledRule
from sidecar.telemetry.file_writer import FileWriter
from sidecar.telemetry.log import AccessSettings
from sidecar.telemetry.stats import Stats
from sidecar.telemetry.stream_writer import StreamWriter
from sidecar.transport.tasks import Tasks
from tests.doubles.backend import LIMIT_SECONDS


def test_the_rules_are_told_in_the_logs_own_words() -> None:
    rule = LogRule(access="sampled", format="text", sampled=SampledRule(share=0.5, slow=2.0, rate=7.0))
    assert access_settings(rule) == AccessSettings("sampled", "text", 0.5, 2.0, 7.0)


def test_without_a_length_that_is_slow_none_is() -> None:
    assert access_settings(LogRule(sampled=SampledRule(slow=None))).slow == float("inf")


async def test_lines_that_a_file_took_and_lost_are_counted_on_the_loop(tmp_path: Path) -> None:
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    counted_on: list[int] = []

    class Watched(Stats):
        __slots__ = ()

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if name == "access_log_dropped" and value:
                counted_on.append(threading.get_ident())
                told.set()

    def full(_descriptor: int, _data: memoryview) -> int:
        raise OSError("full")

    stats = Watched()
    with open(tmp_path / "log", "wb") as file:
        write = FileWriter(file.fileno(), 0.0, full)
        log = access_log(LogRule(access="all"), write, stats, Tasks(loop), random.Random(1))
        log.exchange(ExchangeRecord())
        async with asyncio.timeout(LIMIT_SECONDS):
            await told.wait()
        write.close()
    assert (stats.access_log_dropped, counted_on) == (1, [threading.get_ident()])


async def test_text_is_in_colour_where_the_reader_wants_it(tmp_path: Path) -> None:
    page = tmp_path / "page"
    with open(page, "wb") as file:
        for coloured in (True, False):
            write = StreamWriter(file.fileno(), coloured=coloured)
            rule = LogRule(access="all", format="text")
            tasks = Tasks(asyncio.get_running_loop())
            access_log(rule, write, Stats(), tasks, random.Random(1)).exchange(ExchangeRecord())
            write.close()
    assert ["\x1b[" in line for line in page.read_text().splitlines()] == [True, False]
