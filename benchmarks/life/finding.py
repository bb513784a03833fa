"""What was promised and what was measured: one line of the table, and the whole run as JSON."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.report import table


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise. `kept` is None where only a figure is told, and nothing was promised."""

    scenario: str
    promise: str
    measured: str
    kept: bool | None = None


@dataclass(slots=True)
class Findings:
    """A whole run. `failed` are scenarios that did not come to their end, with the reason."""

    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    found: list[Finding] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        """Whether everything was measured, and no promise broken."""
        return not self.failed and all(finding.kept is not False for finding in self.found)

    def save(self, path: Path) -> None:
        """Write the JSON to `path`, whose folder is made when missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    def text(self) -> str:
        """The table, and where and with what it was measured."""
        where = f"{self.machine['processor']}, {self.machine['cpus']} CPUs, {self.machine['kernel']}"
        versions = "; ".join(f"{name} {version}" for name, version in self.versions.items())
        settings = "; ".join(f"{name}: {value}" for name, value in self.settings.items())
        words = {True: "yes", False: "**NO**", None: ""}
        rows = [[one.scenario, one.promise, one.measured, words[one.kept]] for one in self.found]
        parts = [
            f"{self.date}, commit {self.commit}; {where}, {self.machine['python']}; {settings}. {versions}.",
            table(["scenario", "promised", "measured", "kept"], rows),
        ]
        parts += [f"NOT MEASURED: {name}: {why}" for name, why in self.failed.items()]
        broken = sum(finding.kept is False for finding in self.found)
        if broken:
            parts.append(f"BROKEN: {broken} of the promises.")
        elif not self.failed:
            parts.append("Every promise kept.")
        return "\n\n".join(parts) + "\n"
