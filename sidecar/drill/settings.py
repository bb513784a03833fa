"""One value of the rules in force, as people have to see it: its dotted key, what it is, and where it was written."""

from __future__ import annotations

from dataclasses import dataclass

from sidecar.rules.effective import effective, flattened, notation
from sidecar.rules.load import Loaded
from sidecar.rules.lookup import keys_of_rule, origin_of


@dataclass(frozen=True, slots=True)
class Setting:
    """One key in force. `value` as a file would say it, `null` where the rules have no such; `origin` is `file:line`,
    an option, a variable or `default`."""

    key: str
    value: str
    origin: str

    def __str__(self) -> str:
        return f"{self.key}: {self.value} ({self.origin})"


class Settings:
    """The rules in force, to be asked for single values."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._values = flattened(effective(loaded.rules, loaded.secrets))

    def at(self, key: str) -> Setting:
        """The value of a dotted key; `null` where it is not written and nothing stands in for it."""
        return Setting(key, notation(self._values.get(key)), origin_of(key, self._loaded.provenance))

    def first(self, prefix: str, likeliest: str) -> Setting:
        """Of all that is written below `prefix`: the key called `likeliest`, or the first one; else `prefix` itself."""
        below = [key for key in self._values if key == prefix or key.startswith(f"{prefix}.")]
        return self.at(next((key for key in below if key == f"{prefix}.{likeliest}"), (below or [prefix])[0]))

    def behind(self, rule: str, likeliest: str) -> Setting | None:
        """The key that a rule's name in a refusal stands for: the one called `likeliest`, or its first."""
        found = keys_of_rule(self._loaded, rule)
        if not found:
            return None
        one = next((key for key in found if key.key.rpartition(".")[2] == likeliest), found[0])
        return Setting(one.key, one.value, one.origin)
