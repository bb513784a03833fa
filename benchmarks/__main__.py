"""`python -m benchmarks`: measure, print the tables, keep the result; `--publish` also writes what the README shows.

Exit status: 0 measured without errors; 1 when requests failed or an installed proxy did not start (the tables say so);
2 when nothing could be measured.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import chart, loads, machine, proxies, report
from benchmarks.processes import StartError
from benchmarks.run import MissingProgramError, Plan, run

OUT = machine.ROOT / "benchmarks" / "out"
CHART = machine.ROOT / "docs" / "benchmarks.svg"


def _some_of(names: Sequence[str]) -> "type[list[str]]":
    class Choice(list[str]):
        """The comma-separated names of an option, each one known."""

        def __init__(self, text: str) -> None:
            super().__init__(name.strip() for name in text.split(",") if name.strip())
            unknown = [name for name in self if name not in names]
            if unknown or not self:
                raise argparse.ArgumentTypeError(f"choose from {', '.join(names)}; got {text!r}")

    return Choice


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises SystemExit on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Sidecar beside other proxies.")
    parser.add_argument("--rounds", type=int, default=5, help="how often each load visits each proxy (default 5)")
    parser.add_argument("--seconds", type=int, default=2, help="length of each visit, at least 1 (default 2)")
    parser.add_argument("--only", type=_some_of(loads.NAMES), default=list(loads.NAMES), help=", ".join(loads.NAMES))
    rows = f"{', '.join(proxies.NAMES)} (default {', '.join(proxies.DEFAULT)})"
    parser.add_argument("--proxies", type=_some_of(proxies.NAMES), default=list(proxies.DEFAULT), help=rows)
    parser.add_argument("--policies", action="store_true", help="also the row with policies of each of these proxies")
    parser.add_argument("--publish", action="store_true", help="also write the README's table and docs/benchmarks.svg")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    if options.publish and "small" not in options.only:
        parser.error("--publish needs the small load")
    if options.policies:
        options.proxies = proxies.with_policies(options.proxies)
    return options


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)
    plan = Plan(options.rounds, options.seconds, options.only, options.proxies)
    try:
        result = run(plan, lambda line: print(line, file=sys.stderr, flush=True))
    except (MissingProgramError, StartError, loads.OutputError) as problem:
        print(f"benchmarks: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("benchmarks: interrupted; every process has been ended", file=sys.stderr)
        return 130
    result.save(OUT / "result.json")
    print(report.full(result))
    if options.publish:
        (OUT / "table.md").write_text(report.summary(result))
        CHART.write_text(chart.draw(result))
    return 1 if result.errors() or result.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
