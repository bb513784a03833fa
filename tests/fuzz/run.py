"""A round of fuzzing: the time shared out, workers started and watched, what they said read, findings gathered."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

from tests.fuzz import corpus
from tests.fuzz.builds import HOME, Build
from tests.fuzz.table import Target

FINDINGS = HOME / "findings"
# An input that takes longer is a finding: four orders of magnitude above the slowest one, so that a machine that is
# busy with other things makes none.
INPUT_SECONDS = 10
_LEAST_SECONDS = 2
_MOST_MEGABYTES = 2048
# Beyond its time a worker still loads its inputs and ends the one it is at.
_GRACE_SECONDS = 180
_MERGE_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Shift:
    """One worker's work."""

    target: Target
    build: Build
    seconds: int


@dataclass(slots=True)
class Done:
    """What came of it. `findings` are files, `said` where the worker's words are; `coverage` counts edges, `seconds`
    are those of a processor."""

    shift: Shift
    said: Path
    executions: int = 0
    seconds: float = 0.0
    coverage: int = 0
    new: int = 0
    findings: list[Path] = field(default_factory=list)

    def __str__(self) -> str:
        rate = self.executions / self.seconds if self.seconds else 0.0
        coverage = f"coverage {self.coverage:>5}" if self.coverage else " " * 14
        verdict = f"{len(self.findings)} FOUND" if self.findings else "ok"
        return (
            f"{self.shift.target.name:15} {self.shift.build.name:11} {self.executions:>10} executions {rate:>7.0f}/s  "
            f"{coverage}  +{self.new} inputs  {verdict}"
        )


def shifts(targets: Sequence[Target], builds: Sequence[Build], seconds: float) -> list[Shift]:
    """Who works for how long, `seconds` in all: by weight, and half in each build what is compiled in a release."""
    pairs = [
        (target, build) for target in targets for build in builds if build.name == "interpreted" or target.compiled
    ]
    shares = [target.weight / sum(1 for other, _ in pairs if other is target) for target, _ in pairs]
    whole = sum(shares)
    return [
        Shift(target, build, max(_LEAST_SECONDS, round(seconds * share / whole)))
        for (target, build), share in zip(pairs, shares, strict=True)
    ]


def worked(work: Sequence[Shift], jobs: int, guided: bool, seed: int = 0) -> Iterator[Done]:
    """Each shift as it is done. `seed`: of chance; 0 takes another one each time."""
    FINDINGS.mkdir(parents=True, exist_ok=True)
    (HOME / "said").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda shift: _work(shift, guided, seed), work)


def _work(shift: Shift, guided: bool, seed: int) -> Done:
    name = shift.target.name
    fresh = HOME / "corpus" / name
    fresh.mkdir(parents=True, exist_ok=True)
    kept = corpus.FOLDER / name
    kept.mkdir(parents=True, exist_ok=True)
    prefix = FINDINGS / f"{name}-{shift.build.name}-"
    if guided:
        command = [
            str(shift.build.launcher), f"-max_total_time={shift.seconds}", f"-timeout={INPUT_SECONDS}",
            f"-rss_limit_mb={_MOST_MEGABYTES}", f"-max_len={shift.target.longest}", f"-artifact_prefix={prefix}",
            "-print_final_stats=1", "-detect_leaks=0", f"-seed={seed}", *_dictionary(shift.target),
            str(fresh), str(kept),
        ]  # fmt: skip
    else:
        command = [str(shift.build.launcher), "blind", str(shift.seconds), str(seed), str(prefix), str(kept)]
    done = Done(shift, HOME / "said" / f"{name}-{shift.build.name}")
    before = set(_left(prefix))
    code, done.seconds = _ran(command, name, done.said, shift.seconds + INPUT_SECONDS + _GRACE_SECONDS)
    _read(done)
    running = prefix.with_name(f"{prefix.name}running")
    if running.is_file():
        data = running.read_bytes()
        died = prefix.with_name(f"{prefix.name}died-{os.getpid()}")
        died.write_bytes(data[4 : 4 + int.from_bytes(data[:4], "big")])
        running.unlink()
    done.findings = sorted(set(_left(prefix)) - before)
    if code and not done.findings:
        done.findings = [done.said]
    return done


