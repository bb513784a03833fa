"""From a file, the environment and the command line to one checked RuleSet, or to every problem there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from sidecar.rules.problems import Problem
from sidecar.rules.schema import RuleSet


@dataclass(frozen=True, slots=True)
class Loaded:
    """Rules that can be used. `provenance` says for each dotted path where its value came from."""

    rules: RuleSet
    warnings: tuple[Problem, ...]
    digest: str
    provenance: Mapping[str, str]
    secrets: frozenset[str]


def load_rules(
    path: str | None,
    *,
    upstreams: Sequence[str] = (),
    listen: str | None = None,
    admin: str | None = None,
    sets: Sequence[str] = (),
    environ: Mapping[str, str] = MappingProxyType({}),
    allow_faults: bool = False,
) -> Loaded:
    """Load the rules; ConfigError carries every problem. Command line > environment > file > defaults."""
    raise NotImplementedError
