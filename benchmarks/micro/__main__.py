"""`python -m benchmarks.micro`: time every case, print nanoseconds per call and whether its module is compiled.

Exit status: 0 timed; 2 for a wrong command line.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import machine
from benchmarks.micro import Calls
from benchmarks.micro.cases import CASES, Case

Clock = Callable[[], float]

# So long that one tick of the clock and one look at it do not show.
_ROUND_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Timing:
    """One case's figures in nanoseconds per call: the median of all rounds, and the best."""

    name: str
    median: float
    best: float
    compiled: bool


def is_compiled(module: str) -> bool:
    """Whether a module that has been imported runs as machine code."""
    file = getattr(sys.modules[module], "__file__", None) or ""  # what is built into the interpreter has none
    return not file.endswith(".py")


def _enough(calls: Calls, clock: Clock) -> int:
    """How many calls fill a round; making them warms up too."""
    count = 1
    while True:
        begin = clock()
        calls(count)
        if clock() - begin >= _ROUND_SECONDS:
            return count
        count *= 2


def measure(case: Case, rounds: int, clock: Clock = time.perf_counter) -> Timing:
    """Time one case in `rounds` rounds, each long enough for `clock`."""
    calls = case.prepare()
    count = _enough(calls, clock)
    nanoseconds = []
    for _ in range(rounds):
        begin = clock()
        calls(count)
        nanoseconds.append((clock() - begin) / count * 1e9)
    return Timing(case.name, statistics.median(nanoseconds), min(nanoseconds), is_compiled(case.module))


def table(timings: Sequence[Timing]) -> str:
    """The figures as a table; the last column says what ran."""
    width = max(len("call"), *(len(timing.name) for timing in timings))
    lines = [f"{'call':{width}}  {'ns/call':>8}  {'best':>8}  runs"]
    for each in timings:
        kind = "compiled" if each.compiled else "interpreted"
        lines.append(f"{each.name:{width}}  {each.median:8.0f}  {each.best:8.0f}  {kind}")
    return "\n".join(lines)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises SystemExit on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.micro", description="What one call costs.")
    parser.add_argument("--rounds", type=int, default=15, help="how often each case is timed (default 15)")
    parser.add_argument("--only", default="", help="cases with this text in their name")
    options = parser.parse_args(arguments)
    options.cases = [case for case in CASES if options.only in case.name]
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if not options.cases:
        parser.error(f"no case has {options.only!r} in its name; there are {', '.join(case.name for case in CASES)}")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    with machine.pinned(machine.placement().proxy):
        timings = [measure(case, options.rounds) for case in options.cases]
    print(table(timings))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
