"""A real Prometheus, a process of its own on a port that the kernel chose, asked by its HTTP API.

Alerts come to the test as they would to an Alertmanager: Prometheus sends them, so that nothing has to ask in a loop.
Leaving the context ends the process; everything is bounded in time.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.doubles.backend import OK, Backend, Call
from tests.doubles.peer import Peer
from tests.doubles.servers import require

# On a busy machine a scrape or an evaluation comes late; a test that waits as long as this has failed.
LIMIT_SECONDS = 45.0
# Between two questions to its API, which nothing but questions can tell of.
_PACE = 0.1
_LISTENS = re.compile(r'msg="Listening on" address=127\.0\.0\.1:(\d+)')

Sample = dict[str, Any]


class Prometheus:
    """One that serves. `sent` are the labels of each alert that it has sent: only those that fire, or have fired."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent: list[dict[str, str]] = []
        self._grew = asyncio.Event()

    async def ask(self, path: str, **parameters: object) -> Any:
        """`data` of an answer of its API."""
        async with await Peer.connect(self.port) as peer:
            answer = await peer.get(f"/api/v1/{path}?{urlencode(parameters)}", "Connection: close")
        told = json.loads(answer.body)
        assert told["status"] == "success", told
        return told["data"]

    async def query(self, expr: str) -> list[Sample]:
        """The samples of an instant query."""
        samples: list[Sample] = (await self.ask("query", query=expr))["result"]
        return samples

    async def by(self, *labels: str, expr: str) -> dict[tuple[str, ...], float]:
        """The values of a query by some of their labels."""
        samples = await self.query(expr)
        return {
            tuple(sample["metric"].get(label, "") for label in labels): float(sample["value"][1]) for sample in samples
        }

    async def until(self, expr: str, holds: Callable[[float], bool]) -> float:
        """Asks until the one value of a query is so: it has no way to tell of a scrape by itself."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                samples = await self.query(expr)
                if len(samples) == 1 and holds(value := float(samples[0]["value"][1])):
                    return value
                await asyncio.sleep(_PACE)

    async def scraped_after(self, instant: float) -> None:
        """Waits until every target has been scraped at an instant later than this, in Unix seconds."""
        await self.until("min(timestamp(up))", lambda last: last > instant)

    async def fires(self, name: str, **labels: str) -> dict[str, str]:
        """Waits until it has sent this alert as firing; its labels."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                for sent in self.sent:
                    if sent["alertname"] == name and labels.items() <= sent.items():
                        return sent
                self._grew.clear()
                await self._grew.wait()

    async def _received(self, call: Call) -> None:
        self.sent += [alert["labels"] for alert in json.loads(await call.body())]
        self._grew.set()
        await call.send(OK)


@asynccontextmanager
async def prometheus(config: Mapping[str, Any], folder: Path) -> AsyncIterator[Prometheus]:
    """One that runs under this configuration, with exemplars, and keeps what it knows in `folder`."""
    found = Prometheus(0)
    path = folder / "prometheus.yaml"
    async with Backend(found._received) as receiver:
        alerting = {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{receiver.port}"]}]}]}
        path.write_text(yaml.safe_dump({**config, "alerting": alerting}))
        process = await asyncio.create_subprocess_exec(
            require("prometheus"),
            f"--config.file={path}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--enable-feature=exemplar-storage",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        reading = None
        try:
            assert process.stderr is not None
            found.port = await _ready(process.stderr)
            reading = asyncio.get_running_loop().create_task(_drain(process.stderr))
            yield found
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            if reading is not None:
                await reading


async def _ready(said: asyncio.StreamReader) -> int:
    """Waits until it says that it serves; its port."""
    port, lines = 0, []
    async with asyncio.timeout(LIMIT_SECONDS):
        while line := (await said.readline()).decode():
            lines.append(line)
            if listens := _LISTENS.search(line):
                port = int(listens[1])
            if "Server is ready" in line:
                return port
    raise AssertionError("it ended and said only:\n" + "".join(lines))


async def _drain(said: asyncio.StreamReader) -> None:
    while await said.readline():
        pass
