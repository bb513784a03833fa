"""Why each client error of a drill happened, and whether the rules could have prevented it: the heart of a report.

Every error gets one cause of one class. *unavoidable*: nothing that the request could have been sent to was able to
answer it within its deadline, or it had been sent, broke, and may not be sent twice. *price*: an endpoint was able, and
a rule stood in the way by its own setting, which is named. *avoidable*: everything else, which is the product's fault.
Who was able is what chances.py knows, with hindsight: a rule that refused what nobody could have answered cost nothing.
Pure: the same record, the same verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sidecar.drill.chances import Chances
from sidecar.drill.in_force import InForce
from sidecar.drill.record import Record, Request
from sidecar.drill.settings import Setting
from sidecar.drill.skips import Skips
from sidecar.policies.retry import CAUSES_OF

Class = Literal["unavoidable", "price", "avoidable"]
CLASSES: tuple[Class, ...] = ("unavoidable", "price", "avoidable")

# Reasons of attempts that failed without an answer, and what a retry rule has to name for them.
_BROKEN = {
    "connect_failure": "connect_failure",
    "connect_timeout": "connect_failure",
    "tls_handshake_failed": "connect_failure",
    "reset": "reset",
    "upstream_protocol_error": "reset",
    "attempt_timeout": "attempt_timeout",
}
# Refusals by a rule that would have refused in the best of times, and the key that people look for.
_LIMITS = {
    "rate_limited": "rate",
    "concurrency_limited": "max",
    "overloaded": "max_connections",
    "fault_injected": "abort",
    "draining": "announce",
}
# Of breakers and health checks.
_REMEMBERING = frozenset({"circuit_open", "no_endpoint"})
_AFTERMATH = 5.0  # seconds for which connections of before may be found broken
_NO_HOLD = "is off, so nobody waits for an endpoint that is gone"
_NEVER_RIGHT = frozenset({"not_its_own", "malformed"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request got no answer. `code` is stable, `sentence` is for people; a price is paid for `setting`."""

    kind: Class
    code: str
    sentence: str
    setting: Setting | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All errors of one cause: the numbers of their requests, in order, and when the first and the last ended."""

    cause: Cause
    requests: tuple[int, ...]
    first: float
    last: float

    @property
    def count(self) -> int:
        """How many."""
        return len(self.requests)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Every client error under its cause; the groups with most errors first, within their class."""

    groups: tuple[Group, ...]

    def count(self, kind: Class) -> int:
        """The errors of a class."""
        return sum(group.count for group in self.groups if group.cause.kind == kind)

    @property
    def errors(self) -> int:
        """All of them."""
        return sum(group.count for group in self.groups)


_NOTHING_WELL = Cause("unavoidable", "nothing_well", "no endpoint was able to answer within the request's deadline")
_OVERLOADED = Cause("unavoidable", "overloaded", "the endpoints had all the work that they can do")
_NOT_REPEATABLE = Cause("unavoidable", "not_repeatable", "it had been sent when it broke, and may not be sent twice")
_BEGUN = Cause("unavoidable", "answer_begun", "the endpoint broke its answer off after the client had seen the head")
_IMPATIENT = Cause("unavoidable", "gave_up", "the client's own patience was over before an answer could be there")
_NOT_OVER = Cause("unavoidable", "not_over", "the drill was over before its answer")
_CORRUPTED = Cause("avoidable", "corrupted", "what the client got was no answer to its request")
_UNEXPLAINED = Cause("avoidable", "unexplained", "an endpoint was able, and no rule explains the error")


def judge(record: Record) -> Verdict:
    """The verdict on a record."""
    judge = _Judge(record)
    found: dict[Cause, list[Request]] = {}
    for request in sorted(record.requests, key=lambda one: one.ended):
        if not request.ok:
            found.setdefault(judge.cause(request), []).append(request)
    groups = [
        Group(cause, tuple(sorted(one.number for one in those)), those[0].ended, those[-1].ended)
        for cause, those in found.items()
    ]
    groups.sort(key=lambda group: (CLASSES.index(group.cause.kind), -group.count, group.cause.sentence))
    return Verdict(tuple(groups))


