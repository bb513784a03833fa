"""Changes to the fields and the path of a message on its way. Here: what a rule may say about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from sidecar.policies.units import FieldName, FieldValue, Mode, OneOrMany, demand

# Message framing and connection handling belong to the sidecar: an edited one is a smuggled request (RFC 9112 11.2).
FRAMING = frozenset(
    {"connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "proxy-connection"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderEditsSpec:
    """Fields removed, then set, then added."""

    set: Annotated[Mapping[FieldName, FieldValue], "fields given this value, whatever they had"] = field(
        default_factory=dict
    )
    add: Annotated[Mapping[FieldName, FieldValue], "fields added beside those that are there"] = field(
        default_factory=dict
    )
    remove: Annotated[tuple[FieldName, ...], OneOrMany(), "fields taken out"] = ()
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            *(_unframed(key, names) for key, names in (("set", self.set), ("add", self.add), ("remove", self.remove)))
        )


def _unframed(key: str, names: Mapping[str, str] | tuple[str, ...]) -> tuple[str, bool, str]:
    framing = sorted(FRAMING & {*names})
    return key, not framing, f"may not touch {', '.join(framing)}; the sidecar frames messages itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteSpec:
    """The path as the upstream sees it: a prefix taken away, then one put in front."""

    strip_prefix: Annotated[str | None, "prefix taken away, by whole segments"] = None
    add_prefix: Annotated[str | None, "prefix put in front"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("strip_prefix", bool(self.strip_prefix or self.add_prefix), "is missing; give it or `add_prefix`"),
            ("strip_prefix", _is_prefix(self.strip_prefix), "must begin with / and hold no `?`, `#` or space"),
            ("add_prefix", _is_prefix(self.add_prefix), "must begin with / and hold no `?`, `#` or space"),
        )


def _is_prefix(path: str | None) -> bool:
    return path is None or (path.startswith("/") and all(33 <= ord(mark) < 127 and mark not in "?#" for mark in path))
