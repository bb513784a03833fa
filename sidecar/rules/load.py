"""From a file, the environment and the command line to one checked RuleSet, or to every problem there is.

The passes, each on the whole of what the one before it left: parse, overlay, interpolate, merge `defaults`, decode,
check, lint. Precedence: command line > environment > file > defaults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from sidecar.rules.checks import references, structure
from sidecar.rules.decode import FAILED, Decoder
from sidecar.rules.effective import effective
from sidecar.rules.interpolation import Interpolation
from sidecar.rules.keys import Record
from sidecar.rules.lints import lints
from sidecar.rules.overlay import Given, overlaid, with_defaults
from sidecar.rules.parse import parse_yaml
from sidecar.rules.places import Places
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.schema import RuleSet
from sidecar.rules.source import Files
from sidecar.rules.tree import Origin, Table, is_null

COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules that can be used.

    `provenance` says for each dotted path where its value came from: `file:line`, `--listen`, `--set a.b`,
    `environment NAME` or `default`. `secrets` holds the paths whose values are never to be shown. `digest` is the
    SHA-256 of what is in effect, so it changes when and only when a value does. `sources` are the files that were read,
    by their absolute paths as written, each with the fingerprint (rules/source.py) of what it held.
    """

    rules: RuleSet
    warnings: tuple[Problem, ...]
    digest: str
    provenance: Mapping[str, str]
    secrets: frozenset[str]
    sources: Mapping[str, str] = field(default_factory=dict)

    def to_run(self) -> Loaded:
        """These rules, when this version may run on them; else ConfigError with what it must not run without.

        Speaking plaintext where TLS was asked for is worse than not starting.
        """
        refused = [warning.as_error() for warning in self.warnings if warning.refused]
        if refused:
            raise ConfigError(refused, self.sources)
        return self


def load_rules(
    path: str | None,
    *,
    upstreams: Sequence[str] = (),
    listen: str | None = None,
    admin: str | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] = MappingProxyType({}),
    allow_faults: bool = False,
    lacking: Callable[[RuleSet], Mapping[str, str]] = lambda rules: {},
) -> Loaded:
    """Load the rules; ConfigError carries every problem. Without a file, one upstream URL is enough. `lacking` tells
    what rules need and this installation has not, by key: they are valid, and refused to run.

    Keeps nothing, so it may run on any thread.
    """
    given = Given(upstreams, listen, admin, sets, environ, allow_faults, lacking)
    files = Files()
    try:
        loaded = load_text(_text(path, files), path or COMMAND_LINE, given, files.secret)
    except ConfigError as error:
        raise ConfigError(error.problems, files.seen) from None
    return replace(loaded, sources=files.seen)


def _text(path: str | None, files: Files) -> str:
    if path is None:
        return ""
    try:
        return files.rules(path)
    except ValueError as error:
        raise ConfigError([Origin(path).error(str(error))]) from None


def load_text(text: str, file: str, given: Given, read: Callable[[str], str] | None = None) -> Loaded:
    """Load rules from their text; `file` is what problems call it, `read` is how `${file:…}` is read."""
    read = read or Files().secret
    from_file = file != COMMAND_LINE
    parsed = parse_yaml(text, lambda line, column: Origin(file, line, column) if from_file else Origin(file))
    node, problems = parsed.node, parsed.problems
    if not parsed.whole:
        # A tree cut short by a syntax error would be said to lack what comes after it.
        raise ConfigError(sorted(problems))
    if not isinstance(node, Table):
        if not is_null(node):
            raise ConfigError([node.origin.error("a rules file is a mapping; it begins with `version: 1`")])
        node = Table({}, node.origin)
    tree = overlaid(node, given, problems)
    interpolated = Interpolation(given.environ, read).applied(tree, problems)
    tree = with_defaults(interpolated) if isinstance(interpolated, Table) else tree
    decoder = Decoder(problems)
    rules = decoder.decode(tree, Record(RuleSet, None), "")
    return _checked(rules, tree, decoder, given)


def _checked(rules: RuleSet, tree: Table, decoder: Decoder, given: Given) -> Loaded:
    problems = decoder.problems
    problems.extend(structure(tree))
    usable = rules is not FAILED
    if usable:
        problems.extend(references(rules, tree, decoder.places, given.allow_faults))
    if not usable or any(problem.severity == "error" for problem in problems):
        raise ConfigError(sorted(dict.fromkeys(problems)))
    problems.extend(lints(rules, decoder.places))
    known = Places(decoder.places)
    for key, sentence in given.lacking(rules).items():
        problems.append(replace(known.at(*key.split(".")).warning(sentence), refused=True))
    whole = json.dumps(effective(rules), sort_keys=True, ensure_ascii=True)
    return Loaded(
        rules=rules,
        warnings=tuple(sorted(dict.fromkeys(problems))),
        digest=hashlib.sha256(whole.encode()).hexdigest(),
        provenance=MappingProxyType({path: str(origin) for path, origin in decoder.leaves.items()}),
        secrets=frozenset(decoder.secrets),
    )
