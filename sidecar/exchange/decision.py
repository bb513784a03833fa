"""One exchange as a pure machine: told what happened and when, it says what to do next.

Owns who is asked before it and before each attempt and in which order, the choice of the endpoint, and whether there is
another attempt; what it knows and holds is in standing.py. Knows no socket, no byte and no clock: every method takes
`now`. Names no policy that admits. After an answer has begun there is no other attempt, ever.

    begin ─► asked once ─► asked before each attempt ─► ATTEMPT ─► answered ─► DELIVER ─► completed | broken_off
               │    └─► WAIT ─► resumed │  ▲   ▲             │         └─► SUBSTITUTE
               │                        │  │   └─ WAIT: hold ┤
               │                        │  └── WAIT: retry ──┤
               └────────► REJECT ◄──────┴───────── failed ───┘       (abandoned: at any point, by the client)

A route that answers by itself ends the asking with RESPOND, and makes no attempt.
Each permit is settled exactly once: an attempt's with its one outcome, the request's when the exchange has ended. That
of an attempt hears before when its answer has begun well, for some answers never end.
"""

from __future__ import annotations

from sidecar.exchange.blame import is_good, of_break, of_failure, of_silence
from sidecar.exchange.ledger import give_back, hold, tell_answering
from sidecar.exchange.standing import Standing
from sidecar.exchange.steps import ATTEMPT, DELIVER, RESPOND, STOP, SUBSTITUTE, WAIT
from sidecar.model.outcome import REASON_OF, Cause, Outcome
from sidecar.model.reason import Reason
from sidecar.model.status import SWITCHING_PROTOCOLS
from sidecar.policies.backoff import NO_HINT
from sidecar.policies.contract import ADMITTED, REFUSED, Admission
from sidecar.policies.contract import WAIT as ASKED_TO_WAIT
from sidecar.policies.retry import (
    SKIPPED_BODY,
    SKIPPED_CIRCUIT,
    SKIPPED_METHOD,
    SKIPPED_OF,
    SKIPPED_SHADOW,
)
from sidecar.runtime.endpoint import Endpoint

# A request that cannot be answered in less would only be load.
_LEAST_SECONDS = 0.001
_NO_RETRY = -1.0

_SUCCESS = Outcome.SUCCESS
_FAILURE = Outcome.FAILURE
_IGNORED = Outcome.IGNORED


