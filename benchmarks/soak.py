"""`python -m benchmarks.soak --minutes 30`: one Sidecar under everything at once, looked at while time passes.

Clients act (soak_acts.py), a steady one asks fifty times a second (soak_probe.py), rules are edited every ten seconds,
now usable and now not, and the backend is killed every thirty and is away for a second. Every five seconds the process
is looked at (soak_watch.py); in the end it is judged whether all of that stayed flat (soak_verdict.py).

Exit status: 0 everything passed; 1 something did not; 2 it could not be measured.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
import uvloop

from benchmarks import machine, plot, proxies, soak_verdict, wire_configs
from benchmarks.processes import Program, StartError, free_port
from benchmarks.report import table
from benchmarks.soak_probe import SECONDS
from benchmarks.soak_rules import Ports, rules, unusable
from benchmarks.soak_verdict import Finding, Sample
from benchmarks.soak_watch import Watch, windows

OUT = machine.ROOT / "benchmarks" / "out" / "soak.json"
CHART = machine.ROOT / "docs" / "soak.svg"
_EDIT_SECONDS = 10.0
_RESTART_SECONDS = 30.0
_AWAY_SECONDS = 1.0
_OBJECTS_EVERY = 6
_SETTLES_SECONDS = 90.0
_LAST_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Soaked:
    """What was seen: before, during and after the traffic."""

    before: Sample
    samples: list[Sample]
    after: Sample
    outcomes: dict[str, dict[str, int]]
    reloads: dict[str, float]
    restarts: int
    log: str

    @property
    def judged(self) -> list[Sample]:
        """The samples behind the warm-up."""
        since = soak_verdict.warm_up(self.samples[-1].seconds) if self.samples else 0.0
        return [sample for sample in self.samples if sample.seconds >= since]

    def findings(self) -> list[Finding]:
        """All that is judged."""
        return [
            soak_verdict.memory(self.judged),
            soak_verdict.level(self.judged, "descriptors"),
            soak_verdict.level(self.judged, "tasks"),
            soak_verdict.latency(self.judged),
            soak_verdict.settled(self.before, self.after),
            soak_verdict.clients(self.outcomes),
            soak_verdict.log(self.log),
        ]


class Stage:
    """The programs of one soak, started in `folder`; they end with `opened`."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        self.ports = Ports(*(free_port() for _ in range(5)))
        openssl = proxies.find("openssl")
        if openssl is None:
            raise StartError("openssl is not installed; it makes the certificate")
        self.identity = wire_configs.identity(openssl, folder, wire_configs.ECDSA)
        self.file = folder / "sidecar.yaml"
        self.restarts = 0
        self._backend = self._program("backend", "benchmarks.soak_backend", self.ports.backend)
        self._program("steady", "benchmarks.soak_backend", self.ports.steady).wait_until_answers(self.ports.steady)
        self._backend.wait_until_answers(self.ports.backend)
        self.file.write_text(self._version(0))
        command = [sys.executable, "-m", "sidecar", "run", "-c", str(self.file)]
        self.sidecar = opened.enter_context(Program("sidecar", command, folder))
        self.sidecar.wait_until_answers(self.ports.plain)

    @property
    def log(self) -> str:
        """What Sidecar has written."""
        return (self._folder / "sidecar.log").read_text(errors="replace")

    async def edit(self) -> None:
        """Write the next version of the rules, again and again."""
        for turn in itertools.count(1):
            await asyncio.sleep(_EDIT_SECONDS)  # the pace of the edits
            fresh = self.file.with_suffix(".new")
            fresh.write_text(self._version(turn))
            fresh.replace(self.file)

    async def restart(self) -> None:
        """Kill the backend, again and again, and start it a moment later."""
        while True:
            await asyncio.sleep(_RESTART_SECONDS)  # the pace of the restarts
            os.kill(self._backend.pid, signal.SIGKILL)
            await asyncio.to_thread(self._backend.stop)
            await asyncio.sleep(_AWAY_SECONDS)  # how long it is away
            self._backend = self._program("backend", "benchmarks.soak_backend", self.ports.backend)
            self.restarts += 1

    def _program(self, name: str, module: str, port: int) -> Program:
        return self._opened.enter_context(Program(name, [sys.executable, "-m", module, str(port)], self._folder))

    def _version(self, turn: int) -> str:
        usable = rules(self.ports, self.identity.certificate, self.identity.private_key, other=turn % 4 == 2)
        return unusable(usable) if turn % 2 else usable


async def _program(module: str, *words: object) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, words)),
        cwd=machine.ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )


@contextlib.asynccontextmanager
async def _meanwhile(*works: asyncio.Task[None]) -> AsyncIterator[None]:
    """These go on until the end of the block, where whatever failed in them is raised."""
    try:
        yield
    finally:
        for work in works:
            work.cancel()
        for ended in await asyncio.gather(*works, return_exceptions=True):
            if isinstance(ended, Exception):
                raise ended


async def _settle(watch: Watch, before: Sample) -> Sample:
    """The first sample with nothing left of the traffic, or the last one taken."""
    loop = asyncio.get_running_loop()
    until = loop.time() + _SETTLES_SECONDS
    while True:
        after = await watch.sample(objects=True)
        if soak_verdict.settled(before, after).passed or loop.time() > until:
            return after
        await asyncio.sleep(1)  # the pool closes what is idle in its own time


