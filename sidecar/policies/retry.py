"""When a failed attempt is made again, and after how long: what a rule may say of it, and the machine that decides.

An attempt is repeated when its failure is named in `on`, the request may be sent twice (`eligible_method`, unless
nothing of it was sent), its body is still there, attempts are left, the wait and the next attempt fit before the
deadline, and the budget of the upstream pays. What was sent and what is still there the exchange knows; the rest is
here. Once an answer has begun, and in a tunnel, nobody asks. Knows no clock and no socket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from typing import Annotated

from sidecar.policies.backoff import NO_HINT, Backoff
from sidecar.policies.retry_budget import RetryBudget
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
    as_it_is,
    demand,
    parse_status_range,
)

# A connection was made and no TLS came of it; each may be named by itself, too.
_TLS_FAILURES = ("tls_handshake_failed", "certificate_expired", "certificate_wrong_name", "certificate_untrusted")
# What a rule names, and the causes (model/outcome.py, by their words) that it means. Absent, and so never repeated:
# `pool_full`, which is our own queue being full: another turn in it adds load where there is too much (linkerd, too,
# does not repeat what it shed itself); `idle_timeout`, after an answer has begun; and
# `downstream_gone`, when nobody waits for one.
CAUSES_OF: dict[str, tuple[str, ...]] = {
    "connect_failure": ("connect_failure", "connect_timeout", *_TLS_FAILURES),
    "reset": ("reset", "stale", "protocol_error"),
    "attempt_timeout": ("attempt_timeout",),
    **{word: (word,) for word in _TLS_FAILURES},
}
TRIGGERS = tuple(CAUSES_OF)
# Those after which nothing was sent.
HARMLESS = frozenset(("connect_failure", *_TLS_FAILURES))
MAX_ATTEMPTS = 10

# RFC 9110 section 9.2.2, and QUERY by its own specification: repeating them has the effect of sending them once.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE", b"QUERY"})

# What `delay` says instead of a wait.
NO_MORE = -1.0  # `max_attempts` are made: the end of the rule, not a retry skipped
BUDGET = -2.0
DEADLINE = -3.0

# Why a retry that the rule asks for is not made, as metrics have it. `shadow`: it would have been, in mode enforce.
SKIPPED_BUDGET = "budget"
SKIPPED_BODY = "body_too_large"
SKIPPED_METHOD = "not_idempotent"
SKIPPED_DEADLINE = "deadline"
SKIPPED_CIRCUIT = "circuit_open"
SKIPPED_SHADOW = "shadow"
SKIPPED_OF: dict[float, str] = {BUDGET: SKIPPED_BUDGET, DEADLINE: SKIPPED_DEADLINE}

_NO_STATUS = 1000  # above every status


def _parse_trigger(text: str) -> str | int:
    if text in TRIGGERS:
        return text
    if text.isdigit():
        status, _ = parse_status_range(text)
        if status < 300:
            raise ValueError(f"`{text}` is a success; retry on failures")
        return status
    raise ValueError(f"`{text}` is neither one status, such as 503, nor one of {', '.join(TRIGGERS)}")


def _parse_methods(text: str) -> str:
    if text in ("idempotent", "all"):
        return text
    method: str = METHOD.parse(text)
    return method


TRIGGER = Kind(
    "status or failure",
    _parse_trigger,
    {"anyOf": [{"enum": list(TRIGGERS)}, {"type": "integer", "minimum": 300, "maximum": 599}]},
    as_it_is,
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

    def __post_init__(self) -> None:
        pays = self.ratio > 0 or self.min_per_second > 0
        demand(("ratio", pays, "is 0 and so is min_per_second, so no retry is ever paid for; write `retry: null`"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySpec:
    """Try again when an attempt fails and trying again can do no harm."""

    max_attempts: Annotated[Count, "attempts at most, the first included"] = 3
    on: Annotated[
        tuple[Annotated[str | int, TRIGGER], ...],
        OneOrMany(),
        "what is tried again: connect_failure, reset, attempt_timeout, a TLS failure by its reason, or a status",
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


@lru_cache(maxsize=64)
def _marked(statuses: tuple[int, ...]) -> bytes:
    """One byte for each status, 1 for these. The same bytes for the same ones: of ten thousand routes, most agree."""
    marks = bytearray(_NO_STATUS + 1)
    for status in statuses:
        marks[status] = 1
    return bytes(marks)


class Retry:
    """The machine of one route. `max_attempts`, `max_body_bytes` and `shadow` are for the exchange to read.

    In shadow mode it decides as ever, but pays from a budget of its own: what is never sent must not use up what
    other routes of the upstream need.
    """

    __slots__ = (
        "_all_methods",
        "_backoff",
        "_causes",
        "_highest",
        "_lowest",
        "_methods",
        "_respects_hint",
        "_statuses",
        "budget",
        "max_attempts",
        "max_body_bytes",
        "name",
        "shadow",
        "spec",
    )

    def __init__(self, name: str, spec: RetrySpec, budget: RetryBudget | None, rng: Random) -> None:
        """`name` is the rule as people see it, such as `login/retry`; `budget` is shared by the routes of an upstream
        that agree on its Spec, None where the rule takes the bound away."""
        self.name = name
        self.spec = spec
        self.shadow = spec.mode == "shadow"
        self.budget = budget.apart() if budget is not None and self.shadow else budget
        self.max_attempts = spec.max_attempts
        self.max_body_bytes = spec.max_body_bytes
        self._respects_hint = spec.respect_retry_after
        self._backoff = Backoff(spec.backoff.base, spec.backoff.max, rng)
        statuses = tuple([item for item in spec.on if isinstance(item, int)])
        self._lowest = min(statuses, default=_NO_STATUS)
        self._highest = max(statuses, default=_NO_STATUS)
        self._statuses = _marked(statuses)
        self._causes = frozenset(cause for item in spec.on if isinstance(item, str) for cause in CAUSES_OF[item])
        self._all_methods = spec.methods == ("all",)
        idempotent = spec.methods == ("idempotent",)
        self._methods = IDEMPOTENT if idempotent else frozenset(method.encode("ascii") for method in spec.methods)

    def deposit(self, now: float) -> None:
        """A request of the route has begun: it pays its share into the budget."""
        budget = self.budget
        if budget is not None:
            budget.deposit(now)

    def repeats_status(self, status: int) -> bool:
        """Whether an answer with this status is one to try again after."""
        # Ends here for nearly every answer.
        if status < self._lowest or status > self._highest:
            return False
        statuses = self._statuses
        return statuses[status] != 0

    def repeats(self, word: str) -> bool:
        """Whether an attempt that ended so is one to make again. `word` is a Cause's value, see CAUSES_OF."""
        return word in self._causes

    def eligible_method(self, method: bytes, has_idempotency_key: bool) -> bool:
        """Whether a request of which something was sent may be sent again. Methods are case-sensitive (RFC 9110
        section 9.1); `has_idempotency_key` is whether its sender vouches for it by an Idempotency-Key."""
        return self._all_methods or has_idempotency_key or method in self._methods

    def delay(self, now: float, attempt: int, hint: float, deadline: float, least: float) -> float:
        """Seconds to wait before the next attempt, at least 0; or NO_MORE, BUDGET or DEADLINE.

        `attempt` is how many were made, the first included. `hint` is the answer's Retry-After in seconds, or NO_HINT.
        `deadline` is the instant by which the answer has to be there, and `least` the seconds that an attempt needs to
        be worth starting: work that cannot be finished is load and nothing else. A wait that is returned is paid for,
        and is not given back when the attempt then does not happen: by then the time for it is gone."""
        if attempt >= self.max_attempts:
            return NO_MORE
        wait = self._backoff.wait(attempt - 1, hint if self._respects_hint else NO_HINT)
        if now + wait + least > deadline:
            return DEADLINE
        budget = self.budget
        # Last of all, so that only a retry that is made is paid for.
        if budget is not None and not budget.try_withdraw(now):
            return BUDGET
        return wait

    def snapshot(self, now: float) -> Mapping[str, object]:
        """What operators see."""
        return {
            "max_attempts": self.max_attempts,
            "on": list(self.spec.on),
            "methods": list(self.spec.methods),
            "mode": self.spec.mode,
            "budget": None if self.budget is None else self.budget.snapshot(now),
        }

    def inherit(self, before: Retry, now: float) -> None:
        """Take over what is this route's alone: in shadow mode, its budget. A shared budget is its upstream's."""
        if self.shadow and before.shadow and self.budget is not None and before.budget is not None:
            self.budget.inherit(before.budget, now)
