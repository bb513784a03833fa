"""From a file, the environment and the command line to one checked RuleSet, or to every problem there is.

The passes, each on the whole of what the one before it left: parse, overlay, interpolate, merge `defaults`, decode,
check, lint. Precedence: command line > environment > file > defaults.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from sidecar.rules.checks import references, structure
from sidecar.rules.decode import FAILED, Decoder
from sidecar.rules.effective import effective
from sidecar.rules.findings import Examine, Finding, Read, nothing
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
    SHA-256 of what is in effect, so it changes when and only when a value or a credential does. `sources` are the files
    that were read, by their absolute paths as written, each with the fingerprint (rules/source.py) of what it held.
    `credentials` is what the files with certificates and keys held, by their paths as the rules name them: a worker
    that is started again must not depend on what is there by then.
    """

    rules: RuleSet
    warnings: tuple[Problem, ...]
    digest: str
    provenance: Mapping[str, str]
    secrets: frozenset[str]
    sources: Mapping[str, str] = field(default_factory=dict)
    credentials: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def to_run(self) -> Loaded:
        """These rules, where they may be run here; else ConfigError with what must not be run without.

        Spans that go nowhere because a package is not installed, say: `check` may pass on another machine.
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
    examine: Examine = nothing,
) -> Loaded:
    """Load the rules; ConfigError carries every problem. Without a file, one upstream URL is enough. `examine` looks at
    what valid rules name or need (rules/findings.py); without it nothing of that is.

    Keeps nothing, so it may run on any thread.
    """
    given = Given(upstreams, listen, admin, sets, environ, allow_faults, examine)
    files = Files()
    try:
        loaded = load_text(_text(path, files), path or COMMAND_LINE, given, files.secret, files.credential)
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


def load_text(
    text: str,
    file: str,
    given: Given,
    read: Callable[[str], str] | None = None,
    content: Read | None = None,
) -> Loaded:
    """Load rules from their text; `file` is what problems call it, `read` is how `${file:…}` is read, and `content`
    how a certificate or a key is."""
    read, content = read or Files().secret, content or Files().credential
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
    interpolation = Interpolation(given.environ, read)
    interpolated = interpolation.applied(tree, problems)
    tree = with_defaults(interpolated) if isinstance(interpolated, Table) else tree
    decoder = Decoder(problems)
    rules = decoder.decode(tree, Record(RuleSet, None), "")
    try:
        return _checked(rules, tree, decoder, given, content)
    except ConfigError as error:
        raise ConfigError(interpolation.alone(error.problems)) from None


def _checked(rules: RuleSet, tree: Table, decoder: Decoder, given: Given, content: Read) -> Loaded:
    problems = decoder.problems
    problems.extend(structure(tree))
    usable = rules is not FAILED
    if usable:
        problems.extend(references(rules, tree, decoder.places, given.allow_faults))
    credentials: dict[str, bytes] = {}
    if usable and not _has_error(problems):
        problems.extend(lints(rules, decoder.places))
        known = Places(decoder.places)
        found = given.examine(rules, partial(_noting, content, credentials))
        problems.extend(_placed(finding, known.at(*finding.key.split("."))) for finding in found)
    if not usable or _has_error(problems):
        raise ConfigError(sorted(dict.fromkeys(problems)))
    return Loaded(
        rules=rules,
        warnings=tuple(sorted(dict.fromkeys(problems))),
        digest=_digest(rules, credentials),
        provenance=MappingProxyType({path: str(origin) for path, origin in decoder.leaves.items()}),
        secrets=frozenset(decoder.secrets),
        credentials=credentials,
    )


def _noting(content: Read, kept: dict[str, bytes], path: str) -> bytes:
    if path not in kept:
        kept[path] = content(path)
    return kept[path]


def _placed(finding: Finding, origin: Origin) -> Problem:
    if finding.gravity == "error":
        return origin.error(finding.sentence)
    return replace(origin.warning(finding.sentence), refused=finding.gravity == "refused")


def _has_error(problems: Iterable[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _digest(rules: RuleSet, credentials: Mapping[str, bytes]) -> str:
    whole = hashlib.sha256(json.dumps(effective(rules), sort_keys=True, ensure_ascii=True).encode())
    for path, content in sorted(credentials.items()):
        whole.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(content).digest())
    return whole.hexdigest()
