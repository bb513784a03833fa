"""What could have been: when an endpoint would have answered a request, had it been sent there.

Owns the truth about the endpoints, taken from the script and from what they had to do. Knows nothing of the rules. An
endpoint that misbehaves to a share of the requests only may answer the next one, and counts as able; one that is slow
is able as far as there is time for its slowness.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from sidecar.drill.record import Attempt, Endpoint, Ill, Record
from sidecar.drill.scenario import Scenario

# What is left to chance in how long an answer takes and when a connection is made: not a chance worth the name.
_GRACE = 0.005
# So much of its places, for so many seconds at least, and an endpoint can do no more: arrivals are random.
_FULL = 0.8
_WHILE = 1.0
# Of these ends the endpoint was the cause: a chance that was taken, and came to nothing.
_SPENT = frozenset({"failed", "reset", "garbage", "truncated", "killed", "answered"})


@dataclass(frozen=True, slots=True)
class Span:
    """Time in which an endpoint answers within `takes` seconds."""

    begun: float
    ended: float
    takes: float


class Chances:
    """What the endpoints of one drill could have answered."""

    def __init__(self, record: Record) -> None:
        self._spans = {endpoint.name: able_spans(endpoint, record.scenario) for endpoint in record.endpoints}
        self._upstreams: dict[str, list[str]] = defaultdict(list)
        for endpoint in record.endpoints:
            self._upstreams[endpoint.upstream].append(endpoint.name)
        self._endpoints = record.endpoints
        self.most = max((endpoint.most for endpoint in record.endpoints), default=0)
        self._seconds = record.seconds
        self._random = record.scenario.backend.takes.p99 is not None
        self.attempts: dict[int, list[Attempt]] = defaultdict(list)
        for attempt in record.attempts:
            self.attempts[attempt.request].append(attempt)
        self._places = record.scenario.backend.places
        self._busy = _busy(record.attempts, self._places)
        self._worked = _worked(record.attempts, self._places)

    def any(
        self,
        upstreams: Iterable[str],
        since: float,
        until: float,
        deadline: float,
        *,
        number: int = -1,
        free: bool = True,
    ) -> bool:
        """Whether an endpoint of these upstreams would have answered by `deadline` what came to it between `since` and
        `until`. `number`: not counted is what the attempts of this request have tried in vain. `free`: an endpoint
        whose places are all taken does not count either."""
        return any(
            self._at(name, since, until, deadline, number, free)
            for upstream in upstreams
            for name in self._upstreams.get(upstream, ())
        )

    def in_trouble(self, upstreams: Iterable[str], since: float, until: float) -> bool:
        """Whether there was anything that an attempt could have failed of: an endpoint that was ill, had more than it
        can do, or may take longer by chance. Where there was not, it is ours."""
        names = set(upstreams)
        return any(
            any(ill.at <= until and ill.until >= since for ill in endpoint.ill)
            or self._random
            or 0 < self._places < endpoint.most
            for endpoint in self._endpoints
            if endpoint.upstream in names
        )

    def takes(self, upstreams: Iterable[str], at: float) -> float:
        """Within how many seconds what comes to them at this instant is answered; infinite where nobody answers."""
        names = [name for upstream in upstreams for name in self._upstreams.get(upstream, ())]
        spans = [span for name in names for span in self._spans[name] if span.begun <= at < span.ended]
        return min((span.takes for span in spans), default=inf)

    def was_well(self, attempt: Attempt) -> bool:
        """Whether nothing of the script concerned its endpoint while it lasted."""
        ills = [ill for endpoint in self._endpoints if endpoint.name == attempt.endpoint for ill in endpoint.ill]
        return not any(ill.at <= attempt.ended and ill.until >= attempt.began for ill in ills)

    def full(self, upstreams: Iterable[str], at: float, until: float) -> bool:
        """Whether all endpoints of these upstreams have about all the work that they can do, between these instants:
        what one request were given, another would lack."""
        names = [name for upstream in upstreams for name in self._upstreams.get(upstream, ())]
        until = max(at + _WHILE, min(until, self._seconds))
        return bool(self._places and names) and all(self._work(name, at, until) >= _FULL for name in names)

    def _work(self, name: str, at: float, until: float) -> float:
        """The share of its places that an endpoint works on between these instants."""
        return (self._done(name, until) - self._done(name, at)) / (self._places * (until - at))

    def _done(self, name: str, at: float) -> float:
        """Seconds of work done until an instant."""
        instants, seconds, working = self._worked.get(name, ([], [], []))
        place = bisect_right(instants, at) - 1
        return 0.0 if place < 0 else seconds[place] + working[place] * (at - instants[place])

    def _at(self, name: str, since: float, until: float, deadline: float, number: int, free: bool) -> bool:
        for span in self._spans[name]:
            earliest = max(since, span.begun)
            for attempt in self.attempts.get(number, ()):
                if attempt.endpoint == name:
                    tried = attempt.ended if attempt.end in _SPENT else attempt.began + span.takes
                    earliest = max(earliest, tried)
            latest = min(until, min(span.ended, deadline) - span.takes - _GRACE)
            if earliest <= latest and not (free and self._is_busy(name, earliest, latest)):
                return True
        return False

    def _is_busy(self, name: str, since: float, until: float) -> bool:
        spans = self._busy.get(name, ())
        place = bisect_right(spans, (since, inf)) - 1
        return place >= 0 and spans[place][1] >= until


def able_spans(endpoint: Endpoint, scenario: Scenario) -> tuple[Span, ...]:
    """When an endpoint answers, from before the drill to after it, and within how long."""
    edges = sorted({-inf, inf, *(ill.at for ill in endpoint.ill), *(ill.until for ill in endpoint.ill)})
    spans: list[Span] = []
    for begun, ended in pairwise(edges):
        now = [ill for ill in endpoint.ill if ill.at <= begun and ill.until >= ended]
        takes = _takes(now, scenario)
        if takes == inf:
            continue
        if spans and spans[-1].ended == begun and spans[-1].takes == takes:
            spans[-1] = Span(spans[-1].begun, ended, takes)
        else:
            spans.append(Span(begun, ended, takes))
    return tuple(spans)


def _takes(ills: Sequence[Ill], scenario: Scenario) -> float:
    """Seconds to an answer while all of these are so; infinite where none comes."""
    takes = usual = scenario.backend.takes.median
    for ill in ills:
        if ill.share < 1.0:
            continue
        if ill.do != "slow":
            return inf
        step = scenario.script[ill.step]
        takes = max(takes, step.takes.median if step.takes is not None else usual * (step.factor or 1.0))
    return takes


Work = tuple[list[float], list[float], list[int]]


def _changes(attempts: Iterable[Attempt]) -> dict[str, list[tuple[float, int]]]:
    """Of each endpoint, how the number of requests that it has changes. Who comes in the instant in which another goes
    comes first, and finds no free place."""
    changes: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for attempt in attempts:
        changes[attempt.endpoint] += [(attempt.began, 1), (attempt.ended, -1)]
    return {name: sorted(those, key=lambda one: (one[0], -one[1])) for name, those in changes.items()}


def _busy(attempts: Iterable[Attempt], places: int) -> dict[str, list[tuple[float, float]]]:
    """Of each endpoint, the spans in which all its places were taken."""
    return {name: list(_full(those, places)) for name, those in _changes(attempts).items()} if places else {}


def _full(changes: Iterable[tuple[float, int]], places: int) -> Iterable[tuple[float, float]]:
    taken, since = 0, inf
    for at, change in changes:
        taken += change
        if taken >= places and since == inf:
            since = at
        elif taken < places and since != inf:
            if at > since:
                yield since, at
            since = inf
    if since != inf:
        yield since, inf


def _worked(attempts: Iterable[Attempt], places: int) -> dict[str, Work]:
    """Of each endpoint: instants, the seconds of work done until each, and the places at work from then on."""
    found: dict[str, Work] = {}
    for name, changes in (_changes(attempts) if places else {}).items():
        instants, seconds, working = found.setdefault(name, ([], [], []))
        taken, done, before = 0, 0.0, 0.0
        for at, change in changes:
            done += min(taken, places) * (at - before)
            taken, before = taken + change, at
            instants.append(at)
            seconds.append(done)
            working.append(min(taken, places))
    return found
