"""What a route answers instead of the sidecar's own error: a fixed reply, or the last good one.

Here: what a rule may say about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from sidecar.policies.units import (
    Bytes,
    FieldName,
    FieldValue,
    Kind,
    Mode,
    OneOrMany,
    Seconds,
    Status,
    demand,
    parse_status,
)

CAUSES = ("circuit_open", "no_endpoint", "timeout", "retries_exhausted", "rate_limited", "concurrency_limited")


def _parse_cause(text: str) -> str | int:
    if text in CAUSES:
        return text
    if text.isdigit():
        return parse_status(text)
    raise ValueError(f"`{text}` is neither a status nor one of {', '.join(CAUSES)}")


def _same(value: Any) -> Any:
    return value


CAUSE = Kind(
    "status or cause",
    _parse_cause,
    {"anyOf": [{"enum": list(CAUSES)}, {"type": "integer", "minimum": 200, "maximum": 599}]},
    _same,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleSpec:
    """The last good answer of the same GET; never past no-store, private or must-revalidate."""

    max_age: Annotated[Seconds, "oldest answer served"] = 600.0
    max_bytes: Annotated[Bytes, "memory for remembered answers"] = 16 << 20

    def __post_init__(self) -> None:
        demand(
            ("max_age", self.max_age > 0, "must be more than 0"),
            ("max_bytes", self.max_bytes > 0, "must be more than 0"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackSpec:
    """Answer something useful instead of an error of our own."""

    on: Annotated[tuple[Annotated[str | int, CAUSE], ...], OneOrMany(), "what it stands in for: causes or statuses"] = (
        "circuit_open",
        "no_endpoint",
        "timeout",
        "retries_exhausted",
    )
    status: Annotated[Status | None, "status of the fixed reply"] = None
    headers: Annotated[Mapping[FieldName, FieldValue], "headers of the fixed reply"] = field(default_factory=dict)
    body: Annotated[str | None, "body of the fixed reply, sent as UTF-8"] = None
    stale: Annotated[StaleSpec | None, "serve the last good answer instead of a fixed reply"] = None
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        fixed = self.status is not None or self.body is not None or bool(self.headers)
        framing = {"content-length", "transfer-encoding", "connection"} & set(self.headers)
        demand(
            ("on", bool(self.on), "is empty, so the fallback is never used"),
            ("stale", not (fixed and self.stale), "excludes status, headers and body"),
            ("status", self.status is not None or self.stale is not None, "is missing; give a `status`, or `stale`"),
            ("body", self.body is None or self.status not in (204, 304), "cannot be sent with this status"),
            ("headers", not framing, f"may not set {', '.join(sorted(framing))}; the sidecar frames the reply itself"),
        )