async def soak(stage: Stage, seconds: float, told: int = 12) -> Soaked:
    """Soak it for so long; every `told` samples one is told. Raises StartError, OSError, ValueError."""
    watch = Watch(stage.sidecar.pid, stage.ports.admin)
    before = await _settle(watch, await watch.sample())
    steady: list[dict[str, float]] = []
    samples: list[Sample] = []
    probe = await _program("benchmarks.soak_probe", stage.ports.plain, "/probe/small")
    clients = await _program(
        "benchmarks.soak_clients", stage.ports.plain, stage.ports.secure, stage.identity.certificate
    )
    assert probe.stdout is not None
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        works = [windows(probe.stdout, steady), stage.edit(), stage.restart()]
        async with _meanwhile(*(loop.create_task(work) for work in works)):
            for number in range(1, round(seconds / SECONDS) + 1):
                await asyncio.sleep(began + number * SECONDS - loop.time())  # the pace of the samples
                window = steady[-1] if steady else None
                samples.append(await watch.sample(window, objects=number % _OBJECTS_EVERY == 0))
                if number % told == 0:
                    print(_line(samples[-1]), flush=True)
        probe.terminate()
        clients.terminate()
        async with asyncio.timeout(_LAST_SECONDS):
            verdict, _ = await clients.communicate()
            await probe.wait()
    finally:
        for one in (probe, clients):
            with contextlib.suppress(ProcessLookupError):
                one.kill()
    outcomes = json.loads(verdict.decode().partition("VERDICT ")[2])
    after = await _settle(watch, before)
    return Soaked(before, samples, after, outcomes, await watch.reloads(), stage.restarts, stage.log)


def _line(sample: Sample) -> str:
    p99 = "–" if sample.p99_ms is None else f"{sample.p99_ms:.2f}"
    return (
        f"{sample.seconds:6.0f} s  {sample.resident / (1 << 20):7.2f} MiB  {sample.descriptors:4.0f} descriptors"
        f"  {sample.tasks:3.0f} tasks  {sample.downstream:4.0f} connections  p99 {p99} ms"
        f"  CPU {sample.cpu_seconds:.0f} s"
    )


def report(seen: Soaked) -> str:
    """Two tables: what was judged, and what every act met."""
    judged = [(one.what, one.told, "passed" if one.passed else "FAILED") for one in seen.findings()]
    acts = [
        (name, str(sum(found.values())), ", ".join(f"{count} × {what}" for what, count in sorted(found.items())))
        for name, found in seen.outcomes.items()
    ]
    last = seen.samples[-1]
    busy = (last.cpu_seconds - seen.before.cpu_seconds) / (last.seconds - seen.before.seconds)
    reloads = ", ".join(f"{count:.0f} × {result}" for result, count in sorted(seen.reloads.items()))
    return "\n\n".join(
        [
            table(("judged", "found", ""), judged),
            table(("act", "times", "outcomes"), acts),
            f"CPU of Sidecar: {busy:.0%} of one. Reloads: {reloads}. Restarts of the backend: {seen.restarts}.",
        ]
    )


def chart(seen: Soaked, note: str) -> str:
    """What was sampled, over minutes."""
    minutes = [sample.seconds / 60 for sample in seen.samples]
    marks = {soak_verdict.warm_up(seen.samples[-1].seconds) / 60: "judged from here"}

    def panel(title: str, label: str, series: dict[str, list[float | None]]) -> plot.Panel:
        return plot.Panel(title=title, label=label, x=minutes, series=series, marks=marks, x_label="minutes")

    def of(name: str, scale: float = 1.0) -> list[float | None]:
        values = [getattr(sample, name) for sample in seen.samples]
        return [None if value is None else value * scale for value in values]

    mib = 1 / (1 << 20)
    return plot.plot(
        "Soak: one Sidecar over time",
        [
            panel("Memory", "MiB", {"resident": of("resident", mib), "anonymous": of("anonymous", mib)}),
            panel("Held", "count", {"descriptors": of("descriptors"), "tasks": of("tasks")}),
            panel("Latency of the steady client", "ms", {"p50": of("p50_ms"), "p99": of("p99_ms")}),
        ],
        note,
    )


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the traffic lasts (30)")
    parser.add_argument("--out", type=Path, default=OUT, help="where all samples go, as JSON")
    parser.add_argument("--publish", action="store_true", help="also draw docs/soak.svg")
    options = parser.parse_args(arguments)
    if options.minutes < 0.5:
        parser.error("--minutes must be at least 0.5")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    machine.raise_open_files()
    version = proxies.sidecar_version(sys.executable)
    try:
        with tempfile.TemporaryDirectory(prefix="sidecar-soak-") as folder, ExitStack() as opened:
            seen = uvloop.run(soak(Stage(Path(folder), opened), options.minutes * 60))
    except (StartError, OSError, ValueError, aiohttp.ClientError) as problem:
        print(f"benchmarks.soak: {problem}", file=sys.stderr)
        return 2
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(asdict(seen) | {"version": version, "machine": machine.describe()}, indent=1))
    note = f"Sidecar {version}, {options.minutes:g} minutes, commit {machine.commit()}"
    print(f"{note}\n\n{report(seen)}")
    if options.publish:
        CHART.write_text(chart(seen, note))
    return 0 if all(one.passed for one in seen.findings()) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
