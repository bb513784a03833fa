"""Who calls in the scenarios: programs that people use, and clients of our own. Each counts what failed for it.

A request has failed when its client got no whole answer, or one that is not 2xx. None of these clients asks twice.
"""

import asyncio
import json
import re
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks import loads, machine, proxies
from benchmarks.run import MissingProgramError

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Called:
    """What a caller counted. The milliseconds are NaN where it does not tell them."""

    requests: int
    failed: int
    p50_ms: float = float("nan")
    p99_ms: float = float("nan")
    longest_ms: float = float("nan")


async def output(command: Sequence[str], seconds: float) -> str:
    """What a program printed, once it has ended. Raises TimeoutError when it does not end in time; it is killed."""
    started = await asyncio.create_subprocess_exec(
        *command,
        cwd=machine.ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await started.communicate()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
    return printed.decode(errors="replace")


async def paced(port: int, path: str, rate: int, seconds: float, connections: int = 64) -> Called:
    """So many requests a second, each on time, over connections that stay (benchmarks/paced.py)."""
    words = map(str, (port, path, rate, seconds, connections))
    printed = await output([sys.executable, "-m", "benchmarks.paced", *words], seconds + _PATIENCE_SECONDS)
    verdict = loads.read_paced(printed)
    told = next(line for line in printed.splitlines() if line.startswith("VERDICT "))
    longest = float(json.loads(told.removeprefix("VERDICT "))["max_ms"])
    return Called(verdict.requests + verdict.errors, verdict.errors, verdict.p50_ms, verdict.p99_ms, longest)


async def wrk(port: int, path: str, seconds: int, room: Path, *, connections: int = 64, closes: bool = False) -> Called:
    """As many requests as are answered, by wrk. Raises MissingProgramError."""
    program = proxies.find("wrk")
    if program is None:
        raise MissingProgramError("wrk is not installed")
    load = loads.Load("life", "", path=path, connections=connections, closes=closes)
    script = room / f"wrk-{connections}.lua"
    script.write_text(loads.wrk_script(load))
    command = loads.wrk_command(program, load, port, seconds, str(script))
    verdict = loads.read_wrk(await output(command, seconds + _PATIENCE_SECONDS))
    return Called(verdict.requests, verdict.errors, verdict.p50_ms, verdict.p99_ms)


async def h2load(port: int, path: str, requests: int, connections: int = 16) -> Called:
    """So many requests, by h2load in HTTP/1.1. (With a time instead, it does not end once a connection was closed.)
    Raises MissingProgramError, or OutputError."""
    program = proxies.find("h2load")
    if program is None:
        raise MissingProgramError("h2load is not installed")
    command = [program, "--h1", f"-n{requests}", f"-c{connections}", f"http://127.0.0.1:{port}{path}"]
    printed = await output(command, _PATIENCE_SECONDS)
    found = re.search(r"(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", printed)
    if found is None:
        raise loads.OutputError(f"no verdict in: {printed[-500:]!r}")
    done, succeeded, failed, errored, late = map(int, found.groups())
    return Called(done, max(done - succeeded, failed + errored + late))


class Calling:
    """Clients that go on until they are told to stop. `failures` says what befell the first few that failed."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self.failures: list[str] = []
        self.ends = False

    @property
    def called(self) -> Called:
        """What was counted so far."""
        return Called(self.requests, self.failed)

    def count(self, failure: str = "") -> None:
        """One request is over; `failure` says why it has failed."""
        self.requests += 1
        if failure:
            self.failed += 1
            self.failures = [*self.failures, failure][:5]


async def posting(
    calling: Calling,
    port: Callable[[], int],
    leaves: Callable[[], None] = lambda: None,
    *,
    tls: ssl.SSLContext | None = None,
    closes: bool = False,
) -> None:
    """An aiohttp client that keeps its connection. POST, which aiohttp never sends a second time by itself.

    `port` is asked before each request; `leaves` is called when an answer says `Connection: close`. With `tls` it
    speaks that; with `closes` each request has a connection of its own."""
    connector = aiohttp.TCPConnector(ssl=tls or True, force_close=closes)
    scheme = "https" if tls is not None else "http"
    patience = aiohttp.ClientTimeout(_PATIENCE_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        while not calling.ends:
            try:
                async with session.post(f"{scheme}://127.0.0.1:{port()}/small", data=b"x") as answer:
                    await answer.read()
                    calling.count("" if answer.status == 200 else f"status {answer.status}")
                    if answer.headers.get("Connection") == "close":
                        leaves()
            except (aiohttp.ClientError, TimeoutError, OSError) as failure:
                calling.count(repr(failure))


async def curling(calling: Calling, port: int) -> None:
    """curl, one after the other, each with a connection of its own. Raises MissingProgramError."""
    program = proxies.find("curl")
    if program is None:
        raise MissingProgramError("curl is not installed")
    command = [program, "-sS", "--fail", "-o", "/dev/null", "-w", "%{http_code}", f"http://127.0.0.1:{port}/small"]
    while not calling.ends:
        printed = await output(command, _PATIENCE_SECONDS)
        calling.count("" if printed == "200" else printed)


async def download(port: int, target: str) -> tuple[bool, float]:
    """curl fetches something long: whether it got the whole, and how many seconds that took."""
    program = proxies.find("curl")
    if program is None:
        raise MissingProgramError("curl is not installed")
    begun = time.monotonic()
    command = [program, "-sS", "--fail", "-o", "/dev/null", "-w", "%{http_code} %{exitcode}"]
    printed = await output([*command, f"http://127.0.0.1:{port}{target}"], _PATIENCE_SECONDS)
    return printed == "200 0", time.monotonic() - begun