class _Judge:
    def __init__(self, record: Record) -> None:
        self._chances = Chances(record)
        self._rules = InForce(record)
        self._skips = Skips(record)
        self._reasons: dict[str, Callable[[Request], Cause]] = {
            "circuit_open": self._refused_by_breaker,
            "no_endpoint": self._nowhere,
            "request_timeout": self._late,
            **dict.fromkeys(_LIMITS, self._limited),
            **dict.fromkeys(_BROKEN, self._broken),
        }

    def cause(self, request: Request) -> Cause:
        """Why this request failed."""
        if request.failure == "cut":
            return _NOT_OVER
        if request.failure in _NEVER_RIGHT:
            return _CORRUPTED
        if request.head is not None and request.failure in ("reset", "truncated", "closed"):
            return self._broken_off(request)
        if request.failure == "gave_up":
            return self._late(request)
        if request.failure:
            return _UNEXPLAINED  # a connection that the proxy ended without a word
        if not self._has_occasion(request):
            return _UNEXPLAINED
        if request.reason:
            return self._reasons.get(request.reason, self._other)(request)
        return self._broken(request)  # the endpoint's own bad answer was passed on

    # What the endpoints could have done.

    def _has_occasion(self, request: Request) -> bool:
        """Whether there was anything wrong that it could have failed of, now or, where it is remembered, before."""
        if request.reason in _LIMITS:
            return True
        since = 0.0 if request.reason in _REMEMBERING else request.began - _AFTERMATH
        return self._chances.in_trouble(self._rules.upstreams(request), since, request.ended)

    def _able(self, request: Request, since: float, until: float, *, free: bool = True) -> bool:
        return self._chances.any(
            self._rules.upstreams(request),
            since,
            until,
            self._rules.deadline(request),
            number=request.number,
            free=free,
        )

    def _hopeless(self, request: Request) -> Cause | None:
        """The cause where nobody was able to answer, however long one had waited for it."""
        deadline = self._rules.deadline(request)
        if self._able(request, request.began, deadline):
            return None
        if self._able(request, request.began, deadline, free=False):
            return _OVERLOADED
        return _IMPATIENT if self._rules.is_impatient(request) else _NOTHING_WELL

    def _full(self, request: Request) -> bool:
        return self._chances.full(self._rules.upstreams(request), request.ended)

    def _sent(self, request: Request) -> bool:
        """Whether it may have been worked on, and must not be worked on twice."""
        seen = bool(self._chances.attempts.get(request.number))
        # Sent on a connection that the endpoint was just closing: it saw nothing of it, and nobody here can know.
        return (seen or (request.reason == "reset" and request.attempts > 0)) and not self._rules.is_repeatable(request)

    # The classes of ends.

    def _broken_off(self, request: Request) -> Cause:
        attempts = self._chances.attempts.get(request.number, ())
        if attempts and attempts[-1].end in ("aborted", "stalled"):
            part = "total" if request.rule.endswith("timeout.total") else "idle"
            return self._price(f"routes.{request.route}.timeout.{part}", "ended answers that had begun")
        return _BEGUN if attempts else _UNEXPLAINED

    def _limited(self, request: Request) -> Cause:
        setting = self._rules.settings.behind(request.rule, _LIMITS[request.reason]) if request.rule else None
        if setting is None and request.reason == "overloaded" and self._chances.most >= self._rules.pool_size(request):
            setting = self._rules.settings.at(f"upstreams.{self._upstream(request)}.pool.max_connections")
        if setting is None:
            return _UNEXPLAINED
        hopeless = self._hopeless(request)
        if hopeless is None and request.reason != "rate_limited" and self._full(request):
            return _OVERLOADED
        return hopeless or Cause("price", setting.key, "was the limit", setting)

    def _other(self, request: Request) -> Cause:
        setting = self._rules.settings.behind(request.rule, "") if request.rule else None
        return _UNEXPLAINED if setting is None else Cause("price", setting.key, "refused", setting)

    def _refused_by_breaker(self, request: Request) -> Cause:
        hopeless = self._hopeless(request)
        if hopeless is not None:
            return hopeless
        if self._sent(request):
            return _NOT_REPEATABLE
        if self._full(request):
            return _OVERLOADED
        breaker = self._rules.breaker(request)
        if self._able(request, request.ended, request.ended):
            return self._price(f"{breaker}.open_for", "refused although an endpoint was able again")
        return self._not_waited(request, self._price(f"{breaker}.open_for", "refused what could have waited"))

    def _nowhere(self, request: Request) -> Cause:
        hopeless = self._hopeless(request)
        if hopeless is not None:
            return hopeless
        if self._sent(request):
            return _NOT_REPEATABLE
        upstream = f"upstreams.{self._upstream(request)}"
        if request.rule.endswith("/hold"):
            full = request.ended - request.began < self._rules.hold_timeout(request)
            key = "max_requests" if full else "timeout"
            return self._price(f"{upstream}.hold.{key}", "bounds who is held, and for how long")
        if self._full(request):
            return _OVERLOADED
        if self._able(request, request.began, request.ended):
            if self._rules.has(upstream, "health_check"):
                return self._price(f"{upstream}.health_check.interval", "had not seen that an endpoint was back")
            return _UNEXPLAINED
        return _UNEXPLAINED if self._rules.has(upstream, "hold") else self._price(f"{upstream}.hold", _NO_HOLD)

    def _late(self, request: Request) -> Cause:
        hopeless = self._hopeless(request)
        if hopeless is not None:
            return hopeless
        if self._sent(request):
            return _NOT_REPEATABLE
        timeout = f"routes.{request.route}.timeout"
        if not self._chances.attempts.get(request.number) and request.rule:
            setting = self._rules.settings.behind(request.rule, "request")
            if setting is not None:
                return Cause("price", setting.key, "let it wait until its deadline", setting)
        if not self._rules.has_attempt_timeout(request):
            return self._price(f"{timeout}.attempt", "leaves one attempt all the time there is")
        return self._price(f"{timeout}.attempt", "leaves an attempt that hangs too much of the time there is")

    def _broken(self, request: Request) -> Cause:
        """Attempts were made, the last one failed, and there was no other."""
        if self._sent(request):
            return _NOT_REPEATABLE
        hopeless = self._hopeless(request)
        if hopeless is not None:
            return hopeless
        retry = f"routes.{request.route}.retry"
        spec = self._rules.retry(request)
        if spec is None:
            return self._price(retry, "is off, so nothing is tried again")
        named = _BROKEN.get(request.reason, "")
        if not (request.status in spec.on if not request.reason else self._is_named(spec.on, named, request.reason)):
            return self._price(f"{retry}.on", "does not name this failure")
        if request.attempts >= spec.max_attempts:
            key = f"{retry}.max_attempts"
            if self._able(request, request.began, request.ended):
                return self._price(key, "attempts were all in vain, and were all there are")
            return self._not_waited(request, self._price(key, "attempts were over before an endpoint was able again"))
        return self._skipped(request, retry)

    def _skipped(self, request: Request, retry: str) -> Cause:
        """Another attempt was allowed, and was not made."""
        why = self._skips.of(request)
        if why == "circuit_open":
            return self._refused_by_breaker(request)
        if why == "budget":
            price = self._price(f"{retry}.budget.ratio", "paid for no other attempt")
            soon = request.ended + self._rules.longest_backoff(request)
            return price if self._able(request, request.began, soon) else self._not_waited(request, price)
        if why == "body_too_large":
            return self._price(f"{retry}.max_body_bytes", "keeps no such body for another attempt")
        if why == "deadline":
            return self._price(f"routes.{request.route}.timeout.request", "left no time for another attempt")
        return _UNEXPLAINED

    def _not_waited(self, request: Request, otherwise: Cause) -> Cause:
        """Nobody was able then, and somebody was before the deadline: to wait for that is what `hold` is for, where
        endpoints are gone. Where they are there and misbehave, what the other rules did is the price."""
        upstream = self._upstream(request)
        if self._rules.was_gone(request) and not self._rules.has(f"upstreams.{upstream}", "hold"):
            return self._price(f"upstreams.{upstream}.hold", _NO_HOLD)
        return otherwise

    def _upstream(self, request: Request) -> str:
        return request.upstream or next(iter(self._rules.upstreams(request)), "")

    def _price(self, key: str, sentence: str) -> Cause:
        return Cause("price", key, sentence, self._rules.settings.at(key))

    @staticmethod
    def _is_named(on: tuple[str | int, ...], word: str, reason: str) -> bool:
        return word in on or reason in on or any(reason in CAUSES_OF[one] for one in on if isinstance(one, str))
