"""`sidecar drill`: the user's rules against a backend that misbehaves on a script, and a report on what became of it.

Owns what was typed and where the report goes. What is drilled and judged is sidecar/drill's.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from sidecar.app.errors import CommandError, Exit
from sidecar.cli.check import plain_environment
from sidecar.cli.run import usable
from sidecar.cli.sheets import Cell, Line, Tone, columns, line
from sidecar.cli.terminal import write
from sidecar.drill.scenario import Scenario, read_scenario
from sidecar.drill.shipped import names, scenario
from sidecar.rules.load import Loaded, load_rules
from sidecar.rules.nearest import nearest
from sidecar.rules.problems import ConfigError

if TYPE_CHECKING:
    from sidecar.drill.advice import Advice
    from sidecar.drill.report import Report

# What `--upstream` alone gives; nothing listens there, and nothing has to.
_ANY_UPSTREAM = ("http://127.0.0.1:3000",)
_MOST_TRIED = 4

# Rules, and what is set in them besides: the report on the drill.
Drill = Callable[[tuple[str, ...]], "Report"]


def drill(arguments: argparse.Namespace) -> int:
    """Drill and tell; 0 where everything that the scenario expects came true, else 6."""
    if arguments.list:
        print("\n".join(_listed()))
        return Exit.DONE
    if arguments.scenario is None:
        raise CommandError(Exit.USAGE, "which scenario? give a file, or a name of `sidecar drill --list`")
    wanted = _scenario(arguments.scenario)
    usable(partial(_rules, arguments, ()))  # before anything heavy is imported
    drill = partial(_drilled, arguments, wanted)
    report = drill(())
    advice = _tried(report, drill) if arguments.advise else []
    _tell(arguments, report, advice)
    return Exit.DONE if report.met else Exit.UNMET


def _listed() -> list[str]:
    return columns(("SCENARIO", "ABOUT"), [(name, scenario(name).about) for name in names()])


def _scenario(asked: str) -> Scenario:
    """The shipped one of this name, or that of a file."""
    known = names()
    if asked in known:
        return scenario(asked)
    if not os.path.exists(asked) and not asked.endswith((".yaml", ".yml")) and os.sep not in asked:
        meant = nearest(asked, known) or "; `sidecar drill --list` names those there are"
        raise CommandError(Exit.USAGE, f"no scenario `{asked}`{meant}")
    try:
        return read_scenario(asked)
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        count = sum(problem.severity == "error" for problem in error.problems)
        raise CommandError(
            Exit.FAILED, f"the scenario cannot be used: {count} error{'s' if count != 1 else ''}"
        ) from error


def _rules(arguments: argparse.Namespace, sets: tuple[str, ...]) -> Loaded:
    without_file = arguments.config is None
    return load_rules(
        arguments.config,
        upstreams=arguments.upstream or (_ANY_UPSTREAM if without_file else ()),
        sets=(*arguments.set, *sets),
        environ=plain_environment(),
        allow_faults=arguments.allow_faults,
    )


def _drilled(arguments: argparse.Namespace, wanted: Scenario, sets: tuple[str, ...]) -> Report:
    from sidecar.drill.report import Report
    from sidecar.drill.run import run_drill
    from sidecar.drill.staging import DrillError

    loaded = usable(partial(_rules, arguments, sets))
    try:
        return Report.of(run_drill(wanted, loaded, seed=arguments.seed, real=arguments.real))
    except DrillError as error:
        raise CommandError(Exit.FAILED, f"these rules cannot be drilled so: {error}") from error


def _tried(report: Report, drill: Drill) -> list[Advice]:
    """What has done better. Each setting is tried on top of those that did before it."""
    from sidecar.drill.advice import candidates, learned

    best, kept = report, tuple[str, ...]()
    advice: list[Advice] = []
    tried: set[tuple[str, ...]] = set()
    while len(tried) < _MOST_TRIED:
        sets = next((one for one in candidates(best) if one not in tried), None)
        if sets is None:
            break
        tried.add(sets)
        after = drill((*kept, *sets))
        found = learned(report, best, after, (*kept, *sets))
        if found is not None:
            advice.append(found)
            best, kept = after, (*kept, *sets)
    return advice


def _tell(arguments: argparse.Namespace, report: Report, advice: list[Advice]) -> None:
    from sidecar.drill.summary import as_mapping, summary

    if arguments.out is not None:
        from sidecar.drill.page import page

        text = page(report, _command(arguments), advice)
        try:
            Path(arguments.out).write_text(text, "utf-8")
        except OSError as error:
            raise CommandError(Exit.FAILED, f"cannot write {arguments.out}: {error.strerror}") from error
    if arguments.json:
        print(json.dumps(as_mapping(report, advice), indent=2))
        return
    write([_toned(text, report) for text in summary(report, get_terminal_size((100, 24)).columns, advice)])
    for note in report.record.notes:
        print(f"sidecar: {note}", file=sys.stderr)


def _toned(text: str, report: Report) -> Line:
    if text == report.sentence:
        return line(Cell(text, Tone.HEAD))
    tones = {"NOT MET:": Tone.BAD, "met:": Tone.GOOD, "failed ": Tone.BAD, "ill ": Tone.FAINT}
    return line(Cell(text, next((tone for begin, tone in tones.items() if text.startswith(begin)), Tone.PLAIN)))


def _command(arguments: argparse.Namespace) -> str:
    """What was typed, so that it can be typed again."""
    words = ["sidecar", "drill", arguments.scenario]
    words += ["-c", arguments.config] if arguments.config is not None else []
    for option in ("upstream", "set"):
        for value in getattr(arguments, option):
            words += [f"--{option}", value]
    words += [f"--{option}" for option in ("real", "advise") if getattr(arguments, option)]
    words += ["--allow-faults"] if arguments.allow_faults else []
    return shlex.join([*words, "--seed", str(arguments.seed), "--out", arguments.out])
