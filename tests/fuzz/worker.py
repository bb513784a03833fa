"""One process that feeds one target: guided by coverage (atheris), blindly, or with given inputs once.

Started by run.py through a launcher that says which build of the product is under attack; never imported by others.
Guided, its arguments are libFuzzer's. An input that breaks a claim is left as a file; so is the last one of a process
that dies or hangs.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import mmap
import os
import random
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzz.mutation import mutated

if TYPE_CHECKING:
    from tests.fuzz.table import Target

_ROOM = 1 << 16
_SECONDS = 10  # after which an input is a finding: four orders of magnitude above what the slowest takes
_BETWEEN_ALARMS = 256


def guided(arguments: list[str]) -> None:
    """Runs libFuzzer over the target, with structured mutations beside its own; does not return."""
    atheris: Any = importlib.import_module("atheris")

    with atheris.instrument_imports(include=["sidecar"]):
        target, run = _target(os.environ["FUZZ_TARGET"])
    words, cut = target.words, target.cut

    def once(data: bytes) -> None:
        run(data)

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        if seed & 1:
            return bytes(atheris.Mutate(data, longest))
        return mutated(data, longest, random.Random(seed), words, cut)

    # A merge starts itself anew by its first argument.
    atheris.Setup([os.environ["FUZZ_LAUNCHER"], *arguments], once, custom_mutator=mutate)
    atheris.Fuzz()


def blind(seconds: float, seed: int, findings: Path, folders: list[Path]) -> int:
    """Mutates what is in the folders for so long; says what libFuzzer would say of it."""
    target, run = _target(os.environ["FUZZ_TARGET"])
    seed = seed or random.randrange(1, 1 << 32)
    rng = random.Random(seed)
    known = [path.read_bytes() for folder in folders for path in sorted(folder.iterdir())] or [b""]
    findings.parent.mkdir(parents=True, exist_ok=True)
    held = findings.with_name(f"{findings.name}running")
    held.write_bytes(bytes(_ROOM))
    executions, end = 0, time.monotonic() + seconds
    with held.open("r+b") as file, mmap.mmap(file.fileno(), _ROOM) as memory:
        while time.monotonic() < end:
            if executions % _BETWEEN_ALARMS == 0:
                faulthandler.dump_traceback_later(_SECONDS, exit=True)
            data = mutated(rng.choice(known), target.longest, rng, target.words, target.cut)
            memory[: 4 + len(data)] = len(data).to_bytes(4, "big") + data
            executions += 1
            try:
                run(data)
            except Exception:
                traceback.print_exc()
                _leave(findings, data)
                break
        faulthandler.cancel_dump_traceback_later()
    held.unlink()
    print(f"stat::number_of_executed_units: {executions}\nseed: {seed}")
    return 0


def outcomes(folders: dict[str, list[str]]) -> Iterator[str]:
    """What each input of the folders comes to, shortened: two builds have to agree on all of them."""
    for name, paths in folders.items():
        run = _target(name)[1]
        for folder in map(Path, paths):
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                try:
                    found = repr(run(path.read_bytes()))
                except Exception as error:
                    found = f"{type(error).__name__}: {error}"
                yield json.dumps([name, str(path), sha256(found.encode("utf-8", "replace")).hexdigest()[:16]])


def _leave(findings: Path, data: bytes) -> None:
    findings.with_name(f"{findings.name}crash-{sha256(data).hexdigest()[:16]}").write_bytes(data)


def _target(name: str) -> tuple[Target, Callable[[bytes], object]]:
    # Not before: what it imports is instrumented, and comes from the build that the launcher has chosen.
    table: Any = importlib.import_module("tests.fuzz.table")
    runs: Any = importlib.import_module("sidecar.wire.runs")
    if (os.environ["FUZZ_COMPILED"] == "1") != runs.COMPILED:
        raise SystemExit(f"not the build that was meant: {runs.__file__}")
    target: Target = table.TARGETS[name]
    return target, target.load()


def main(arguments: list[str]) -> int:
    """`blind SECONDS SEED FINDINGS FOLDER…`, `outcomes JSON`, `once FILE…`, or the arguments of libFuzzer."""
    match arguments:
        case ["blind", seconds, seed, findings, *folders]:
            return blind(float(seconds), int(seed), Path(findings), list(map(Path, folders)))
        case ["outcomes", folders]:
            for line in outcomes(json.loads(folders)):
                print(line)
        case ["once", *paths]:
            run = _target(os.environ["FUZZ_TARGET"])[1]
            for path in paths:
                print(repr(run(Path(path).read_bytes())))
        case _:
            guided(arguments)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
