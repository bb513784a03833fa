"""What a route answers by itself, without an upstream: a redirect, or a fixed answer. Here: what a rule may say of it.

Owns the fields of every fixed answer, a fallback's among them. May not know requests: where a redirect leads is made of
one in wire/location.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from sidecar.model.status import BODILESS
from sidecar.policies.units import Count, FieldName, FieldValue, Status, demand

# An answer's framing and its connection are the sidecar's, and so is what it says of itself (RFC 9209).
OUR_FIELDS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "proxy-status",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\]")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectSpec:
    """Send the client elsewhere, with the path and query that it asked for."""

    scheme: Annotated[Literal["http", "https"] | None, "scheme led to; absent: the one the client used"] = None
    host: Annotated[str | None, "host led to, without a port; absent: the one asked for"] = None
    port: Annotated[
        Count | None, "port led to; absent: the one asked for, or the scheme's own where scheme or host is given"
    ] = None
    path: Annotated[
        str | None, "path led to; absent: the one asked for. The query stays, unless this has one of its own"
    ] = None
    status: Annotated[
        Literal[301, 302, 303, 307, 308],
        "308 and 301 are kept by caches and browsers; 307 and 308 keep method and body",
    ] = 308

    def __post_init__(self) -> None:
        led = any(each is not None for each in (self.scheme, self.host, self.port, self.path))
        path = self.path or "/"
        # Everything else could be read as the end of the field or of the path.
        plain = path.startswith("/") and all(33 <= ord(mark) < 127 and mark != "#" for mark in path)
        demand(
            ("scheme", led, "is missing: the redirect leads back to itself; give a scheme, host, port or path"),
            ("host", self.host is None or _HOST.fullmatch(self.host) is not None, _host_wanted(self.host or "")),
            ("port", self.port is None or 1 <= self.port <= 65535, "must be from 1 to 65535"),
            ("path", plain, "must begin with / and hold no `#`, space or character outside ASCII (write it as %XX)"),
        )


def _host_wanted(host: str) -> str:
    if re.fullmatch(r".*[^:\]]:[0-9]+", host):
        return "has a port; write it as `port`"
    return "is not the name of a host; write shop.example.com or [2001:db8::1]"


@dataclass(frozen=True, slots=True, kw_only=True)
class RespondSpec:
    """Answer by itself, always in the same words."""

    status: Annotated[Status, "status of the answer"] = 200
    headers: Annotated[Mapping[FieldName, FieldValue], "headers of the answer"] = field(default_factory=dict)
    body: Annotated[str | None, "body of the answer, sent as UTF-8; text/plain unless a header says otherwise"] = None

    def __post_init__(self) -> None:
        ours = sorted({"date", "x-request-id"} & {*self.headers})
        demand(
            *fixed_answer(self.status, self.headers, self.body),
            ("headers", not ours, f"may not set {', '.join(ours)}; the sidecar says that of every answer"),
        )


def fixed_answer(status: int | None, headers: Mapping[str, str], body: str | None) -> tuple[tuple[str, bool, str], ...]:
    """What a fixed answer must be like, as `demand` takes it."""
    ours = OUR_FIELDS & set(headers)
    # YAML can write half of a surrogate pair, which UTF-8 cannot.
    writable = not any("\ud800" <= mark <= "\udfff" for mark in body or "")
    return (
        ("body", body is None or status not in BODILESS, "cannot be sent with this status"),
        ("body", writable, "holds half of a surrogate pair, which UTF-8 cannot say"),
        ("headers", not ours, f"may not set {', '.join(sorted(ours))}; the sidecar writes what frames the reply"),
    )


def fixed_fields(status: int | None, headers: Mapping[str, str], length: int, **absent: str) -> bytes:
    """The header lines of a fixed answer whose body has `length` bytes, its framing among them. `absent` are further
    ones for where `headers` have none of that name, with `_` for `-`."""
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    if length and "content-type" not in headers:
        # Left to guess, a browser may take text for a page.
        lines.append("content-type: text/plain; charset=utf-8\r\n")
    for name, value in absent.items():
        if name.replace("_", "-") not in headers:
            lines.append(f"{name.replace('_', '-')}: {value}\r\n")
    if status not in BODILESS:
        lines.append(f"content-length: {length}\r\n")
    elif status == 205:
        lines.append("content-length: 0\r\n")
    return "".join(lines).encode("latin-1")
