"""One run: the backend, every proxy beside it, and rounds in which each load visits each proxy in turn.

Rounds are interleaved because machines are noisy in stretches: a slow minute must hit all rows alike. All proxies stay
up for the whole run (an idle one costs next to nothing) and the order turns by one place each round, so that nobody
always follows the same neighbour. Whatever ends the run, every process ends with it.
"""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import cpu, loads, machine, proxies
from benchmarks.idle import IdleConnections
from benchmarks.loads import Load, Verdict
from benchmarks.processes import Program, StartError, ask, free_port
from benchmarks.proxies import Proxy, Site
from benchmarks.result import Footprint, Result, Sample

_MEMORY_ROUNDS = 3
_WARM_REQUESTS = 200
_WITNESS_LIMIT = 5
_WITNESS_REQUESTS = 30


class MissingProgramError(Exception):
    """The backend (nginx) or the load generator (wrk) is not installed: nothing can be measured."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for: how often, how long, which loads and which rows."""

    rounds: int
    seconds: int
    loads: Sequence[str]
    proxies: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Row:
    """A row that is up: where to send to, and whose CPU time to read (None: nobody's)."""

    name: str
    port: int
    program: Program | None


class Bench:
    """The tools and places of one run. `say` receives progress, one line at a time."""

    __slots__ = ("_directory", "_nginx", "_place", "_plan", "_say", "_wrk")

    def __init__(self, plan: Plan, directory: Path, say: Callable[[str], None]) -> None:
        nginx, wrk = proxies.find("nginx"), proxies.find("wrk")
        if nginx is None or wrk is None:
            raise MissingProgramError("nginx (the backend) and wrk (the load) must be installed")
        self._plan = plan
        self._directory = directory
        self._say = say
        self._nginx = nginx
        self._wrk = wrk
        self._place = machine.placement()

    def run(self) -> Result:
        """Measure everything in the plan. Raises StartError when the backend does not come up."""
        machine.raise_open_files()
        chosen = self._chosen()
        result = self._empty(chosen)
        with machine.pinned(self._place.rest), ExitStack() as running:
            port = free_port()
            running.enter_context(
                proxies.start_backend(self._nginx, self._room("backend"), port, self._place.rest)
            ).wait_until_answers(port)
            usable = self._footprints(self._enforcing(chosen, port, result), port, result)
            rows = [_Row(proxies.DIRECT, port, None)] if proxies.DIRECT in self._plan.proxies else []
            for proxy, program in usable:
                site = Site(self._room(proxy.name), free_port(), port)
                started = running.enter_context(proxy.start(program, site, self._place.proxy))
                try:
                    started.wait_until_answers(site.port)
                except StartError as problem:
                    self._failed(proxy, problem, result)
                else:
                    rows.append(_Row(proxy.name, site.port, started))
            self._rounds(rows, result)
        return result

    def _chosen(self) -> list[tuple[Proxy, str]]:
        found = []
        for proxy in proxies.PROXIES:
            if proxy.name not in self._plan.proxies:
                continue
            program = proxy.program()
            if program is None:
                self._say(f"skipped: {proxy.name} is not installed")
            else:
                found.append((proxy, program))
        return found

    def _empty(self, chosen: list[tuple[Proxy, str]]) -> Result:
        versions = {proxy.name: proxy.version(program) for proxy, program in chosen if "+" not in proxy.name}
        versions["wrk"] = self._wrk_version()
        versions["backend"] = "nginx " + proxies.nginx_version(self._nginx)
        return Result(
            date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            commit=machine.commit(),
            machine=machine.describe(),
            versions=versions,
            settings={
                "rounds": str(self._plan.rounds),
                "seconds": f"{self._plan.seconds}",
                "placement": self._place.describe(),
            },
        )

    def _wrk_version(self) -> str:
        # wrk calls printing its version a wrong usage: the line is there, the status is 1.
        done = subprocess.run([self._wrk, "-v"], capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).removeprefix("wrk ").partition(" ")[0] or "unknown"

    def _room(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._directory))

    def _enforcing(self, chosen: list[tuple[Proxy, str]], backend: int, result: Result) -> list[tuple[Proxy, str]]:
        """`chosen` without the rows whose policies are accepted but not in force.

        Such a row does no work for its policies and would look as if they cost nothing. The witness is the rate limit,
        set within reach: it must refuse.
        """
        kept = []
        for proxy, program in chosen:
            try:
                if proxy.policies:
                    self._witness(proxy, program, backend)
            except StartError as problem:
                self._failed(proxy, problem, result)
            else:
                kept.append((proxy, program))
        return kept

    def _witness(self, proxy: Proxy, program: str, backend: int) -> None:
        site = Site(self._room(proxy.name), free_port(), backend, _WITNESS_LIMIT)
        with proxy.start(program, site, self._place.proxy) as started:
            started.wait_until_answers(site.port)
            if not any(ask(site.port) == 429 for _ in range(_WITNESS_REQUESTS)):
                raise StartError(
                    f"{proxy.name} answered {_WITNESS_REQUESTS} requests at a limit of {_WITNESS_LIMIT} per second: "
                    "its policies are not in force, so its row is not measured"
                )

    def _footprints(self, chosen: list[tuple[Proxy, str]], backend: int, result: Result) -> list[tuple[Proxy, str]]:
        """Start each proxy afresh: start-up time and memory. Returns those that came up; the others are reported."""
        usable = list(chosen)
        rounds = min(self._plan.rounds, _MEMORY_ROUNDS) if loads.MEMORY in self._plan.loads else 0
        for number in range(rounds):
            for proxy, program in tuple(usable):
                try:
                    footprint = self._footprint(number, proxy, program, backend)
                except StartError as problem:
                    self._failed(proxy, problem, result)
                    usable.remove((proxy, program))
                    continue
                result.footprints.append(footprint)
                self._say(
                    f"memory  {number + 1}/{rounds} {proxy.name:<17} start {footprint.start_ms:6.0f} ms  "
                    f"idle {footprint.idle_bytes / 1048576:6.1f} MiB"
                )
        return usable

    def _failed(self, proxy: Proxy, problem: StartError, result: Result) -> None:
        result.failed.append(proxy.name)
        self._say(f"FAILED: {problem}")

    def _footprint(self, number: int, proxy: Proxy, program: str, backend: int) -> Footprint:
        site = Site(self._room(proxy.name), free_port(), backend)
        with proxy.start(program, site, self._place.proxy) as started, IdleConnections(site.port) as connections:
            took = started.wait_until_answers(site.port)
            idle = cpu.resident_bytes(started.pid)
            connections.warm(_WARM_REQUESTS)
            before = cpu.resident_bytes(started.pid)
            connections.open(loads.IDLE_CONNECTIONS)
            grown = cpu.resident_bytes(started.pid) - before
        return Footprint(
            round=number,
            proxy=proxy.name,
            start_ms=took * 1e3,
            idle_bytes=idle,
            connection_bytes=max(0.0, grown / loads.IDLE_CONNECTIONS),
            errors=connections.errors,
        )

    def _rounds(self, rows: list[_Row], result: Result) -> None:
        for number in range(self._plan.rounds):
            order = rows[number % len(rows) :] + rows[: number % len(rows)] if rows else []
            for load in loads.LOADS:
                if load.name not in self._plan.loads:
                    continue
                for row in order:
                    sample = self._sample(number, load, row)
                    result.samples.append(sample)
                    self._say(
                        f"{load.name:<8}{number + 1}/{self._plan.rounds} {row.name:<17} "
                        f"{sample.requests / sample.seconds:9.0f} req/s  p99 {sample.p99_ms:7.2f} ms"
                        + (f"  ERRORS {sample.errors}" if sample.errors else "")
                    )

    def _sample(self, number: int, load: Load, row: _Row) -> Sample:
        before = cpu.cpu_seconds(row.program.pid) if row.program else 0.0
        verdict = self._paced(load, row.port) if load.paced else self._wrk_run(load, row.port)
        used = cpu.cpu_seconds(row.program.pid) - before if row.program else None
        return Sample(
            round=number,
            load=load.name,
            proxy=row.name,
            requests=verdict.requests,
            seconds=verdict.seconds,
            cpu_seconds=used,
            errors=verdict.errors,
            p50_ms=verdict.p50_ms,
            p99_ms=verdict.p99_ms,
        )

    def _wrk_run(self, load: Load, port: int) -> Verdict:
        script = self._directory / f"{load.name}.lua"
        if not script.exists():
            script.write_text(loads.wrk_script(load))
        command = loads.wrk_command(self._wrk, load, port, self._plan.seconds, str(script))
        return loads.read_wrk(self._output(command))

    def _paced(self, load: Load, port: int) -> Verdict:
        arguments = [port, load.path, loads.PACED_RATE, self._plan.seconds, load.connections]
        command = [sys.executable, "-m", "benchmarks.paced", *map(str, arguments)]
        return loads.read_paced(self._output(command))

    def _output(self, command: list[str]) -> str:
        limit = 60 + 4 * self._plan.seconds
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=machine.ROOT,
            timeout=limit,
            check=False,
        )
        return done.stdout


def run(plan: Plan, say: Callable[[str], None]) -> Result:
    """Carry out `plan` in a temporary directory that is gone afterwards. Raises MissingProgramError or StartError."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        with tempfile.TemporaryDirectory(prefix="sidecar-bench-") as directory:
            return Bench(plan, Path(directory), say).run()
    finally:
        signal.signal(signal.SIGTERM, previous)
