"""`make fuzz`: feeds hostile bytes to everything that reads them, for so many minutes; exit 1 where a claim breaks."""

from __future__ import annotations

import argparse
import os
import sys

from tests.fuzz import corpus, run
from tests.fuzz.builds import Build, compiled, guidance, interpreted
from tests.fuzz.table import TARGETS, Target


def main() -> int:
    """One round; 0 when nothing was found."""
    arguments = _arguments()
    if arguments.table:
        print(run.table())
        return 0
    targets = [TARGETS[name] for name in arguments.target] if arguments.target else list(TARGETS.values())
    builds = _builds(targets, arguments.build)
    guided = guidance() is not None
    if not guided:
        print("no atheris for this Python: mutations of what is known, without guidance by coverage")
    work = run.shifts(targets, builds, arguments.minutes * 60 * arguments.jobs) if arguments.minutes else []
    done: list[run.Done] = []
    for one in run.worked(work, arguments.jobs, guided, arguments.seed):
        print(one, flush=True)
        done.append(one)
    run.book(done)
    differing = run.differences(targets, builds)
    for name in differing:
        print(f"read differently by the two builds: {name}")
    for one in done:
        for path in one.findings:
            print(f"{one.shift.target.name}: {path}")
            print(f"  again: {run.again(path)}" if path.parent == run.FINDINGS else f"  {path.read_text()[-2000:]}")
    found = sum(len(one.findings) for one in done) + len(differing)
    print(f"{sum(one.executions for one in done):,} executions, {found} findings")
    if arguments.keep and not found:
        for target in targets:
            print(f"{target.name}: {corpus.keep(target.name, run.merged(target, builds[0]))} inputs kept")
    return 1 if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=2.0, help="of fuzzing in all; 0: only what is to be done after it"
    )
    parser.add_argument("--target", action="append", choices=[*TARGETS], help="this one only; may be repeated")
    parser.add_argument("--build", choices=["interpreted", "compiled"], help="this one only")
    parser.add_argument("--jobs", type=int, default=2, help="workers at a time")
    parser.add_argument("--seed", type=int, default=0, help="of chance; 0, as by default, takes another one each time")
    parser.add_argument("--keep", action="store_true", help="put what reaches more into the corpus of the repository")
    parser.add_argument("--table", action="store_true", help="print what was done so far, and do nothing")
    return parser.parse_args()


def _builds(targets: list[Target], only: str | None) -> list[Build]:
    builds: list[Build] = []
    if only != "compiled":
        builds.append(interpreted())
    if only != "interpreted" and any(target.compiled for target in targets):
        made = compiled()
        if made is not None:
            builds.append(made)
        if made is None or (guidance() is not None and not made.sanitized):
            missing = "a compiler" if made is None else "clang"
            print(f"{missing} is missing: {'only what Python runs' if made is None else 'no sanitizers'}")
            if os.environ.get("CI"):
                raise SystemExit(f"CI has to have {missing}")
    return builds


if __name__ == "__main__":
    sys.exit(main())
