"""`sidecar inject` and `sidecar uninject`: manifests in, manifests out, everything else on standard error."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sidecar import __version__
from sidecar.app.errors import CommandError, Exit
from sidecar.inject.asked import Asked, RulesFile
from sidecar.inject.injection import Outcome
from sidecar.inject.injection import inject as injected
from sidecar.inject.injection import uninject as taken_out
from sidecar.inject.plans import BadRules
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.source import Files

_MOST_BYTES = 64 << 20
_BOM = "\ufeff"


def inject(arguments: argparse.Namespace) -> int:
    """Print the manifests with a sidecar in every workload; 1 when one was refused, or there was none."""
    asked = Asked(
        image=arguments.image,
        ports=tuple(arguments.port),
        rules=_rules(arguments.config),
        config_map=arguments.config_map,
        sets=tuple(arguments.set),
        workers=arguments.workers,
        drain=arguments.drain,
    )
    texts = [_read(name) for name in arguments.files]
    try:
        outcome = injected(texts, asked, __version__)
    except ConfigError as error:
        raise _told(error.problems, "the manifests cannot be read, and nothing is printed") from error
    except BadRules as error:
        raise _told(error.problems, "the rules cannot be used, and nothing is printed") from error
    return _printed(outcome)


def uninject(arguments: argparse.Namespace) -> int:
    """Print the manifests as they were before `inject`; 1 when one was refused, or there was none."""
    texts = [_read(name) for name in arguments.files]
    try:
        outcome = taken_out(texts)
    except ConfigError as error:
        raise _told(error.problems, "the manifests cannot be read, and nothing is printed") from error
    return _printed(outcome)


def _printed(outcome: Outcome) -> int:
    sys.stdout.write(outcome.text)
    sys.stdout.flush()
    for note in outcome.notes:
        print(note, file=sys.stderr)
    refused = outcome.count("refused")
    if refused:
        passed = "it was passed through as it is" if refused == 1 else "they were passed through as they are"
        raise CommandError(Exit.FAILED, f"{refused} refused; {passed}")
    if not outcome.notes:
        raise CommandError(Exit.FAILED, "no workload is in this input")
    return Exit.DONE


def _rules(name: str | None) -> RulesFile | None:
    if name is None:
        return None
    try:
        return RulesFile(name, Files().rules(name))
    except ValueError as error:
        raise CommandError(Exit.FAILED, f"{name}: {error}") from None


def _read(name: str) -> tuple[str, str]:
    """A file's name and text; without a byte order mark, which kubectl does not read everywhere."""
    shown = "<stdin>" if name == "-" else name
    try:
        content = sys.stdin.buffer.read(_MOST_BYTES + 1) if name == "-" else _content(name)
        text = content.decode()
    except UnicodeDecodeError as error:
        raise CommandError(Exit.FAILED, f"{shown}: is not UTF-8 at byte {error.start}") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise CommandError(Exit.FAILED, f"{shown}: cannot be read: {said}") from None
    if len(content) > _MOST_BYTES:
        raise CommandError(Exit.FAILED, f"{shown}: is larger than 64MiB")
    return shown, text.removeprefix(_BOM)


def _content(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(_MOST_BYTES + 1)


def _told(problems: tuple[Problem, ...], sentence: str) -> CommandError:
    for problem in problems:
        print(problem, file=sys.stderr)
    return CommandError(Exit.FAILED, sentence)
