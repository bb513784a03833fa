"""Changes to the fields and the path of a message on its way. Here: what a rule may say about them.

The edits themselves are bytes' business and happen in wire (edits.py, rewriting.py); what these cannot honour without
breaking a message is refused here. In shadow mode a message passes unchanged and is only counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from sidecar.policies.units import FieldName, FieldValue, Mode, OneOrMany, demand

# Message framing and connection handling belong to the sidecar: an edited one is a smuggled request (RFC 9112 11.2).
# Expect is part of it: who takes it away or adds it changes who waits for whom before the body (RFC 9110 10.1.1).
FRAMING = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

# A host and perhaps a port (RFC 9110 7.2). `,` and `@` are disguises for a second host and for userinfo.
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+;=-]+)(:[0-9]{1,5})?")


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
            *(_unframed(key, names) for key, names in (("set", self.set), ("add", self.add), ("remove", self.remove))),
            *(_sendable(key, fields) for key, fields in (("set", self.set), ("add", self.add))),
            ("add", "host" not in self.add, "may not add a second `host`; `set` it"),
            ("remove", "host" not in self.remove, "may not take `host` out, which every request has; `set` it"),
            ("set", _is_host(self.set.get("host")), "gives `host` a value that is neither HOST nor HOST:PORT"),
        )


def _unframed(key: str, names: Mapping[str, str] | tuple[str, ...]) -> tuple[str, bool, str]:
    framing = sorted(FRAMING & {*names})
    return key, not framing, f"may not touch {', '.join(framing)}; the sidecar frames messages itself"


def _sendable(key: str, fields: Mapping[str, str]) -> tuple[str, bool, str]:
    """Whether no value ends its line, not even one that was looked up in a file or in the environment."""
    bad = sorted(name for name, value in fields.items() if not all(_is_printed(mark) for mark in value))
    return key, not bad, f"gives {', '.join(bad)} a line break, a control character or one outside Latin-1"


def _is_printed(mark: str) -> bool:
    return mark == "\t" or (32 <= ord(mark) < 256 and ord(mark) != 127)


def _is_host(value: str | None) -> bool:
    return value is None or _HOST.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RewriteSpec:
    """The path as the upstream sees it: a prefix taken away, then one put in front."""

    strip_prefix: Annotated[str | None, "prefix taken away, by whole segments"] = None
    add_prefix: Annotated[str | None, "prefix put in front"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        demand(
            ("strip_prefix", bool(self.strip_prefix or self.add_prefix), "is missing; give it or `add_prefix`"),
            *_path_like("strip_prefix", self.strip_prefix),
            *_path_like("add_prefix", self.add_prefix),
        )


# What a path may hold that different readers read differently: see `_path_like`.
_ODD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%2[EeFf]|%3[Bb]|%5[Cc]")


def _path_like(key: str, path: str | None) -> tuple[tuple[str, bool, str], ...]:
    """A prefix that everybody reads in one way: then no request can be written so that it reaches around it."""
    if path is None:
        return ()
    visible = path.startswith("/") and all(33 <= ord(mark) < 127 and mark not in "?#" for mark in path)
    plain = not {".", ".."} & {*path.split("/")} and "//" not in path
    single = not any(mark in path for mark in "\\;") and not _ODD_ESCAPE.search(path)
    return (
        (key, visible, "must begin with / and hold no `?`, `#`, space or character outside ASCII (write it as %XX)"),
        (key, plain, "must hold no `.`, `..` or empty segment; write the path that is meant"),
        (key, single, "must hold no `;`, backslash, bare `%`, or escape of `.`, `/`, `;` or backslash"),
    )
