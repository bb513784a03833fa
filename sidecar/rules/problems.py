"""What is wrong with the rules, and exactly where. Knows no YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from sidecar.model.printable import printable


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One sentence for the operator. Lines and columns count from 1; 0 means the place is not in a file.

    `refused`: a warning about rules that are valid, but must not be run on this machine.
    """

    file: str
    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str
    refused: bool = False

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        # A quoted text of YAML may hold any character (`"\\e[2J"`), and messages quote what they are about.
        said = printable(self.message)
        return f"{place}: {self.severity}: {said}{'; `sidecar run` refuses' if self.refused else ''}"

    def as_error(self) -> Problem:
        """The same where it is not to be tolerated."""
        return replace(self, severity="error", refused=False)


class ConfigError(Exception):
    """The rules cannot be used. `problems` holds every one found, warnings included, in reading order.

    `sources` are the files that were read, as those of Loaded: whoever repairs one wants to be noticed.
    """

    def __init__(self, problems: Iterable[Problem], sources: Mapping[str, str] = MappingProxyType({})) -> None:
        self.problems = tuple(problems)
        self.sources = sources
        super().__init__("\n".join(map(str, self.problems)))
