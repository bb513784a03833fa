"""Why one request of a drill failed, and whether the rules could have prevented it.

Every error gets one cause of one class. *unavoidable*: nothing that the request could have been sent to was able to
answer it within its deadline, or it had been sent, broke, and may not be sent twice. *price*: an endpoint was able, and
a rule stood in the way by its own setting, which is named. *avoidable*: everything else, which is the product's fault.
Who was able is what chances.py knows, with hindsight: a rule that refused what nobody could have answered cost nothing.
Pure: the same record, the same causes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
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
# Refusals by a rule that would have refused in the best of times, the key that people look for, and what it did.
_LIMITS = {
    "rate_limited": ("rate", "was the limit"),
    "concurrency_limited": ("max", "was the limit"),
    "overloaded": ("max_connections", "was the limit"),
    "fault_injected": ("abort", "broke it on purpose"),
    "draining": ("announce", "was over"),
}
# Of breakers and health checks.
_REMEMBERING = frozenset({"circuit_open", "no_endpoint"})
# What happens to nobody while all is well, unless the rules are tighter than an answer; that is of these.
_TIMED = frozenset({"request_timeout", "attempt_timeout", "circuit_open"})
_NEED_OCCASION = _TIMED | _REMEMBERING | frozenset(_BROKEN)
_NO_ROOM = 503  # what a listener says that has no room for a connection
_BRIEF = 0.02  # between an instant and the timer that is set for it
_AFTERMATH = 5.0  # seconds for which connections of before may be found broken
_SOON = 0.05  # what waits for longer before it is sent was kept waiting
_NO_HOLD = "is off, so nobody waits for an endpoint that is gone"
_NO_RETRY = "keeps it from being tried again"
_TOO_LITTLE = "is less than an answer takes"
_NEVER_RIGHT = frozenset({"not_its_own", "malformed"})


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a request got no answer. `code` is stable, `sentence` is for people; a price is paid for `setting`."""

    kind: Class
    code: str
    sentence: str
    setting: Setting | None = None


_NOTHING_WELL = Cause("unavoidable", "nothing_well", "no endpoint was able to answer within the request's deadline")
_OVERLOADED = Cause("unavoidable", "overloaded", "the endpoints had all the work that they can do")
_NOT_REPEATABLE = Cause("unavoidable", "not_repeatable", "it had been sent when it broke, and may not be sent twice")
_BEGUN = Cause("unavoidable", "answer_begun", "the endpoint broke its answer off after the client had seen the head")
_IMPATIENT = Cause("unavoidable", "gave_up", "the client's own patience was over before an answer could be there")
_NOT_OVER = Cause("unavoidable", "not_over", "the drill was over before its answer")
_CORRUPTED = Cause("avoidable", "corrupted", "what the client got was no answer to its request")
_UNEXPLAINED = Cause("avoidable", "unexplained", "an endpoint was able, and no rule explains the error")


def _price(setting: Setting, sentence: str) -> Cause:
    return Cause("price", setting.key, sentence, setting)


