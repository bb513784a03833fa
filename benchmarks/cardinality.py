"""`python -m benchmarks.cardinality`: can clients make the metrics grow? A million requests that no two are alike try.

Random paths, methods, hosts and callers, every status a backend can answer with, and bytes that are no HTTP, pipelined
over raw sockets into a real proxy process. Afterwards its page of metrics has to be small, and to have counted every
request exactly once.

Exit status: 0 when both hold; 1 when not; 2 when nothing could be measured.
"""

import argparse
import asyncio
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks import cpu, machine
from benchmarks.processes import Program, StartError, free_port

MOST_BYTES = 200 * 1024
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
_BATCH = 50
_BATCHES = 20  # on one connection; then it ends with garbage
_KNOWN = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE", b"QUERY")
_BODILESS = (204, 205, 304)
_GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"G\x00T / HTTP/1.1\r\nHost: h\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: many\r\n\r\n",
)


def rules(backend: int) -> str:
    """Three ways for a request to go: to the backend, to a limit that refuses most, and nowhere."""
    return f"""version: 1
log: {{access: off}}
drain: {{announce: 0s, deadline: 2s}}
upstreams: {{app: {{endpoints: ["http://127.0.0.1:{backend}"]}}}}
defaults: {{retry: null}}
routes:
  - {{name: api, match: {{path: /api}}, upstream: app}}
  - name: limited
    match: {{path: /limited}}
    upstream: app
    rate_limits: [{{name: per-caller, rate: 1/m, burst: 1, key: "header:x-caller", max_keys: 1000}}]
"""


class Echoing(asyncio.Protocol):
    """A backend that answers with the status that the path asks for: `/api/418/…`, `/limited/503/…`."""

    def __init__(self, site: "Site") -> None:
        self._site = site

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        self._head = b""

    def data_received(self, data: bytes) -> None:
        """See Protocol. One request at a time, without a body: nobody sends others."""
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            target = self._head.split(b" ", 2)[1]
            status = int(target.split(b"/", 3)[2])
            body = b"" if status in _BODILESS or self._head.startswith(b"HEAD ") else b"ok"
            length = b"" if status in (204, 304) else b"Content-Length: %d\r\n" % (0 if status == 205 else 2)
            self._head = b""
            self._site.answered += 1
            self._transport.write(b"HTTP/1.1 %d As Asked\r\n%s\r\n%s" % (status, length, body))


@dataclass(slots=True)
class Site:
    """Where the backend is, and how many requests it has answered."""

    port: int = 0
    answered: int = 0


@asynccontextmanager
async def backend() -> AsyncIterator[Site]:
    """The backend, on a port of its own."""
    site = Site()
    server = await asyncio.get_running_loop().create_server(lambda: Echoing(site), "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()


class Storm:
    """So many requests, all different. `sent` counts those that were answered, garbage included."""

    def __init__(self, port: int, requests: int, seed: int, until: float = float("inf")) -> None:
        """No batch begins after the instant `until`, of the monotonic clock."""
        self.sent = 0
        self.statuses: set[int] = set()
        self._port = port
        self._left = requests
        self._until = until
        self._random = random.Random(seed)

    async def rage(self, connections: int) -> None:
        """Send them over so many connections at once. Raises ValueError when an answer is missing."""
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._call())

    async def _call(self) -> None:
        while self._left and time.monotonic() < self._until:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            for _ in range(_BATCHES):
                size = min(_BATCH, max(0, self._left - 1))
                self._left -= size
                requests = [self._request() for _ in range(size)]
                writer.write(b"".join(requests))
                for request in requests:
                    await self._answer(reader, request.startswith(b"HEAD "))
            if self._left:
                self._left -= 1
                writer.write(self._random.choice(_GARBAGE))
                await self._answer(reader, False)
                if await reader.read():
                    raise ValueError("garbage had more than one answer")
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, head_only: bool) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if length is not None and not head_only and status not in _BODILESS:
            await reader.readexactly(int(length[1]))
        elif length is None and status not in _BODILESS:
            raise ValueError(f"an answer of unknown length: {head!r}")
        self.statuses.add(status)
        self.sent += 1

    def _request(self) -> bytes:
        chance = self._random
        word = b"%x" % chance.getrandbits(64)
        status = chance.randrange(200, 600)
        method = chance.choice(_KNOWN) if chance.random() < 0.5 else chance.choice((b"M%s", b"get%s", b"%s!")) % word
        path = chance.choice((b"/api/%d/%s" % (status, word), b"/limited/%d/?%s" % (status, word), b"/" + word * 4))
        return b"%s %s HTTP/1.1\r\nHost: %s.example\r\nX-Caller: %s\r\n\r\n" % (method, path, word, word[:3])


def counted(page: str, name: str) -> int:
    """The sum of all samples of this name on a page of metrics."""
    return sum(int(float(value)) for value in re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)", page, re.MULTILINE))


def problems(page: str, sent: int, answered: int) -> list[str]:
    """What is wrong with a page of metrics after so many requests, of which the backend has answered so many."""
    found = [] if len(page.encode()) < MOST_BYTES else [f"the page is {len(page.encode())} bytes long"]
    right = {
        "sidecar_requests_total": sent,
        "sidecar_request_duration_seconds_count": sent,
        "sidecar_rejections_total": sent - answered,
        "sidecar_attempts_total": answered,
        "sidecar_attempt_duration_seconds_count": answered,
    }
    counts = {name: (counted(page, name), count) for name, count in right.items()}
    return found + [f"{name} is {told}, not {count}" for name, (told, count) in counts.items() if told != count]


def _scraped(admin: int, accept: str) -> str:
    asked = urllib.request.Request(f"http://127.0.0.1:{admin}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return str(answer.read().decode())


async def _measure(directory: Path, options: argparse.Namespace) -> list[str]:
    place, port, admin = machine.placement(), free_port(), free_port()
    async with backend() as site:
        (directory / "rules.yaml").write_text(rules(site.port))
        command = [sys.executable, "-m", "sidecar", "run", "-c", str(directory / "rules.yaml")]
        command += ["--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
        with machine.pinned(place.rest), Program("sidecar", command, directory, cpu=place.proxy) as proxy:
            proxy.wait_until_answers(admin, "/livez")
            began, sent, found = time.monotonic(), 0, []
            for share, seed in ((options.requests // 10, 1), (options.requests - options.requests // 10, 2)):
                storm = Storm(port, share, seed, began + options.seconds)
                await storm.rage(options.connections)
                sent += storm.sent
                page, opened = _scraped(admin, ""), _scraped(admin, OPENMETRICS)
                found += problems(page, sent, site.answered) + problems(opened, sent, site.answered)
                memory = cpu.resident_bytes(proxy.pid) / (1 << 20)
                print(
                    f"{sent:>9} requests, {len(storm.statuses)} statuses, {time.monotonic() - began:.0f} s: page of "
                    f"{len(page.encode()) / 1024:.0f} KiB, {len(page.splitlines())} lines; {memory:.1f} MiB resident"
                )
    return found


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cardinality", description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=1_000_000, help="how many (default a million)")
    parser.add_argument("--connections", type=int, default=32, help="at once (default 32)")
    parser.add_argument("--seconds", type=float, default=300.0, help="after which no more are sent (default 300)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="sidecar-cardinality-") as directory:
        try:
            found = asyncio.run(_measure(Path(directory), options))
        except (StartError, OSError) as error:
            print(f"benchmarks: {error}", file=sys.stderr)
            return 2
    for problem in found:
        print(f"benchmarks: {problem}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
