"""One exchange as a pure machine: told what happened and when, it says what to do next.

Owns the deadlines of the exchange and of its attempt, the choice of the endpoint, and whether there is another
attempt. Knows no socket, no byte and no clock: every method takes `now`. After an answer has begun there is no other
attempt, ever.

    begin ──► ATTEMPT ──► answered ──► DELIVER ──► completed | broken_off
       │         │  └───► failed ──► ATTEMPT (stale connection, once) | REJECT
       └──► REJECT        (abandoned: at any point, by the client)
"""

from __future__ import annotations

from sidecar.exchange.steps import ATTEMPT, DELIVER, REJECT, STOP
from sidecar.model.outcome import REASON_OF, Cause
from sidecar.model.reason import Reason
from sidecar.runtime.upstream import Endpoint, Route

# RFC 9110 section 9.2.2, and QUERY by its own specification: repeating them has the effect of sending them once.
IDEMPOTENT = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE", b"QUERY"})

# What can go wrong once an answer is on its way is told by the attempt's outcome alone.
_SUCCESS_BELOW = 500
# 501 and 505 speak of the request, not of the endpoint's health.
_NOT_A_FAILURE = frozenset({501, 505})


class Decision:
    """The state of one exchange. `deadline` and `attempt_deadline` are monotonic instants (infinity when off)."""

    __slots__ = (
        "attempt",
        "attempt_deadline",
        "attempt_started",
        "deadline",
        "endpoint",
        "fresh",
        "key",
        "pending",
        "reason",
        "replayable",
        "retried",
        "route",
        "status",
    )

    def __init__(self, route: Route, started: float, limit: float) -> None:
        """`started` is the instant of the request's first byte; `limit` what the caller allows in seconds (infinity
        when it does not say), which can only shorten the route's own timeout."""
        timeout = route.request_timeout
        self.route = route
        self.deadline = started + (min(timeout, limit))
        self.attempt = 0
        self.attempt_started = started
        self.attempt_deadline = self.deadline
        self.endpoint: Endpoint | None = None
        self.fresh = False
        self.key: str | None = None
        self.reason: Reason | None = None
        self.pending = False  # an attempt is under way and not yet settled
        self.replayable = False
        self.retried = False
        self.status = 0

    def begin(self, now: float, key: str | None) -> int:
        """The request's head is complete: where to send it. `key` is what the upstream's hash asks of it."""
        self.key = key
        return self._attempt(now, None)

    def request_sent(self, now: float) -> None:
        """The request has been read whole. The attempt's timeout runs from here: an upload takes what the caller's
        own line takes, and `timeout.request` bounds it."""
        limit = now + self.route.attempt_timeout
        self.attempt_deadline = min(self.deadline, limit)

    def failed(self, now: float, cause: Cause) -> int:
        """The attempt ended without the head of an answer."""
        self._settle(now, cause.value)
        # The endpoint closed an idle connection just as we used it: not its failure, and no byte of an answer was
        # seen, so an eligible request goes out once more on a fresh connection (RFC 9112 section 9.3.1).
        if cause is Cause.STALE and self.replayable and not self.retried and now < self.deadline:
            self.retried = True
            self.fresh = True
            self.route.observer.retried(cause.value)
            return self._attempt(now, self.endpoint)
        self.reason = REASON_OF[cause]
        return REJECT

    def expired(self, now: float) -> int:
        """The attempt's deadline passed before the head of an answer."""
        if now >= self.deadline:
            self._settle(now, Cause.ATTEMPT_TIMEOUT.value)
            self.reason = Reason.REQUEST_TIMEOUT
            return REJECT
        return self.failed(now, Cause.ATTEMPT_TIMEOUT)

    def answered(self, now: float, status: int) -> int:
        """The head of the final answer is here."""
        self.status = status
        return DELIVER

    def completed(self, now: float) -> None:
        """The last byte of the answer is here: the attempt's one outcome."""
        status = self.status
        if status < _SUCCESS_BELOW or status in _NOT_A_FAILURE:
            self._settle(now, "success")
        else:
            self._settle(now, "5xx")

    def broken_off(self, now: float, cause: Cause) -> int:
        """The answer broke off after its head."""
        self._settle(now, cause.value)
        self.reason = REASON_OF[cause]
        return STOP

    def abandoned(self, now: float) -> None:
        """The client left, or our own side gave up: no verdict on the endpoint."""
        self._settle(now, Cause.DOWNSTREAM_GONE.value)

    def _attempt(self, now: float, same: Endpoint | None) -> int:
        endpoint = same if same is not None else self.route.upstream.pick(now, self.key, self.endpoint)
        if endpoint is None:
            self.reason = Reason.NO_ENDPOINT
            return REJECT
        self.endpoint = endpoint
        self.attempt += 1
        self.attempt_started = now
        self.attempt_deadline = self.deadline
        self.pending = True
        endpoint.in_flight += 1
        return ATTEMPT

    def _settle(self, now: float, outcome: str) -> None:
        endpoint = self.endpoint
        if self.pending and endpoint is not None:
            self.pending = False
            endpoint.in_flight -= 1
            self.route.upstream.observer.attempt_finished(outcome, now - self.attempt_started)