class Decision(Standing):
    """What happens to one exchange, and what follows from it. The driver tells; see Standing for what it sets."""

    __slots__ = ()

    def begin(self, now: float) -> int:
        """The request's head is complete: where to send it."""
        route = self.route
        if route.split is not None:
            key = None if route.split_key is None else self.key(route.split_key)
            self.branch = route.branches[route.split.pick(key)]
        return self._admit(now)

    def resumed(self, now: float) -> int:
        """`wait_until` has come, or the exchange was woken before it."""
        # A call may be late: who was called by one machine may by now wait for another.
        if now < self.wait_until and not self.called:
            return WAIT
        self.called = False
        machine = self.waiting
        if machine is None:
            return self._attempt(now, None)
        verdict = machine.resume(now, self)
        self.waiting = None  # only now: a machine that fails here still has to hear that we have left
        step = self._hear(now, machine, verdict)
        if step:
            return step
        # Held requests have been admitted, and have made their deposit.
        return self._attempt(now, None) if machine is self.branch.upstream.hold else self._admit(now)

    def failed(self, now: float, cause: Cause) -> int:
        """The attempt ended without the head of an answer."""
        outcome = of_failure(cause)
        if cause is Cause.CONNECT_TIMEOUT and now >= self.deadline:
            outcome = self._of_silence(now, self.attempt_started)
        elif cause is Cause.ATTEMPT_TIMEOUT:
            # The wait in our own line is part of that time; what is left of it may be too little to answer in.
            outcome = of_silence(now, self.lent_at, self.route.attempt_timeout, False)
        elsewhere = self._goes_elsewhere(now, cause)
        if elsewhere:
            # The endpoint is out until it is back, which is all that a breaker could do for it: counted, a burst before
            # the backend has started would open the breaker, and it would refuse those that are held.
            outcome = _IGNORED
        if outcome is _FAILURE:
            self._measure(now, 0)
        self._settle(now, outcome, cause.value)
        if elsewhere:
            return self._attempt(now, None)
        # The endpoint closed an idle connection just as we used it, and no byte of an answer was seen: an eligible
        # request goes out once more on a fresh connection (RFC 9112 section 9.3.1), whatever the rules say of retries.
        if cause is Cause.STALE and not self.retried_stale and now < self.deadline and self.kept and self.repeatable():
            self.retried_stale = True
            self.fresh = True
            self.route.observer.retried(cause.value)
            return self._attempt(now, self.endpoint)
        retry = self.branch.retry
        if retry is not None and retry.repeats(cause.value):
            wait = self._wait_for_retry(now, cause.value, NO_HINT)
            if wait >= 0.0:
                return self._again(now, wait)
        return self._reject(REASON_OF[cause])

    def expired(self, now: float) -> int:
        """The attempt's deadline passed before the head of an answer."""
        if now < self.deadline:
            return self.failed(now, Cause.ATTEMPT_TIMEOUT)
        outcome = self._of_silence(now, self.read_at)
        if outcome is _FAILURE:
            self._measure(now, 0)
        self._settle(now, outcome, Cause.ATTEMPT_TIMEOUT.value)
        return self._reject(Reason.REQUEST_TIMEOUT)

    def answered(self, now: float, status: int, hint: float) -> int:
        """The head of the final answer is here; `hint` is its Retry-After in seconds, NO_HINT without one."""
        endpoint = self.endpoint
        self.status = status
        self.head_at = now
        if endpoint is not None:
            endpoint.answered_at = now
        self._measure(now, status)
        retry = self.branch.retry
        exhausted = False
        if retry is not None and retry.repeats_status(status):
            exhausted = self.attempt > 1
            wait = self._wait_for_retry(now, str(status), hint)
            if wait >= 0.0:
                self.replaced(now)
                return self._again(now, wait)
        if is_good(status):
            tell_answering(self.held_by_attempt, now)
        fallback = self.route.fallback
        if fallback is not None and fallback.replaces_status(status, exhausted):
            if not fallback.shadow:
                return SUBSTITUTE
            self.route.observer.fell_back("shadow", str(status))
        return DELIVER

    def switched(self, now: float) -> None:
        """A 101 is here, or a connection of bytes stands: from now on a tunnel, until `completed` or broken off."""
        self.status = SWITCHING_PROTOCOLS
        self.head_at = now
        self._measure(now, SWITCHING_PROTOCOLS)
        tell_answering(self.held_by_attempt, now)
        endpoint = self.endpoint
        if endpoint is None:
            return
        endpoint.answered_at = now
        upstream = self.branch.upstream
        if upstream.ejection is not None:
            # Its end may be weeks away, or say nothing: the failures before it were not in a row with those after.
            upstream.settle(now, endpoint, _SUCCESS, self.attempt_started)

    def replaced(self, now: float) -> None:
        """The answer that has begun is not passed on: another attempt, or the fallback, takes its place."""
        self.completed(now)
        self.head_at = 0.0

    def completed(self, now: float) -> None:
        """The last byte of the answer is here: the attempt's one outcome."""
        if is_good(self.status):
            self._settle(now, _SUCCESS, "success")
        else:
            self._settle(now, _FAILURE, "5xx")

    def broken_off(self, now: float, cause: Cause) -> int:
        """The answer broke off after its head."""
        self._settle(now, of_break(cause, self.status), cause.value)
        self.reason = REASON_OF[cause]
        return STOP

    def parted(self, now: float, cause: Cause) -> None:
        """A connection of bytes that stood has broken off. What it meant nobody here can read: no verdict."""
        self._settle(now, _IGNORED, cause.value)

    def overdue(self, now: float) -> int:
        """`timeout.total` has passed after the head of the answer: no verdict on the endpoint."""
        self._settle(now, _IGNORED, Cause.IDLE_TIMEOUT.value)
        self.reason = Reason.REQUEST_TIMEOUT
        self.rule = f"{self.route.name}/timeout.total"
        return STOP

    def abandoned(self, now: float) -> None:
        """The client left, or our own side gave up: no verdict on the endpoint."""
        waiting = self.waiting
        if waiting is not None:
            self.waiting = None
            waiting.withdraw(now, self)
        self._settle(now, _IGNORED, Cause.DOWNSTREAM_GONE.value)
        give_back(self.held_by_attempt, now, _IGNORED, 0.0)

    def ended(self, now: float) -> None:
        """The exchange is over, whatever became of it: what it held is given back. Any number of times."""
        if self.pending or self.waiting is not None or self.held_by_attempt:
            self.abandoned(now)  # something of ours has raised
        give_back(self.held, now, _SUCCESS if self.reason is None else _IGNORED, now - self.started)

    # Asking.

    def _admit(self, now: float) -> int:
        admissions = self.route.admissions
        while self.place < len(admissions):
            machine: Admission = admissions[self.place]
            self.place += 1
            verdict = machine.try_acquire(now, self)
            if verdict > ADMITTED:
                self.held = hold(self.held, machine, verdict)
            elif verdict != ADMITTED:
                step = self._hear(now, machine, verdict)
                if step:
                    return step
        if not self.route.branches:
            return RESPOND
        retry = self.branch.retry
        if retry is not None:
            retry.deposit(now)  # not before: what was refused is no load that a share may be added to
        return self._attempt(now, None)

    def _hear(self, now: float, machine: Admission, verdict: int) -> int:
        """The step that a verdict leads to, 0 to go on."""
        if verdict >= ADMITTED:
            if verdict > ADMITTED:
                self.held = hold(self.held, machine, verdict)
            return 0
        if machine.shadow:
            if verdict == ASKED_TO_WAIT:
                machine.withdraw(now, self)
            self.route.observer.shadow_rejected(machine.rule, machine.reason)
            return 0
        return self._refused(machine) if verdict == REFUSED else self._wait_for(machine)

    def _wait_for(self, machine: Admission) -> int:
        self.waiting = machine
        self.wait_until = machine.wait_until
        return WAIT

    def _attempt(self, now: float, same: Endpoint | None) -> int:
        if now >= self.deadline:
            return self._reject(Reason.REQUEST_TIMEOUT)
        branch = self.branch
        for machine in branch.admissions:
            verdict = machine.try_acquire(now, self)
            if verdict > ADMITTED:
                self.held_by_attempt = hold(self.held_by_attempt, machine, verdict)
            elif verdict != ADMITTED and not self._let_go_on(machine):
                give_back(self.held_by_attempt, now, _IGNORED, 0.0)
                return self._refused(machine)
        endpoint = same
        if endpoint is None:
            self.fresh = False
            key = None if branch.key is None else self.key(branch.key)
            endpoint = branch.upstream.pick(now, key, self.endpoint)
            if endpoint is None:
                give_back(self.held_by_attempt, now, _IGNORED, 0.0)
                return self._nowhere(now)
        self.endpoint = endpoint
        self.attempt += 1
        self.attempt_started = now
        self.attempt_deadline = self.deadline
        self.sent = False
        self.pending = True
        endpoint.in_flight += 1
        return ATTEMPT

    def _let_go_on(self, machine: Admission) -> bool:
        """Whether the attempt goes on although this one refuses it. Nobody waits for one that is asked here."""
        if machine.shadow:
            self.route.observer.shadow_rejected(machine.rule, machine.reason)
        return machine.shadow

    # Without an endpoint.

    def _nowhere(self, now: float) -> int:
        """No endpoint takes an attempt."""
        machine: Admission | None = self.branch.upstream.hold
        if machine is None:
            return self._reject(Reason.NO_ENDPOINT)
        if machine.try_acquire(now, self) == ASKED_TO_WAIT:
            return self._wait_for(machine)
        return self._reject(Reason.NO_ENDPOINT) if machine.shadow else self._refused(machine)

    def _goes_elsewhere(self, now: float, cause: Cause) -> bool:
        """Whether an attempt that got no connection is as good as not made: nothing was sent, the upstream holds
        requests until somebody listens, and each endpoint that cannot be connected to is marked down. So this costs no
        retry, and comes to an end."""
        if cause is not Cause.CONNECT_FAILURE and cause is not Cause.CONNECT_TIMEOUT:
            return False
        upstream = self.branch.upstream
        machine: Admission | None = upstream.hold
        endpoint = self.endpoint
        if machine is None or machine.shadow or endpoint is None or not self.kept or now >= self.deadline:
            return False
        # One that answered others meanwhile is there, and has more to do than it can: to take it from them, whose
        # connections stand, would make an outage of a crowd. That is for retries and the breaker, and so is an attempt
        # with too little time of its own to connect in: a caller's haste, or a route's, says nothing of the endpoint.
        if cause is Cause.CONNECT_TIMEOUT and not endpoint.down:
            patience = upstream.connect_timeout
            if now < self.attempt_started + patience or endpoint.answered_at > now - patience:
                return False
        if not upstream.lost(now, endpoint, self.attempt_started):
            return False
        self.attempt -= 1
        return True

    # Trying again.

    def _wait_for_retry(self, now: float, word: str, hint: float) -> float:
        """Seconds until the next attempt, paid for and counted; negative when there is none."""
        retry = self.branch.retry
        if retry is None or self.attempt >= retry.max_attempts:
            return _NO_RETRY
        observer = self.route.observer
        if self.sent and not self.repeatable():
            observer.retry_skipped(SKIPPED_METHOD)
            return _NO_RETRY
        if not self.kept:
            observer.retry_skipped(SKIPPED_BODY)
            return _NO_RETRY
        for machine in self.branch.admissions:
            if not machine.shadow and not machine.available(now):
                observer.retry_skipped(SKIPPED_CIRCUIT)
                return _NO_RETRY
        wait = retry.delay(now, self.attempt, hint, self.deadline, _LEAST_SECONDS)
        if wait < 0.0:
            observer.retry_skipped(SKIPPED_OF[wait])
            return _NO_RETRY
        if retry.shadow:
            observer.retry_skipped(SKIPPED_SHADOW)
            return _NO_RETRY
        observer.retried(word)
        return wait

    def _again(self, now: float, wait: float) -> int:
        if wait <= 0.0:
            return self._attempt(now, None)
        self.wait_until = now + wait
        return WAIT