class Judge:
    """Asked of each failed request once, in the order of their ends."""

    def __init__(self, record: Record) -> None:
        self._connections = record.connections
        self._chances = Chances(record)
        self._rules = InForce(record)
        self._skips = Skips(record)
        self._reasons: dict[str, Callable[[Request], Cause]] = {
            "circuit_open": self._refused_by_breaker,
            "no_endpoint": self._nowhere,
            "request_timeout": self._late,
            "no_route": self._unrouted,
            "body_too_large": lambda _: self._at_the_door("max_body_bytes"),
            "headers_too_large": lambda _: _price(self._rules.head_bound(), "was the limit"),
            "uri_too_long": lambda _: self._at_the_door("max_header_bytes"),
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
        if not request.reason and not request.route:
            return self._unheard(request)
        if request.failure:
            return _UNEXPLAINED  # a connection that the proxy ended without a word
        tight = self._too_tight(request)
        if tight is not None:
            return tight
        if not self._has_occasion(request):
            return _UNEXPLAINED
        if request.reason:
            return self._reasons.get(request.reason, self._other)(request)
        if not request.attempts:
            return self._own_answer(request)
        return self._broken(request)  # the endpoint's own bad answer was passed on

    # What the endpoints could have done.

    def _has_occasion(self, request: Request) -> bool:
        """Whether there was anything wrong that it could have failed of, now or, where it is remembered, before."""
        if request.reason not in _NEED_OCCASION and (request.reason or not request.attempts):
            return True
        since = 0.0 if request.reason in _REMEMBERING else request.began - _AFTERMATH
        return self._chances.in_trouble(self._rules.upstreams(request), since, request.ended)

    def _too_tight(self, request: Request) -> Cause | None:
        """The cause where an endpoint answered as it does, and the rules give an answer less time than it takes."""
        if request.reason not in _TIMED:
            return None
        rules = self._rules
        takes = self._chances.takes(rules.upstreams(request), request.began)
        if takes == inf:
            return None
        if takes > rules.attempt_time(request):
            return self._price(f"routes.{request.route}.timeout.attempt", _TOO_LITTLE)
        if takes > rules.deadline(request) - request.began:
            return self._out_of_time(request, _TOO_LITTLE)
        if request.reason == "circuit_open" and takes > rules.slow_after(request):
            return self._price(f"{rules.breaker(request)}.slow_after", _TOO_LITTLE)
        return None

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

    def _beyond(self, request: Request) -> Cause | None:
        """The cause where no rule could have had it answered: nobody was able to, or it may not be sent twice."""
        return self._hopeless(request) or (_NOT_REPEATABLE if self._sent(request) else None)

    def _full(self, request: Request) -> bool:
        return self._chances.full(self._rules.upstreams(request), request.ended, self._rules.deadline(request))

    def _sent(self, request: Request) -> bool:
        """Whether it may have been worked on, and must not be worked on twice."""
        seen = bool(self._chances.attempts.get(request.number))
        # Sent on a connection that the endpoint was just closing: it saw nothing of it, and nobody here can know.
        return (seen or (request.reason == "reset" and request.attempts > 0)) and not self._rules.is_repeatable(request)

    # The classes of ends.

    def _broken_off(self, request: Request) -> Cause:
        attempts = self._chances.attempts.get(request.number, ())
        if not attempts:
            return _UNEXPLAINED
        if attempts[-1].end in ("aborted", "stalled"):
            part = "total" if request.rule.endswith("timeout.total") else "idle"
            if part == "total" or self._chances.was_well(attempts[-1]):
                return self._price(f"routes.{request.route}.timeout.{part}", "ended answers that had begun")
        return _BEGUN

    def _unheard(self, request: Request) -> Cause:
        """The proxy tells of no such request: its listener had no room for the connection, or it is our fault."""
        bound = self._at_the_door("max_connections")
        setting = bound.setting
        full = setting is not None and self._connections >= int(setting.value)
        return bound if full and (request.failure or request.status == _NO_ROOM) else _UNEXPLAINED

    def _at_the_door(self, key: str) -> Cause:
        return _price(self._rules.at_the_door(key), "was the limit")

    def _unrouted(self, _request: Request) -> Cause:
        return _price(self._rules.no_route(), "match nothing of what was asked for")

    def _own_answer(self, request: Request) -> Cause:
        setting = self._rules.settings.first(f"routes.{request.route}.respond", "status")
        return _UNEXPLAINED if setting.value == "null" else _price(setting, "is what the route answers by itself")

    def _limited(self, request: Request) -> Cause:
        key, did = self._queue(request) or _LIMITS[request.reason]
        setting = self._rules.settings.behind(request.rule, key) if request.rule else None
        if setting is None and request.reason == "overloaded" and self._chances.most >= self._rules.pool_size(request):
            setting = self._rules.settings.at(f"upstreams.{self._upstream(request)}.pool.max_connections")
        if setting is None:
            return _UNEXPLAINED
        if request.reason == "fault_injected":
            return _price(setting, did)
        hopeless = self._hopeless(request)
        if hopeless is None and request.reason != "rate_limited" and self._full(request):
            return _OVERLOADED
        return hopeless or _price(setting, did)

    def _queue(self, request: Request) -> tuple[str, str] | None:
        """What bounds the queue before a limit, where there is one and it was too short."""
        limit = self._rules.concurrency(request)
        if request.reason != "concurrency_limited" or limit is None or not limit.max_queue:
            return None
        if limit.max_wait is not None and request.ended - request.began >= limit.max_wait - _BRIEF:
            return "max_wait", "let it wait no longer for a place"
        return "max_queue", "had no room for it"

    def _other(self, request: Request) -> Cause:
        setting = self._rules.settings.behind(request.rule, "") if request.rule else None
        return _UNEXPLAINED if setting is None else _price(setting, "refused")

    def _refused_by_breaker(self, request: Request) -> Cause:
        beyond = self._beyond(request)
        if beyond is not None:
            return beyond
        if self._full(request):
            return _OVERLOADED
        breaker = self._rules.open_for(request)
        if self._able(request, request.ended, request.ended):
            return _price(breaker, "refused although an endpoint was able again")
        return self._not_waited(request, _price(breaker, "refused what could have waited"))

    def _nowhere(self, request: Request) -> Cause:
        beyond = self._beyond(request)
        if beyond is not None:
            return beyond
        upstream = f"upstreams.{self._upstream(request)}"
        if request.rule.endswith("/hold"):
            if request.ended >= self._rules.deadline(request) - _BRIEF:
                return self._out_of_time(request, "was over while it was held")
            if request.ended - request.began < self._rules.hold_timeout(request) - _BRIEF:
                return self._price(f"{upstream}.hold.max_requests", "had no room for one more that waits")
            return self._price(f"{upstream}.hold.timeout", "let it wait no longer")
        if self._full(request):
            return _OVERLOADED
        if self._able(request, request.began, request.ended):
            if self._rules.has(upstream, "health_check"):
                return self._price(f"{upstream}.health_check.interval", "had not seen that an endpoint was back")
            return _UNEXPLAINED
        return _UNEXPLAINED if self._rules.has(upstream, "hold") else self._price(f"{upstream}.hold", _NO_HOLD)

    def _late(self, request: Request) -> Cause:
        kept = self._kept_waiting(request)
        if kept is not None:
            return kept
        beyond = self._beyond(request)
        if beyond is not None:
            return beyond
        timeout = f"routes.{request.route}.timeout"
        attempts = self._chances.attempts.get(request.number)
        if not attempts and request.rule:
            setting = self._rules.settings.behind(request.rule, "request")
            if setting is not None:
                return _price(setting, "let it wait until its deadline")
        if attempts and attempts[-1].end == "aborted" and self._chances.was_well(attempts[-1]):
            return self._out_of_time(request, "left its last attempt too little time")
        off = self._rules.no_retry(request)
        if off is not None:
            return _price(off, _NO_RETRY)
        if self._rules.attempt_time(request) >= self._rules.time(request):
            return self._price(f"{timeout}.attempt", "leaves one attempt all the time there is")
        return self._price(f"{timeout}.attempt", "leaves an attempt that hangs too much of the time there is")

    def _kept_waiting(self, request: Request) -> Cause | None:
        """The cause where it was not sent for long, though it would have been answered: no place was free for it."""
        attempts = self._chances.attempts.get(request.number)
        sent = attempts[0].began if attempts else request.ended
        upstreams, deadline = self._rules.upstreams(request), self._rules.deadline(request)
        if sent - request.began < _SOON or not self._chances.any(upstreams, request.began, sent - _SOON, deadline):
            return None
        if self._rules.concurrency(request) is not None:
            key = f"routes.{request.route}.concurrency.max"
        elif self._chances.most >= self._rules.pool_size(request):
            key = f"upstreams.{self._upstream(request)}.pool.max_connections"
        else:
            return None
        return _OVERLOADED if self._full(request) else self._price(key, "kept it waiting for too much of its time")

    def _broken(self, request: Request) -> Cause:
        """Attempts were made, the last one failed, and there was no other."""
        if self._sent(request):
            return _NOT_REPEATABLE
        hopeless = self._hopeless(request)
        if hopeless is not None:
            return hopeless
        retry = f"routes.{request.route}.retry"
        soon = request.ended + self._rules.longest_backoff(request)
        off, spec = self._rules.no_retry(request), self._rules.retry(request)
        if off is not None or spec is None:
            price = _price(off or self._rules.settings.at(retry), _NO_RETRY)
            return price if self._able(request, request.ended, soon) else self._not_waited(request, price)
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
            soon = request.ended + self._rules.longest_backoff(request)
            price = self._price(f"{retry}.budget.ratio", "paid for no other attempt")
            return price if self._able(request, request.began, soon) else self._not_waited(request, price)
        if why == "body_too_large":
            return self._price(f"{retry}.max_body_bytes", "keeps no such body for another attempt")
        if why == "deadline":
            return self._out_of_time(request, "left no time for another attempt")
        return _UNEXPLAINED

    def _not_waited(self, request: Request, otherwise: Cause) -> Cause:
        """Nobody was able then, and somebody was before the deadline: to wait for that is what `hold` is for, where
        endpoints are gone. Where they are there and misbehave, what the other rules did is the price."""
        upstream = self._upstream(request)
        if self._rules.was_gone(request) and not self._rules.has(f"upstreams.{upstream}", "hold"):
            return self._price(f"upstreams.{upstream}.hold", _NO_HOLD)
        return otherwise

    def _out_of_time(self, request: Request, sentence: str) -> Cause:
        """Its time was over: that of the rules, or its client's."""
        if self._rules.is_impatient(request):
            return _IMPATIENT
        return self._price(f"routes.{request.route}.timeout.request", sentence)

    def _upstream(self, request: Request) -> str:
        return request.upstream or next(iter(self._rules.upstreams(request)), "")

    def _price(self, key: str, sentence: str) -> Cause:
        return _price(self._rules.settings.at(key), sentence)

    @staticmethod
    def _is_named(on: tuple[str | int, ...], word: str, reason: str) -> bool:
        return word in on or reason in on or any(reason in CAUSES_OF[one] for one in on if isinstance(one, str))
