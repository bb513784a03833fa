"""`python -m benchmarks.connections`: what ten thousand idle connections cost those who are served beside them.

Each proxy in turn, in front of the same nginx, is loaded twice: alone, and beside so many keep-alive connections that
have each made one request and now wait. wrk tells how much it carries and the processor what a request costs; at a
fixed rate (benchmarks/paced.py) it is told how long one takes. The connections come from ten addresses of loopback.

Exit status: 0 measured; 2 when something is missing or did not start.
"""

import argparse
import contextlib
import itertools
import resource
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cpu, loads, machine, proxies
from benchmarks.idle import IdleConnections
from benchmarks.processes import Program, StartError
from benchmarks.report import table, thousands
from benchmarks.slow_clients import ROWS, started

IDLE = 10_000
_SPARE = 2_000
_SOURCES = 10
_RATE = 1000
_LOAD = loads.Load("small", "", connections=64)
_WARM_REQUESTS = 2000


class Crowd(IdleConnections):
    """Idle connections of several addresses, as those of a machine's many clients."""

    __slots__ = ("_sources",)

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._sources = itertools.cycle(range(2, 2 + _SOURCES))

    def _connect(self) -> socket.socket:
        source = (f"127.0.0.{next(self._sources)}", 0)
        return socket.create_connection(("127.0.0.1", self._port), timeout=5.0, source_address=source)


@dataclass(frozen=True, slots=True)
class Served:
    """How a proxy served under load."""

    rate: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    errors: int


def serve(running: Program, port: int, wrk: str, script: str, seconds: int, cpu_of_load: int | None) -> Served:
    """Load it as much as it takes, then at a fixed rate. Raises OutputError, CalledProcessError."""
    before = cpu.cpu_seconds(running.pid)
    with machine.pinned(cpu_of_load):
        told = subprocess.run(
            loads.wrk_command(wrk, _LOAD, port, seconds, script), capture_output=True, text=True, check=True
        )
        used = cpu.cpu_seconds(running.pid) - before
        words = map(str, (port, _LOAD.path, _RATE, seconds, _LOAD.connections))
        paced = subprocess.run(
            [sys.executable, "-m", "benchmarks.paced", *words],
            capture_output=True,
            text=True,
            check=True,
            cwd=machine.ROOT,
        )
    most, steady = loads.read_wrk(told.stdout), loads.read_paced(paced.stdout)
    rate, each = most.requests / most.seconds, used / max(1, most.requests) * 1e6
    return Served(rate, each, steady.p50_ms, steady.p99_ms, most.errors + steady.errors)


def measure(row: proxies.Proxy, program: str, wrk: str, idle: int, seconds: int) -> list[list[str]]:
    """Its two lines of the table. Raises StartError, OutputError, CalledProcessError."""
    place = machine.placement()
    with ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="sidecar-idle-"))
        running, port = opened.enter_context(started(row, program, idle + _SPARE, place))
        script = Path(folder) / "wrk.lua"
        script.write_text(loads.wrk_script(_LOAD))
        with Crowd(port) as crowd:
            crowd.warm(_WARM_REQUESTS)
            alone = serve(running, port, wrk, str(script), seconds, place.rest)
            before = cpu.resident_bytes(running.pid)
            crowd.open(idle)
            each = (cpu.resident_bytes(running.pid) - before) / idle
            beside = serve(running, port, wrk, str(script), seconds, place.rest)
            lost = crowd.errors + crowd.ended()
    return [_cells(row.name, 0, alone, None, 0), _cells(row.name, idle, beside, each, lost)]


def _cells(name: str, idle: int, served: Served, each: float | None, lost: int) -> list[str]:
    figures = [thousands(served.rate), f"{served.cpu_us:.1f}", f"{served.p50_ms:.2f}", f"{served.p99_ms:.2f}"]
    memory = "–" if each is None else f"{each / 1024:.1f} KiB"
    return [name, str(idle), *figures, memory, str(lost), str(served.errors)]


def raise_hard_limit(wanted: int) -> None:
    """Who may, raises the hard limit for all: some reserve two descriptors for each connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
    machine.raise_open_files(wanted)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.connections", description=__doc__)
    parser.add_argument("--idle", type=int, default=IDLE, help="connections that wait (10000)")
    parser.add_argument("--seconds", type=int, default=5, help="of each load (5)")
    parser.add_argument("--proxies", nargs="*", default=list(ROWS), choices=ROWS, help="only these")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    raise_hard_limit(4 * (options.idle + _SPARE))
    wrk = proxies.find("wrk")
    if wrk is None:
        print("benchmarks.connections: wrk is not installed", file=sys.stderr)
        return 2
    rows = {one.name: one for one in proxies.PROXIES}
    measured: list[list[str]] = []
    for name in options.proxies:
        program = rows[name].program()
        if program is None:
            print(f"benchmarks.connections: {name} is not installed", file=sys.stderr)
            continue
        try:
            measured += measure(rows[name], program, wrk, options.idle, options.seconds)
        except (StartError, loads.OutputError, subprocess.CalledProcessError, OSError) as problem:
            print(f"benchmarks.connections: {name}: {problem}", file=sys.stderr)
            return 2
    head = ("proxy", "idle", "req/s", "CPU µs/request", "p50 ms", "p99 ms", "each idle", "lost", "errors")
    print(table(head, measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
