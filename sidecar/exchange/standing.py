"""Where one exchange stands: what a decision knows and holds, and how an attempt is settled.

Owns the deadlines of the exchange and of its attempt, the permits that both hold, and the reason of a rejection. Says
nothing of what comes next: decision.py does. Knows no socket, no byte and no clock.
"""

from __future__ import annotations

import math

from sidecar.exchange.blame import of_silence
from sidecar.exchange.ledger import give_back
from sidecar.exchange.steps import REJECT, Driver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.model.trace import AttemptTrace
from sidecar.policies.contract import NO_TIME, Admission, Applicant, Key
from sidecar.policies.retry import IDEMPOTENT
from sidecar.runtime.endpoint import Endpoint
from sidecar.runtime.route import Route

_NEVER = math.inf


class Standing(Applicant):
    """The state of one exchange; an Applicant. Deadlines are monotonic instants, infinity when off.

    The driver sets `method` and `vouched` (an Idempotency-Key) at the start, `sent` when bytes of the request may have
    reached an endpoint, and clears `kept` when the body is no longer there to be sent again. Where somebody records it
    sets `journal`, which each attempt is then entered in, and the attempt's `span_id` once that is sent.
    """

    # fmt: off
    __slots__ = (
        "asked_key", "attempt", "attempt_deadline", "attempt_started", "branch", "called", "driver", "endpoint",
        "fresh", "head_at", "held", "held_by_attempt", "journal", "kept", "key_value", "lent_at", "method", "pending",
        "place", "read_at", "reason", "retried_stale", "retry_after", "route", "rule", "sent", "shortened", "span_id",
        "started", "status", "total_deadline", "vouched", "wait_until", "waiting",
    )
    # fmt: on

    def __init__(self, route: Route, driver: Driver, started: float, limit: float) -> None:
        """`started` is the instant of the request's first byte; `limit` what the caller allows in seconds (infinity
        when it does not say), which can only shorten the route's own timeout."""
        self.route = route
        self.driver = driver
        self.branch = route.branch
        self.started = started
        self.shortened = limit < route.request_timeout
        self.deadline = started + (limit if self.shortened else route.request_timeout)
        self.total_deadline = started + route.total_timeout
        if self.total_deadline < self.deadline:
            self.deadline = self.total_deadline
            self.shortened = False
        self.attempt = 0
        self.attempt_started = started
        self.attempt_deadline = self.deadline
        self.read_at = _NEVER  # since when the endpoint may have the whole request
        self.lent_at = 0.0  # since when the endpoint, and not our own line, is waited for; 0.0 where there was none
        self.head_at = 0.0  # when the answer's head came; 0.0 before
        self.endpoint: Endpoint | None = None
        self.fresh = False
        self.method = b""
        self.vouched = False
        self.sent = False
        self.kept = True
        self.pending = False  # an attempt is under way and not yet settled
        self.retried_stale = False
        self.asked_key: Key | None = None
        self.key_value = ""
        self.place = 0  # of the next admission to ask
        self.waiting: Admission | None = None
        self.called = False  # by what it waits for, before `wait_until`
        self.wait_until = 0.0
        self.held: list[object] | None = None  # machine, permit, machine, permit …
        self.held_by_attempt: list[object] | None = None
        self.status = 0
        # Of a rejection: why, by which rule (empty: none of the file's), with which status (0: the reason's own).
        self.reason: Reason | None = None
        self.rule = ""
        self.retry_after = NO_TIME
        self.journal: list[AttemptTrace] | None = None
        self.span_id = b""

    def request_sent(self, now: float) -> None:
        """The request has been read whole. The attempt's timeout runs from here: an upload takes what the caller's
        own line takes, and `timeout.request` bounds it."""
        self.read_at = now
        limit = now + self.route.attempt_timeout
        # Not min() and max() here and below: each is a call, and costs as much as a policy.
        self.attempt_deadline = self.deadline
        if limit < self.deadline:
            self.attempt_deadline = limit

    def lent(self, since: float) -> None:
        """A connection has come free or was made for the attempt, which has waited for the endpoint only `since`."""
        self.lent_at = since

    def repeatable(self) -> bool:
        """Whether the request may be sent again although an endpoint may have got it."""
        retry = self.branch.retry
        if retry is None or retry.shadow:
            return self.vouched or self.method in IDEMPOTENT
        return retry.eligible_method(self.method, self.vouched)

    def answer_fields(self, now: float) -> bytes:
        """Header lines that every answer of this route carries; perhaps none."""
        announcer = self.route.announcer
        return b"" if announcer is None else announcer.answer_fields(now, self)

    def key(self, key: Key) -> str:
        """See Applicant. Asked by a limit before the request and again for the answer's fields."""
        if key is not self.asked_key:
            self.key_value = self.driver.key(key)
            self.asked_key = key
        return self.key_value

    def granted(self, now: float) -> None:
        """See Applicant."""
        self.called = True
        self.driver.woken()

    def _refused(self, machine: Admission) -> int:
        self.reason = machine.reason
        self.rule = machine.rule
        self.status = machine.status
        self.retry_after = machine.retry_after
        return REJECT

    def _reject(self, reason: Reason) -> int:
        self.reason = reason
        self.rule = ""
        if reason is Reason.REQUEST_TIMEOUT and self.total_deadline <= self.deadline:
            self.rule = f"{self.route.name}/timeout.total"  # which was the shorter one
        self.status = 0
        self.retry_after = NO_TIME
        return REJECT

    def _of_silence(self, now: float, since: float) -> Outcome:
        route = self.route
        allowed = min(route.attempt_timeout, route.request_timeout, route.total_timeout)
        return of_silence(now, max(since, self.lent_at), allowed, self.shortened)

    def _measure(self, now: float, status: int) -> None:
        """How long the endpoint took for the head of its answer, from the whole request."""
        meter = self.route.meter
        if meter is None:
            return
        begun = self.attempt_started
        if begun < self.read_at:
            begun = self.read_at
        meter.attempted(now, now - begun, status)

    def _settle(self, now: float, outcome: Outcome, word: str) -> None:
        endpoint = self.endpoint
        if not self.pending or endpoint is None:
            return
        self.pending = False
        endpoint.in_flight -= 1
        upstream = self.branch.upstream
        # From the whole request, or whoever sends slowly would open the breaker for everybody, to the head of the
        # answer: a long download, or events for an hour, are not slow.
        ended = self.head_at if self.head_at > 0.0 else now
        # What our own line took is not the endpoint's either: slow clients, by filling the pool, would open it as well.
        begun = self.attempt_started
        if begun < self.read_at:
            begun = self.read_at
        if begun < self.lent_at:
            begun = self.lent_at
        if begun > ended:
            begun = ended
        give_back(self.held_by_attempt, now, outcome, ended - begun)
        if upstream.ejection is not None:
            upstream.settle(now, endpoint, outcome, self.attempt_started)
        upstream.observer.attempt_finished(word, now - self.attempt_started)
        if self.journal is not None:
            self.journal.append(self._entry(now, endpoint, word))

    def _entry(self, now: float, endpoint: Endpoint, word: str) -> AttemptTrace:
        entry = AttemptTrace()
        entry.span_id = self.span_id
        self.span_id = b""  # the next attempt may never be sent
        entry.upstream = self.branch.upstream.name
        entry.endpoint = endpoint.name
        entry.scheme = endpoint.scheme
        entry.outcome = word
        entry.status = self.status if self.head_at > 0.0 else 0
        entry.started = self.attempt_started
        entry.ended = now
        return entry
