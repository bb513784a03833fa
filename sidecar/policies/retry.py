"""When a failed attempt is made again, after how long, and how many of them are affordable.

Knows no clock and no socket; here is what a rule may say about it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from sidecar.policies.units import (
    METHOD,
    Bytes,
    Count,
    Kind,
    Mode,
    Number,
    OneOrMany,
    Ratio,
    Seconds,
    demand,
    parse_status_range,
)

TRIGGERS = ("connect_failure", "reset", "attempt_timeout")
MAX_ATTEMPTS = 10


def _parse_trigger(text: str) -> str | int:
    if text in TRIGGERS:
        return text
    if text.isdigit():
        status, _ = parse_status_range(text)
        if status < 300:
            raise ValueError(f"`{text}` is a success; retry on failures")
        return status
    raise ValueError(f"`{text}` is neither a status nor one of {', '.join(TRIGGERS)}")


def _parse_methods(text: str) -> str:
    if text in ("idempotent", "all"):
        return text
    method: str = METHOD.parse(text)
    return method


def _same(value: Any) -> Any:
    return value


TRIGGER = Kind(
    "status or failure",
    _parse_trigger,
    {"anyOf": [{"enum": list(TRIGGERS)}, {"type": "integer", "minimum": 300, "maximum": 599}]},
    _same,
)
METHOD_SET = Kind("method, idempotent or all", _parse_methods, METHOD.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffSpec:
    """The wait before a retry: anything from 0 to min(max, base·2ⁿ)."""

    base: Annotated[Seconds, "upper bound of the first wait"] = 0.025
    max: Annotated[Seconds, "upper bound of every wait"] = 1.0

    def __post_init__(self) -> None:
        demand(
            ("base", self.base > 0, "must be more than 0, or every retry follows at once"),
            ("max", self.max >= self.base, "must be at least base"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpec:
    """How many retries the traffic pays for, so that retries never become the load."""

    ratio: Annotated[Ratio, "retries a request pays for"] = 0.2
    min_per_second: Annotated[Number, "retries a second that are always affordable"] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySpec:
    """Try again when an attempt fails and trying again can do no harm."""

    max_attempts: Annotated[Count, "attempts at most, the first included"] = 3
    on: Annotated[
        tuple[Annotated[str | int, TRIGGER], ...],
        OneOrMany(),
        "what is tried again: connect_failure, reset, attempt_timeout or a status",
    ] = ("connect_failure", "reset", "attempt_timeout", 502, 503, 504)
    methods: Annotated[
        tuple[Annotated[str, METHOD_SET], ...],
        OneOrMany(),
        "idempotent, all, or a list of methods; an Idempotency-Key header also qualifies a request",
    ] = ("idempotent",)
    backoff: Annotated[BackoffSpec, "the wait before a retry, with full jitter"] = field(default_factory=BackoffSpec)
    respect_retry_after: Annotated[bool, "wait at least as long as the answer's Retry-After asks"] = True
    budget: Annotated[BudgetSpec | None, "how many retries the traffic pays for; null takes the bound away"] = field(
        default_factory=BudgetSpec
    )
    max_body_bytes: Annotated[Bytes, "a larger request body is streamed, and not retried"] = 65536
    mode: Mode = "enforce"

    def __post_init__(self) -> None:
        words = {"idempotent", "all"} & set(self.methods)
        demand(
            ("max_attempts", 1 <= self.max_attempts <= MAX_ATTEMPTS, f"must be from 1 (no retry) to {MAX_ATTEMPTS}"),
            ("on", bool(self.on), "is empty, so nothing is ever retried; drop `retry` or write `retry: null`"),
            ("methods", bool(self.methods), "is empty, so nothing is ever retried"),
            ("methods", not words or len(self.methods) == 1, "is idempotent, all, or a list of methods: not a mixture"),
        )
