"""`python -m benchmarks.overload`: goodput against offered load, and through a backend that slows down.

Every row stands in front of a backend of its own with a true capacity (overload_backend.py) and is offered a fifth to
five times of it by callers that hang up after a second (overload_load.py). Backend and proxy are started afresh for
each point. The capacity is far below what any proxy carries, so what is compared is what they let through and not how
fast they are: rows are measured side by side as long as there is room on the machine (`--together`), and the report
says how busy it was and how late the generators were.

Exit status: 0 measured; 1 some installed row did not start; 2 nothing was measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine, overload_report
from benchmarks.loads import OutputError
from benchmarks.overload_load import Plan, Verdict
from benchmarks.overload_result import Point, Result, Slowdown
from benchmarks.overload_rows import CAPACITY, MEAN_SECONDS, NAMES, PLACES, ROWS, SIGMA, Row, versions
from benchmarks.processes import Program, StartError, free_port
from benchmarks.proxies import Site

OUT = machine.ROOT / "benchmarks" / "out"
CHART = machine.ROOT / "docs" / "overload.svg"
PAGE = machine.ROOT / "docs" / "overload.md"
LOADS = (0.2, 0.5, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0)
WARM_SECONDS = 3.0
_SPARE_SECONDS = 20.0

Tell = Callable[[str], None]


class Stage:
    """One installed row, started: its backend and its proxy, both fresh. Raises StartError; ends with `opened`."""

    def __init__(self, row: Row, folder: Path, opened: ExitStack, seed: int) -> None:
        self.row = row
        self.backend = free_port()
        words = [str(self.backend), str(PLACES), str(MEAN_SECONDS), str(SIGMA), str(seed)]
        backend = opened.enter_context(
            Program("backend", [sys.executable, "-m", "benchmarks.overload_backend", *words], folder)
        )
        backend.wait_until_answers(self.backend, "/ready")
        self.port = self.backend
        program = row.proxy.program() if row.proxy is not None else None
        if row.proxy is not None and program is not None:
            self.port = free_port()
            proxy = opened.enter_context(row.proxy.start(program, Site(folder, self.port, self.backend), None))
            proxy.wait_until_answers(self.port, "/ready")

    def ask(self, plan: Plan) -> Verdict:
        """Send one load. Raises OutputError when the generator says nothing."""
        command = [sys.executable, "-m", "benchmarks.overload_load", json.dumps(asdict(plan))]
        limit = plan.warm + plan.seconds + plan.patience + _SPARE_SECONDS
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False, cwd=machine.ROOT)
        for line in done.stdout.splitlines():
            if line.startswith("VERDICT "):
                return Verdict(**json.loads(line.removeprefix("VERDICT ")))
        raise OutputError(f"no verdict for {self.row.name}: {done.stderr[-500:]}")

    def state(self) -> dict[str, int]:
        """What the backend did."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.backend}/state", timeout=5) as answer:
            found: dict[str, int] = json.load(answer)
        return found


def ticks() -> tuple[int, int]:
    """Time of all processors so far: in use, and altogether."""
    fields = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def side_by_side(
    rows: Sequence[Row], load: float, plan: Callable[[Stage], Plan], tell: Tell
) -> tuple[list[Point], dict[str, str]]:
    """One load on some rows at once: what was measured, and why which others could not be."""
    failed: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="overload-") as folder, ExitStack() as opened:
        stages = []
        for place, row in enumerate(rows):
            own = Path(folder) / str(place)
            own.mkdir()
            try:
                # All rows have the same luck.
                stages.append(Stage(row, own, opened, seed=1))
            except StartError as problem:
                failed[row.name] = str(problem)
                tell(f"{row.name} is left out: {problem}")
        before = ticks()
        with ThreadPoolExecutor(max_workers=max(1, len(stages))) as threads:
            verdicts = list(threads.map(lambda stage: stage.ask(plan(stage)), stages))
        after = ticks()
        busy = (after[0] - before[0]) / max(1, after[1] - before[1])
        points = []
        for stage, verdict in zip(stages, verdicts, strict=True):
            state = stage.state()
            points.append(Point(stage.row.name, load, verdict, state["answered"] + state["wasted"], busy))
            tell(f"{load:g} x {stage.row.name}: {verdict.good} of {verdict.offered} good, {verdict.refused} refused")
    return points, failed


