"""What is found about rules outside of them: in the files that they name, in what is installed.

The rules are valid without any of it, so whoever only reads them asks for none. Who looks is handed in: it may know
formats and packages that this floor may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sidecar.rules.schema import RuleSet


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about a key, by its dotted path. `refused` is a warning about what must not be run."""

    key: str
    sentence: str
    gravity: Literal["error", "warning", "refused"] = "error"


# What a file holds; ValueError carries the sentence for the operator.
Read = Callable[[str], bytes]
# Looks around for rules that are valid. Every file that it reads is watched from then on.
Examine = Callable[[RuleSet, Read], Iterable[Finding]]


def nothing(_rules: RuleSet, _read: Read) -> Iterable[Finding]:
    """Nobody looks."""
    return ()
