"""What happened in one drill, as plain data: nobody's judgement, and everything that a judgement needs.

Instants are seconds since the load began; those of before are negative. Endpoints are called what the rules call them,
whatever stood in for them. In virtual time the same scenario, rules and seed give an equal record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sidecar.drill.scenario import Do, Scenario
from sidecar.rules.load import Loaded

# Why a client got no whole answer of its own, in its own eyes.
Failure = Literal[
    "",  # it got one
    "refused",  # could not connect to the proxy
    "reset",  # the connection was reset before the answer was whole
    "closed",  # it was closed before a byte of the answer
    "truncated",  # it was closed in the middle of the answer
    "malformed",  # what came is no HTTP
    "not_its_own",  # the answer to another request, or a body that was changed on the way
    "gave_up",  # its patience was over
    "cut",  # the drill was over before its answer
]

# How an attempt ended, in the backend's eyes. `aborted`: the proxy broke it off.
End = Literal["answered", "failed", "reset", "stalled", "garbage", "truncated", "aborted", "killed", "cut"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a client, from when it was due to its end.

    `due` is when it was to be sent by the load's rate, `began` when it was. `head` is when the status was here, None
    without one. `status` is 0 where none came. `reason`, `rule` and what follows is what the proxy says of it, empty
    where it says nothing: `reason` why it answered by itself, `rule` because of which rule (`app/hold`, `route/retry`),
    `attempts` how many it made, `endpoint` where the last of them went, `fallback` what stood in (`static`, `stale`).
    `detail` is its sentence for the operator.
    """

    number: int
    client: int
    method: str
    path: str
    due: float
    began: float
    ended: float
    head: float | None = None
    status: int = 0
    failure: Failure = ""
    reason: str = ""
    rule: str = ""
    route: str = ""
    upstream: str = ""
    endpoint: str = ""
    attempts: int = 0
    fallback: str = ""
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the client has what it asked for: a whole answer, its own, and no error of the server's (5xx) or
        refusal of the proxy's."""
        return (
            not self.failure and self.status < 500 and self.status != 429 and not (self.reason and self.status >= 400)
        )

    @property
    def seconds(self) -> float:
        """How long the client waited, from when the request was due."""
        return self.ended - self.due


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request as an endpoint saw it. `request` is the client's number of it. `whole`: all of it was here."""

    request: int
    endpoint: str
    began: float
    ended: float
    end: End
    status: int = 0
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Ill:
    """An endpoint misbehaves from `at` to `until`. `share` of the requests is concerned. `step` is the line of the
    script, from 0."""

    at: float
    until: float
    do: Do
    share: float = 1.0
    step: int = 0


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint and what it saw. `connections` were accepted, `refused` were not (0 in real time, where only the
    kernel knows); `checks` are health checks that asked something; `most` is how many requests it had at once."""

    name: str
    upstream: str
    place: int
    ill: tuple[Ill, ...] = ()
    connections: int = 0
    refused: int = 0
    requests: int = 0
    aborted: int = 0
    checks: int = 0
    most: int = 0

    def is_well(self, at: float) -> bool:
        """Whether nothing of the script concerned it at this instant."""
        return not any(ill.at <= at < ill.until for ill in self.ill)

    def well(self, since: float, until: float) -> tuple[tuple[float, float], ...]:
        """The parts of this span in which it was well; an empty span is one instant."""
        parts: list[tuple[float, float]] = []
        at = since
        for ill in sorted(self.ill, key=lambda ill: ill.at):
            if ill.at > until:
                break
            if ill.at > at:
                parts.append((at, ill.at))
            at = max(at, ill.until)
        if at < until or (at == until == since and self.is_well(at)):
            parts.append((at, until))
        return tuple(parts)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the product tells of itself: `kind` is breaker, ejected, readmitted, health, hold, …; `subject` is
    whose it is; `fields` as in /events."""

    at: float
    kind: str
    subject: str
    text: str
    fields: Mapping[str, object] = field(default_factory=dict)
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """One thing that the product counted. `of` is a route or an upstream.

    kind, and what `why` then is: `retried` (a cause or a status), `retry_skipped` (budget, body_too_large,
    not_idempotent, deadline, circuit_open), `rejected` (the reason; `rule` says whose), `shadow_rejected` (the same),
    `fell_back` (the cause; `rule` is the kind of fallback), `attempt` (the outcome: success, 5xx or a cause), `hold`
    (held, refused, released, timed_out, left), `check` (a health check's result), `connected` (ok or a cause).
    """

    at: float
    kind: str
    of: str
    why: str
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a policy's machine told of itself: the metric's name without its prefix, and its labels' values."""

    at: float
    name: str
    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Record:
    """One drill. `loaded` are the user's rules as they were loaded, with the place of each value; `seconds` is when the
    last request had ended; `connections` is how many clients had at once; `notes` say what of the rules could not be
    drilled as it is, and what stood in for it."""

    scenario: Scenario
    loaded: Loaded
    seed: int
    real: bool
    seconds: float
    requests: tuple[Request, ...]
    attempts: tuple[Attempt, ...]
    endpoints: tuple[Endpoint, ...]
    events: tuple[Event, ...] = ()
    counts: tuple[Count, ...] = ()
    readings: tuple[Reading, ...] = ()
    connections: int = 0
    notes: tuple[str, ...] = ()

    @property
    def faults(self) -> tuple[tuple[Ill, tuple[str, ...]], ...]:
        """What goes wrong, in order, each with the endpoints it concerns."""
        whom: dict[Ill, list[str]] = {}
        for endpoint in self.endpoints:
            for ill in endpoint.ill:
                whom.setdefault(ill, []).append(endpoint.name)
        ordered = sorted(whom, key=lambda ill: (ill.at, ill.step))
        return tuple((ill, tuple(whom[ill])) for ill in ordered)
