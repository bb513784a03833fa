"""Changes to the fields and the path of a message on its way. Here: what a rule may say about them.

The edits themselves are bytes' business and happen in wire (edits.py, rewriting.py); what these cannot honour without
breaking a message is refused here. In shadow mode a message passes unchanged and is only counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

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


# What the presets say, after the OWASP Secure Headers Project; where this differs, docs/policies/headers.md says why.
# Strict-Transport-Security is for https alone (RFC 6797 section 7.2).
_SECURE = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "SAMEORIGIN",
    "referrer-policy": "strict-origin-when-cross-origin",
    "cross-origin-opener-policy": "same-origin-allow-popups",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-permitted-cross-domain-policies": "none",
}
_SECURE_OVER_TLS = {"strict-transport-security": "max-age=31536000"}
_TELLTALE = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseEditsSpec(HeaderEditsSpec):
    """Fields of answers removed, then set, then added; and those that a preset adds where nobody else says them."""

    preset: Annotated[
        Literal["secure"] | None,
        "secure: security fields that the backend did not send itself, and nothing of what it is made of",
    ] = None

    def defaults(self, secure: bool) -> dict[str, str]:
        """What the preset says to a client that uses https (`secure`) or not, where a message does not say it. What is
        set or added is not among them, nor what is removed."""
        if self.preset is None:
            return {}
        said = {*self.set, *self.add, *self.remove}
        fields = {**_SECURE, **(_SECURE_OVER_TLS if secure else {})}
        return {name: value for name, value in fields.items() if name not in said}

    def removed(self) -> tuple[str, ...]:
        """What is taken out, by the preset too."""
        return self.remove if self.preset is None else (*self.remove, *_TELLTALE)

    def for_own(self, secure: bool) -> dict[str, str]:
        """What the sidecar's own errors and fallbacks say of the preset, in the words of `set` where it has them."""
        known = {} if self.preset is None else {**_SECURE, **_SECURE_OVER_TLS}
        return {**self.defaults(secure), **{name: value for name, value in self.set.items() if name in known}}


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
