"""The access log as people meet it: sampled under load, in a file that is whole at the end, in colour at a terminal."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from sidecar.app.wiring import Proxy
from tests.doubles.backend import LIMIT_SECONDS, OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.process import START_SECONDS, process
from tests.doubles.running import example
from tests.doubles.terminal import terminal


class Page:
    """Where lines go, and who waits for them."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self._grew = asyncio.Event()

    def __call__(self, line: bytes) -> bool:
        self.lines.append(json.loads(line))
        self._grew.set()
        return True

    async def until(self, count: int) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while len(self.lines) < count:
                self._grew.clear()
                await self._grew.wait()


async def failing_at_will(call: Call) -> None:
    failing = call.request.target == b"/fails"
    await call.send(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n" if failing else OK)


def sampled(url: str, *sets: str) -> Any:
    return example("access-log", url, sets=["log.access=sampled", *sets])


async def test_the_example_logs_every_error_and_a_share_of_the_rest() -> None:
    page = Page()
    async with Backend(failing_at_will) as backend:
        given = sampled(backend.url, "log.sampled.share=1", "defaults.retry=null")
        async with Proxy(given, page) as proxy, await Peer.connect(proxy.addresses[0].port) as peer:
            await peer.get("/fine")
            await peer.get("/fails")
            await page.until(2)
    assert {(line["path"], line["logged"]) for line in page.lines} == {("/fine", "sample"), ("/fails", "error")}


async def test_the_example_leaves_out_the_rest_and_keeps_what_is_slow() -> None:
    page = Page()
    async with Backend() as backend:
        given = sampled(backend.url, "log.sampled.share=0")
        async with Proxy(given, page) as proxy, await Peer.connect(proxy.addresses[0].port) as peer:
            for _ in range(20):
                await peer.get("/fine")
            await proxy.adopt(sampled(backend.url, "log.sampled.share=0", "log.sampled.slow=1us"))
            await peer.get("/slow")
    assert [(line["path"], line["logged"]) for line in page.lines] == [("/slow", "slow")]


async def test_samples_that_still_wait_are_written_at_the_end() -> None:
    page = Page()
    async with Backend() as backend:
        given = sampled(backend.url, "log.sampled.share=1", "log.sampled.rate=1/m")
        async with Proxy(given, page) as proxy, await Peer.connect(proxy.addresses[0].port) as peer:
            await peer.get("/first")
            await page.until(1)
            await peer.get("/next")
            await peer.get("/finds-no-place")
            assert len(page.lines) == 1
    assert [line["path"] for line in page.lines] == ["/first", "/next"]
    assert proxy.stats.access_log_dropped == 0


def into(file: Path, before: str = "") -> list[str]:
    """The way of a command whose standard output is this file."""
    return ["/bin/sh", "-c", f'{before} exec "$@" >>"{file}"', "sh"]


@pytest.mark.parametrize("workers", [1, 2])
async def test_a_log_in_a_file_has_every_line_when_the_process_has_ended(workers: int, tmp_path: Path) -> None:
    log = tmp_path / "log"
    sets = ["log.access=all"]
    async with Backend() as backend, process(backend.url, sets=sets, workers=workers, through=into(log)) as proxy:
        for number in range(40):
            async with proxy.peer() as peer:
                assert (await peer.get(f"/{number}")).status == 200
        proxy.signal(signal.SIGTERM)
        assert await proxy.ended() == 0
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert sorted(int(line["path"][1:]) for line in told) == list(range(40))
    assert {line["logged"] for line in told} == {"all"}


async def test_a_file_that_may_not_grow_costs_lines_that_are_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    async with (
        Backend() as backend,
        process(
            backend.url,
            sets=["log.access=all"],
            through=into(log, "ulimit -f 1;"),
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
        ) as proxy,
        proxy.peer() as peer,
        asyncio.timeout(START_SECONDS),
    ):
        dropped = 0.0
        while dropped < 20:
            assert (await peer.get()).status == 200
            metrics = (await proxy.admin("GET", "/metrics")).body
            found = re.search(rb"^sidecar_access_log_dropped_total (\S+)", metrics, re.MULTILINE)
            assert found
            dropped = float(found[1])
    assert log.stat().st_size <= 1024


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"TERM": "xterm"}, r"\x1b\[32m200\x1b\[0m GET /echo [0-9.]+m?s everything, endpoint"),
        ({"TERM": "xterm", "NO_COLOR": "1"}, r"Z 200 GET /echo [0-9.]+m?s everything, endpoint"),
    ],
)
async def test_the_demo_at_a_terminal_shows_each_request(environment: dict[str, str], line: str) -> None:
    demo = ("demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
    async with terminal(*demo, environment=environment) as screen:
        port = int((await screen.draws(r"listens on http://127\.0\.0\.1:(\d+)"))[1])
        async with await Peer.connect(port) as peer:
            assert (await peer.get("/echo")).status == 200
        await screen.draws(line)
        assert screen.process is not None
        screen.process.terminate()
        assert await screen.ended() == 0
