"""What a route answers instead of an error: a fixed reply, or the last good one.

Owns what a rule may say about it, the decision whether to stand in, and the fixed reply's bytes, prepared once. The
last good answers are kept by `stale_store.py`. May not know how a reply is framed or sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from sidecar.model.reason import Reason
from sidecar.policies.own_answer import fixed_answer, fixed_fields
from sidecar.policies.stale_store import StaleStore
from sidecar.policies.units import (
    Bytes,
    FieldName,
    FieldValue,
    Kind,
    Mode,
    OneOrMany,
    Seconds,
    Status,
    as_it_is,
    demand,
    parse_status,
)

CAUSES = ("circuit_open", "no_endpoint", "timeout", "retries_exhausted", "rate_limited", "concurrency_limited")

_REASONS_OF: dict[str, tuple[Reason, ...]] = {
    "circuit_open": (Reason.CIRCUIT_OPEN,),
    "no_endpoint": (Reason.NO_ENDPOINT,),
    "timeout": (Reason.ATTEMPT_TIMEOUT, Reason.REQUEST_TIMEOUT, Reason.CONNECT_TIMEOUT),
    "rate_limited": (Reason.RATE_LIMITED,),
    "concurrency_limited": (Reason.CONCURRENCY_LIMITED,),
}
# A fallback stands in for the service, never for a client's own mistakes, whatever status they are told with; and a
# request that matched no route has no fallback.
_NEVER = frozenset(
    {
        Reason.BAD_REQUEST,
        Reason.HEADER_TIMEOUT,
        Reason.BODY_TIMEOUT,
        Reason.BODY_TOO_LARGE,
        Reason.HEADERS_TOO_LARGE,
        Reason.URI_TOO_LONG,
        Reason.NO_ROUTE,
        Reason.MAX_FORWARDS,
        Reason.DOWNSTREAM_GONE,
    }
)
# How attempts end badly: what `retries_exhausted` is about.
_OF_ATTEMPTS = frozenset(
    {
        Reason.CONNECT_FAILURE,
        Reason.CONNECT_TIMEOUT,
        Reason.TLS_HANDSHAKE_FAILED,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_WRONG_NAME,
        Reason.CERTIFICATE_UNTRUSTED,
        Reason.RESET,
        Reason.UPSTREAM_PROTOCOL_ERROR,
        Reason.ATTEMPT_TIMEOUT,
        Reason.REQUEST_TIMEOUT,
        Reason.CIRCUIT_OPEN,
        Reason.NO_ENDPOINT,
        Reason.OVERLOADED,
    }
)

# An answer takes at most a quarter of the memory, and each costs a kibibyte beside its own bytes.
_MIN_STALE_BYTES = 16 << 10


def _parse_cause(text: str) -> str | int:
    if text in CAUSES:
        return text
    if text.isdigit():
        return parse_status(text)
    raise ValueError(f"`{text}` is neither one status, such as 503, nor one of {', '.join(CAUSES)}")


CAUSE = Kind(
    "status or cause",
    _parse_cause,
    {"anyOf": [{"enum": list(CAUSES)}, {"type": "integer", "minimum": 200, "maximum": 599}]},
    as_it_is,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleSpec:
    """The last good answer of the same GET; never past no-store, private or must-revalidate."""

    max_age: Annotated[Seconds, "oldest answer served"] = 600.0
    max_bytes: Annotated[Bytes, "memory for remembered answers"] = 16 << 20

    def __post_init__(self) -> None:
        demand(
            ("max_age", self.max_age > 0, "must be more than 0"),
            ("max_bytes", self.max_bytes >= _MIN_STALE_BYTES, "must be at least 16KiB, or nothing fits"),
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
        demand(
            ("on", bool(self.on), "is empty, so the fallback is never used"),
            ("stale", not (fixed and self.stale), "excludes status, headers and body"),
            ("status", self.status is not None or self.stale is not None, "is missing; give a `status`, or `stale`"),
            *fixed_answer(self.status, self.headers, self.body),
        )


class Fallback:
    """One route's fallback.

    A fixed reply is `status`, `fields` (header lines, each with CRLF, Content-Length among them) and `body`, ready to
    be sent; with `stale`, the store of last good answers, these are empty and there may be nothing to answer with. In
    shadow mode whoever asks goes on with the error and only counts; answers are remembered all the same.
    """

    __slots__ = ("_exhausted", "_reasons", "_statuses", "body", "fields", "name", "shadow", "stale", "status")

    def __init__(self, name: str, spec: FallbackSpec) -> None:
        """`name` is the rule as people see it, such as `catalog/fallback`."""
        self.name = name
        self.shadow = spec.mode == "shadow"
        self._exhausted = "retries_exhausted" in spec.on
        self._reasons = frozenset(reason for cause in spec.on for reason in _REASONS_OF.get(str(cause), ()))
        # One byte for each status there is: asked of every answer of the upstream.
        self._statuses = bytes(status in spec.on for status in range(1000))
        self.stale = StaleStore(spec.stale.max_bytes, spec.stale.max_age) if spec.stale is not None else None
        self.status = spec.status or 0
        self.body = (spec.body or "").encode()
        self.fields = b""
        if spec.stale is None:
            # A 200 may be kept by anyone (RFC 9111 section 4.2.2), and would outlive the outage as the real answer.
            self.fields = fixed_fields(self.status, spec.headers, len(self.body), cache_control="no-store")

    def stands_in_for(self, reason: Reason, exhausted: bool, status: int = 0) -> bool:
        """Whether to answer instead of an error of our own.

        `exhausted`: it is how the last attempt ended, and at least one was a retry. `status` is what the error is told
        with, 0 for the reason's own; a status in `on` means our own errors as well as the upstream's.
        """
        if reason in _NEVER:
            return False
        if reason in self._reasons or self.replaces_status(status or reason.status):
            return True
        return exhausted and self._exhausted and reason in _OF_ATTEMPTS

    def replaces_status(self, status: int, exhausted: bool = False) -> bool:
        """Whether to answer instead of the upstream's answer with this status, nothing of which was passed on yet.

        `exhausted`: it is a status that the rules retry, and at least one retry was made."""
        if exhausted and self._exhausted:
            return True
        statuses = self._statuses
        return 0 <= status < 1000 and statuses[status] != 0

    def inherit(self, before: Fallback) -> None:
        """Take over what was remembered under the rules before: the same store, so that an exchange of either tells it
        what is no longer true."""
        if self.stale is not None and before.stale is not None:
            before.stale.resize(self.stale.max_bytes, self.stale.max_age)
            self.stale = before.stale

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see: names of rule values and state, plain values only."""
        state: dict[str, object] = {"mode": "shadow" if self.shadow else "enforce"}
        if self.stale is None:
            state["status"] = self.status
        else:
            state["stale"] = self.stale.snapshot(now)
        return state