def batches(rows: Sequence[Row], load: float, together: float) -> Iterator[Sequence[Row]]:
    """Rows that may be measured at once: all of them together are offered `together` requests a second at most."""
    size = max(1, int(together / (load * CAPACITY)))
    # As many batches as that takes, and all about as large: two of four disturb each other less than five and three.
    count = -(-len(rows) // size)
    for number in range(count):
        yield rows[number::count]


def installed(rows: Sequence[Row], tell: Tell) -> list[Row]:
    """Those whose program is on this machine; the others are told."""
    found = []
    for row in rows:
        if row.proxy is None or row.proxy.program() is not None:
            found.append(row)
        else:
            tell(f"{row.name} is skipped: it is not installed")
    return found


def measure(options: argparse.Namespace, rows: Sequence[Row], tell: Tell) -> Result:
    """The whole run."""
    slow = Slowdown(load=0.9, seconds=4 * options.seconds, begins=options.seconds, ends=2 * options.seconds, factor=3.0)
    result = Result(
        date=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        commit=machine.commit(),
        machine=machine.describe(),
        versions=versions(rows),
        settings={
            "command": options.command,
            "backend": f"{PLACES} places, {MEAN_SECONDS * 1e3:.0f} ms each (lognormal, sigma {SIGMA:g})",
        },
        capacity=CAPACITY,
        seconds=options.seconds,
        slowdown=slow,
    )

    def steady(load: float) -> Callable[[Stage], Plan]:
        return lambda stage: Plan(
            port=stage.port, rate=load * CAPACITY, seconds=options.seconds, warm=options.warm, seed=round(load * 100)
        )

    def stepping(stage: Stage) -> Plan:
        changes = ((slow.begins, f"/pace/{slow.factor}"), (slow.ends, "/pace/1"))
        return Plan(
            port=stage.port, rate=slow.load * CAPACITY, seconds=slow.seconds, backend=stage.backend, changes=changes
        )

    def add(points: list[Point], load: float, plan: Callable[[Stage], Plan]) -> None:
        able = [row for row in rows if row.name not in result.failed]
        for batch in batches(able, load, options.together):
            found, failed = side_by_side(batch, load, plan, tell)
            points += found
            result.failed.update(failed)

    for load in options.loads:
        add(result.ramp, load, steady(load))
    if options.slowdown:
        add(result.steps, slow.load, stepping)
    return result


def _chosen(names: str) -> list[Row]:
    """The rows named; a family (`nginx`) names all its rows."""
    wanted = names.split(",")
    unknown = [name for name in wanted if name not in {*NAMES, *(each.partition(" ")[0] for each in NAMES)}]
    if unknown:
        raise argparse.ArgumentTypeError(f"no row {unknown[0]!r}; there are: {', '.join(NAMES)}")
    return [row for row in ROWS if row.name in wanted or row.name.partition(" ")[0] in wanted]


def _loads(text: str) -> list[float]:
    loads = sorted({float(word) for word in text.split(",") if word})
    if any(load <= 0 or load > 10 for load in loads):
        raise argparse.ArgumentTypeError("a load is a number of capacities, above 0 and at most 10")
    return loads


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__.partition("\n")[0])
    made.add_argument("--proxies", type=_chosen, default=list(ROWS), help="rows or families, with commas")
    made.add_argument("--loads", type=_loads, default=list(LOADS), help="in capacities, with commas; empty: none")
    made.add_argument(
        "--seconds", type=float, default=8.0, help="counted for each point; the slowdown takes 4 times that"
    )
    made.add_argument("--warm", type=float, default=WARM_SECONDS, help="before that")
    made.add_argument(
        "--together", type=float, default=4000.0, help="requests per second at most, of rows side by side"
    )
    made.add_argument("--no-slowdown", dest="slowdown", action="store_false", help="the steady loads only")
    made.add_argument(
        "--publish", action="store_true", help="write docs/overload.svg and the figures of docs/overload.md"
    )
    made.add_argument("--draw", type=Path, metavar="JSON", help="measure nothing, take the result of an earlier run")
    return made


def main(arguments: Sequence[str]) -> int:
    """Measure, print, and write down."""
    options = parser().parse_args(arguments)
    options.command = " ".join(["python -m benchmarks.overload", *arguments])
    machine.raise_open_files()
    try:
        if options.draw is not None:
            result = Result.load(options.draw)
        else:
            result = measure(options, installed(options.proxies, _tell), _tell)
            result.save(OUT / "overload.json")
    except (OutputError, subprocess.TimeoutExpired) as problem:
        print(f"benchmarks.overload: {problem}", file=sys.stderr)
        return 2
    if not result.ramp and not result.steps:
        return 2
    text = overload_report.tables(result)
    print(text)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "overload.svg").write_text(overload_report.draw(result))
    if options.publish:
        CHART.write_text(overload_report.draw(result))
        PAGE.write_text(overload_report.put_in(PAGE.read_text(), text))
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
