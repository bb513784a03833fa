"""`python -m benchmarks.scale`: does a request cost more with ten thousand routes, or with a million callers' keys? And
what is the price of seeing what goes on?

Compares Sidecar with itself: rules that differ in one thing run side by side, are visited in turn, and what counts is
the CPU time per request of each, divided by that of the first. `benchmarks/scale_cases.py` has the rules and requests.

Exit status: 0 measured without errors; 1 when requests failed; 2 when nothing could be measured.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from benchmarks import cpu, loads, machine, proxies, scale_cases
from benchmarks.processes import Program, StartError, free_port
from benchmarks.report import table, thousands
from benchmarks.run import MissingProgramError

Say = Callable[[str], None]
_CONNECTIONS = 64


@dataclass(slots=True)
class Figures:
    """What was measured of one row. Resident bytes: after the first answer, before the timed visits, after them."""

    name: str
    start_ms: float
    resident: list[int]
    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    sent: int = 0
    errors: int = 0


class Visited:
    """One Sidecar that is up, and the figures it has so far."""

    __slots__ = ("_directory", "_port", "_program", "_row", "_wrk", "figures")

    def __init__(self, row: scale_cases.Row, program: Program, port: int, directory: Path, wrk: str) -> None:
        """Wait until it answers. Raises StartError when it does not."""
        self._row = row
        self._program = program
        self._port = port
        self._directory = directory
        self._wrk = wrk
        started = program.wait_until_answers(port, row.ready)
        self.figures = Figures(row.name, started * 1e3, [cpu.resident_bytes(program.pid)])

    def fill(self, seconds: int) -> None:
        """Let it answer until every key was seen."""
        while self.figures.sent < self._row.fill and not self.figures.errors:
            self._load(seconds)
        self.figures.resident.append(cpu.resident_bytes(self._program.pid))

    def visit(self, seconds: int) -> None:
        """One timed visit. Raises OutputError when the load generator failed."""
        before = cpu.cpu_seconds(self._program.pid)
        verdict = self._load(seconds)
        self.figures.rates.append(verdict.requests / verdict.seconds)
        self.figures.costs.append((cpu.cpu_seconds(self._program.pid) - before) / max(1, verdict.requests) * 1e6)

    def leave(self) -> None:
        """Take the last reading."""
        self.figures.resident.append(cpu.resident_bytes(self._program.pid))

    def _load(self, seconds: int) -> loads.Verdict:
        script = self._directory / "requests.lua"
        script.write_text(self._row.script(self.figures.sent))
        command = [self._wrk, "-t1", f"-c{_CONNECTIONS}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
        command.append(f"http://127.0.0.1:{self._port}/")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 + 4 * seconds, check=False)
        verdict = loads.read_wrk(done.stdout + done.stderr)
        self.figures.sent += verdict.requests
        self.figures.errors += verdict.errors
        return verdict


def measure(rows: Sequence[scale_cases.Row], rounds: int, seconds: int, say: Say) -> list[Figures]:
    """Run `rows` side by side. Raises MissingProgramError, StartError or OutputError."""
    nginx, wrk, python = proxies.find("nginx"), proxies.find("wrk"), proxies.find_sidecar()
    if nginx is None or wrk is None or python is None:
        raise MissingProgramError("nginx (the backend), wrk (the load) and a checkout of Sidecar are needed")
    place = machine.placement()
    with ExitStack() as running:
        running.enter_context(machine.pinned(place.rest))
        directory = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="sidecar-scale-")))
        backend = free_port()
        room = _room(directory, "backend")
        running.enter_context(proxies.start_backend(nginx, room, backend, place.rest)).wait_until_answers(backend)
        visited: list[Visited] = []
        for number, row in enumerate(rows):
            room, port = _room(directory, str(number)), free_port()
            rules = room / "sidecar.yaml"
            rules.write_text(row.rules(port, free_port(), backend))
            command = [python, "-m", row.module, "run", "-c", str(rules)]
            program = running.enter_context(Program(f"sidecar {number}", command, room, cpu=place.proxy))
            visited.append(Visited(row, program, port, room, wrk))
            say(f"{row.name}: up after {visited[-1].figures.start_ms:.0f} ms")
        for each in visited:
            each.fill(seconds)
            say(f"{each.figures.name}: {each.figures.sent} requests before it is timed")
        for number in range(rounds):
            for each in visited:
                each.visit(seconds)
                say(f"{number + 1}/{rounds} {each.figures.name}: {each.figures.costs[-1]:.1f} µs/request")
        for each in visited:
            each.leave()
    return [each.figures for each in visited]


def _room(directory: Path, name: str) -> Path:
    room = directory / name
    room.mkdir()
    return room


def report(case: str, measured: Sequence[Figures]) -> str:
    """The table of one comparison."""
    columns = [f"`{case}`", "req/s", "CPU µs/request", "× first", "start ms", "MiB at start", "MiB after", "errors"]
    reference = median(measured[0].costs)
    lines = [
        [
            each.name,
            thousands(median(each.rates)),
            f"{median(each.costs):.1f}",
            f"{median(each.costs) / reference:.2f}",
            f"{each.start_ms:.0f}",
            f"{each.resident[0] / 1048576:.0f}",
            f"{max(each.resident) / 1048576:.0f}",
            str(each.errors),
        ]
        for each in measured
    ]
    return table(columns, lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises SystemExit on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description="Sidecar beside itself, larger.")
    parser.add_argument("--rounds", type=int, default=5, help="timed visits of each row (default 5)")
    parser.add_argument("--seconds", type=int, default=2, help="length of each visit, at least 1 (default 2)")
    parser.add_argument("--routes", type=int, default=10_000, help="routes of the larger table (default 10000)")
    parser.add_argument("--keys", type=int, default=1_000_000, help="distinct keys (default 1000000)")
    parser.add_argument("--only", choices=scale_cases.NAMES, action="append", help="one of the comparisons")
    options = parser.parse_args(arguments)
    if min(options.rounds, options.seconds, options.routes, options.keys) < 1:
        parser.error("every number must be at least 1")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    errors = 0
    for case in options.only or scale_cases.NAMES:
        rows = scale_cases.rows(case, options.routes, options.keys)
        try:
            measured = measure(rows, options.rounds, options.seconds, lambda line: print(line, file=sys.stderr))
        except (MissingProgramError, StartError, loads.OutputError) as problem:
            print(f"benchmarks.scale: {problem}", file=sys.stderr)
            return 2
        errors += sum(each.errors for each in measured)
        print(report(case, measured), flush=True)
    print("No errors." if errors == 0 else f"ERRORS: {errors} failed requests; the figures above do not count.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
