"""What was asked of an injection, and how it is remembered on a pod, so that doing it again changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sidecar.inject.objects import Refused
from sidecar.inject.ports import Wanted

DEFAULT_IMAGE = "sidecar:latest"
DEFAULT_DEADLINE = 25.0


@dataclass(frozen=True, slots=True)
class RulesFile:
    """A rules file that was given, by its name and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One injection. None, or nothing in a tuple: not said, so what a pod has stays, or the default holds.

    `drain` is the deadline in seconds; `sets` are rules by their dotted keys, as for `sidecar run`.
    """

    image: str | None = None
    ports: tuple[Wanted, ...] = ()
    rules: RulesFile | None = None
    config_map: str | None = None
    sets: tuple[str, ...] = ()
    workers: str | None = None
    drain: float | None = None

    @property
    def changes_nothing_but_the_image(self) -> bool:
        """Whether an injected pod keeps everything else."""
        return replace(self, image=None) == Asked()

    def over(self, before: Asked) -> Asked:
        """This where it says something, else what was asked before."""
        rules = {} if self.rules or self.config_map else {"rules": before.rules, "config_map": before.config_map}
        return replace(
            self,
            image=self.image or before.image,
            ports=self.ports or before.ports,
            sets=self.sets or before.sets,
            workers=self.workers or before.workers,
            drain=before.drain if self.drain is None else self.drain,
            **rules,  # type: ignore[arg-type]
        )

    def remembered(self) -> dict[str, Any]:
        """What is written on the pod; its image is there anyway, and its rules are in the ConfigMap."""
        said = {
            "ports": [str(port) for port in self.ports],
            "rules": self.rules is not None,
            "configMap": self.config_map,
            "set": list(self.sets),
            "workers": self.workers,
            "drain": self.drain,
        }
        return {key: value for key, value in said.items() if value}


def recalled(record: Mapping[str, Any]) -> Asked:
    """What was asked before; KeyError, TypeError or ValueError where somebody changed the record. Rules that were given
    then have no text here."""
    drain = record.get("drain")
    return Asked(
        ports=tuple(wanted(text) for text in record.get("ports", ())),
        rules=RulesFile("", "") if record.get("rules") else None,
        config_map=record.get("configMap"),
        sets=tuple(map(str, record.get("set", ()))),
        workers=record.get("workers"),
        drain=None if drain is None else float(drain),
    )


def wanted(text: str) -> Wanted:
    """Read `NAME`, `NUMBER` or either with `=tcp` or `=http`; ValueError says what is wrong with it."""
    which, equals, protocol = text.partition("=")
    if equals and protocol not in ("tcp", "http"):
        raise ValueError(f"`{text}`: a port is spoken as http or tcp, as in {which or 'NAME'}=tcp")
    if which.isdecimal() and not 0 < int(which) <= 65_535:
        raise ValueError(f"`{text}`: a port is from 1 to 65535")
    if not which:
        raise ValueError(f"`{text}` names no port")
    return Wanted(which, protocol or None)


def of_record(record: Any) -> Asked:
    """What was asked, as a pod remembers it; Refused where the record was changed by hand."""
    try:
        return recalled(record.get("asked", {}))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Refused("what it was before is no longer readable in its annotations; inject the original") from None