def _ran(command: list[str], name: str, said: Path, seconds: float) -> tuple[int, float]:
    """The exit code, and the seconds it took of a processor: those of the clock say little on a busy machine."""
    with said.open("wb") as words:
        process = subprocess.Popen(
            command, env={**os.environ, "FUZZ_TARGET": name}, stdout=words, stderr=subprocess.STDOUT
        )
        watch = Timer(seconds, process.kill)
        watch.start()
        try:
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            watch.cancel()
            if process.returncode is None:
                process.kill()
                process.wait()
    return process.returncode, used.ru_utime + used.ru_stime


def _left(prefix: Path) -> list[Path]:
    return [path for path in prefix.parent.glob(f"{prefix.name}*") if not path.name.endswith("running")]


def _read(done: Done) -> None:
    text = done.said.read_text(errors="replace")
    done.executions = _last(r"stat::number_of_executed_units: *(\d+)", text) or _last(r"^#(\d+)\t", text)
    done.new = _last(r"stat::new_units_added: *(\d+)", text)
    done.coverage = _last(r" cov: (\d+) ", text)


def _last(pattern: str, text: str) -> int:
    found = re.findall(pattern, text, re.MULTILINE)
    return int(found[-1]) if found else 0


def _dictionary(target: Target) -> list[str]:
    path = HOME / "said" / f"{target.name}.dict"
    words = sorted({word for word in target.words if 0 < len(word) <= 64})
    path.write_text("".join(f'"{"".join(f"{chr(92)}x{byte:02x}" for byte in word)}"\n' for word in words))
    return [f"-dict={path}"] if words else []


def again(path: Path) -> str:
    """The command that repeats a finding."""
    target, build = path.name.rpartition("-")[0].rpartition("-")[0].rsplit("-", 1)
    launcher = HOME / build / "worker"
    return f"FUZZ_TARGET={target} {shlex.quote(str(launcher))} once {shlex.quote(str(path))}"


def differences(targets: Iterable[Target], builds: Sequence[Build]) -> list[str]:
    """The inputs that the builds do not read alike, of all that are known. The product is one, however it runs."""
    if len(builds) < 2:
        return []
    folders = {
        target.name: [str(corpus.FOLDER / target.name), str(HOME / "corpus" / target.name)]
        for target in targets
        if target.compiled
    }
    read = [_outcomes(build, folders) for build in builds]
    return [path for path, outcome in read[0].items() if read[1].get(path) != outcome]


def _outcomes(build: Build, folders: Mapping[str, list[str]]) -> dict[str, str]:
    said = subprocess.run(
        [str(build.launcher), "outcomes", json.dumps(folders)], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    return {f"{name} {path}": outcome for name, path, outcome in map(json.loads, said.splitlines())}


def merged(target: Target, build: Build) -> list[bytes]:
    """The fewest inputs of this round, beside those that stay, that reach all that is reached."""
    name = target.name
    least = HOME / "least" / name
    least.mkdir(parents=True, exist_ok=True)
    for path in least.iterdir():
        path.unlink()
    stay = {path.read_bytes() for path in corpus.staying(name)}
    for number, data in enumerate(sorted(stay)):
        (least / f"stay-{number}").write_bytes(data)
    command = [str(build.launcher), "-merge=1", f"-max_len={corpus.LONGEST}", f"-timeout={INPUT_SECONDS}"]
    folders = [least, HOME / "corpus" / name, corpus.FOLDER / name]
    said = HOME / "said" / f"{name}-merge"
    code, _ = _ran([*command, *map(str, folders)], name, said, _MERGE_SECONDS)
    if code:
        raise SystemExit(f"the inputs of {name} could not be merged: {said}")
    return [path.read_bytes() for path in least.iterdir() if not path.name.startswith("stay-")]


def book(done: Iterable[Done]) -> None:
    """Adds to what was ever done in this checkout, for docs/fuzzing.md."""
    path = HOME / "book.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    for one in done:
        entry = known.setdefault(f"{one.shift.target.name} {one.shift.build.name}", [0, 0.0, 0])
        entry[0] += one.executions
        entry[1] += one.seconds
        entry[2] = max(entry[2], one.coverage)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def table() -> str:
    """What was ever done, as a table in Markdown."""
    path = HOME / "book.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    rows = [
        f"| `{name.split()[0]}` | {name.split()[1]} | {executions:,} | {seconds / 60:.1f} | {coverage} |"
        for name, (executions, seconds, coverage) in known.items()
    ]
    whole = (
        f"| all | | {sum(one[0] for one in known.values()):,} | {sum(one[1] for one in known.values()) / 60:.1f} | |"
    )
    return "\n".join(
        ["| target | build | executions | CPU minutes | coverage |", "|---|---|---:|---:|---:|", *rows, whole]
    )
