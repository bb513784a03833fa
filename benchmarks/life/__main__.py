"""`python -m benchmarks.life`: play the scenarios, print what was promised and what was measured, keep the result.

Exit status: 0 every promise was kept; 1 one was broken, or a scenario did not come to its end; 2 a wrong command line.
"""

import argparse
import asyncio
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from benchmarks import machine, proxies
from benchmarks.life import broken, cancel, certificates, drain, hold, reload, sizes, takeover, workers
from benchmarks.life.finding import Finding, Findings
from benchmarks.life.stage import Stage, stages

OUT = machine.ROOT / "benchmarks" / "out"

Scenario = Callable[[Stage], Coroutine[Any, Any, list[Finding]]]

SCENARIOS: Mapping[str, Scenario] = {
    one.NAME: one.play for one in (reload, sizes, broken, certificates, drain, hold, takeover, workers, cancel)
}


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line. Raises SystemExit on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.life", description="One life without a dropped request."
    )
    names = ", ".join(SCENARIOS)
    parser.add_argument("--only", default=",".join(SCENARIOS), metavar="NAME,…", help=names)
    parser.add_argument("--short", action="store_true", help="seconds instead of minutes: to see that it works")
    options = parser.parse_args(arguments)
    options.only = [name.strip() for name in options.only.split(",") if name.strip()]
    if not options.only or not SCENARIOS.keys() >= set(options.only):
        parser.error(f"--only: choose from {names}")
    return options


def run(names: Sequence[str], *, short: bool, say: Callable[[str], None]) -> Findings:
    """Play these scenarios, one after the other."""
    findings = Findings(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        commit=machine.commit(),
        machine=machine.describe(),
        versions={"sidecar": proxies.sidecar_version(sys.executable)},
        settings={"length": "short" if short else "full", "placement": machine.placement().describe()},
    )
    with stages(say, short) as stage:
        for name in names:
            say(f"{name} …")
            try:
                findings.found += asyncio.run(SCENARIOS[name](stage()))
            except Exception as problem:  # noqa: BLE001 - one that fails must not cost the others' figures
                findings.failed[name] = f"{type(problem).__name__}: {problem}"
                say("".join(traceback.format_exception(problem)))
    return findings


def main(arguments: Sequence[str]) -> int:
    """Run as told; returns the exit status."""
    options = parse(arguments)

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    previous = signal.signal(signal.SIGTERM, leave)
    try:
        findings = run(options.only, short=options.short, say=lambda line: print(line, file=sys.stderr, flush=True))
    except KeyboardInterrupt:
        print("benchmarks.life: interrupted; every process has been ended", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
    findings.save(OUT / "life.json")
    print(findings.text())
    return 0 if findings.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
