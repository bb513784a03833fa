"""A drill in figures: what clients saw over time and between its faults, what the backend saw, how states changed.

Counts and sorts; judges nothing. All instants are seconds since the load began.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, inf

from sidecar.drill.record import Record, Request

_MOST_BINS = 120
_WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class Phase:
    """A piece of the drill between two changes of its script: what was wrong meanwhile, and how the requests fared that
    were due in it. `p50` and `p99` are of those answered, in seconds; None where none was."""

    name: str
    begun: float
    ended: float
    requests: int
    failed: int
    p50: float | None
    p99: float | None


@dataclass(frozen=True, slots=True)
class Recovery:
    """After one step of the script: `seconds` from its end to the last request that failed, of those that came before
    the next step began, 0 where none did; None where they failed to the end."""

    name: str
    ended: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class State:
    """A state of something, while it lasted."""

    begun: float
    ended: float
    word: str


def quantile(values: Sequence[float], share: float) -> float | None:
    """The smallest value that so large a share is not above; of sorted values."""
    return values[max(0, ceil(share * len(values)) - 1)] if values else None


def waits(requests: Iterable[Request]) -> list[float]:
    """How long those answered have waited, in order."""
    return sorted(request.seconds for request in requests if request.ok)


class Time:
    """The drill cut into bins of equal length, few enough to be seen."""

    def __init__(self, record: Record) -> None:
        self.seconds = max(record.seconds, record.scenario.duration)
        self.width = next((width for width in _WIDTHS if self.seconds / width <= _MOST_BINS), _WIDTHS[-1])
        self.bins = max(1, ceil(self.seconds / self.width - 1e-9))
        # The last bin ends with the drill, or what came in it would look fewer.
        self.seconds = self.bins * self.width

    def of(self, at: float) -> int:
        """The bin of an instant."""
        return min(self.bins - 1, max(0, int(at / self.width)))

    def counted(self, instants: Iterable[float]) -> list[float]:
        """How many a second, in each bin."""
        counts = Counter(map(self.of, instants))
        return [counts[place] / self.width for place in range(self.bins)]

    def by(self, things: Iterable[tuple[float, str]]) -> dict[str, list[float]]:
        """The same for each word, those that are most first."""
        instants: dict[str, list[float]] = defaultdict(list)
        for at, word in things:
            instants[word].append(at)
        ordered = sorted(instants, key=lambda word: (-len(instants[word]), word))
        return {word: self.counted(instants[word]) for word in ordered}

    def quantiles(self, requests: Iterable[Request], share: float) -> list[float | None]:
        """The wait of the requests that ended in each bin, of those answered."""
        found: dict[int, list[float]] = defaultdict(list)
        for request in requests:
            if request.ok:
                found[self.of(request.ended)].append(request.seconds)
        return [quantile(sorted(found.get(place, ())), share) for place in range(self.bins)]


def phases(record: Record) -> list[Phase]:
    """The drill between the beginnings and ends of its faults, the empty ones left out."""
    spans = _steps(record)
    last = record.scenario.duration
    edges = sorted({0.0, last, *(min(at, last) for _, *span in spans for at in span)})
    found: list[Phase] = []
    for begun, ended in pairwise(edges):
        wrong = [name for name, at, until in spans if at <= begun and until >= ended]
        name = " + ".join(dict.fromkeys(wrong)) or ("before" if not found else "after")
        if not spans:
            name = "all well"
        due = [request for request in record.requests if begun <= request.due < ended]
        answered = waits(due)
        failed = len(due) - len(answered)
        found.append(Phase(name, begun, ended, len(due), failed, quantile(answered, 0.5), quantile(answered, 0.99)))
    return found


def recoveries(record: Record) -> list[Recovery]:
    """For how long requests failed that came after each step of the script."""
    errors = sorted(request.due for request in record.requests if not request.ok)
    every = _steps(record)
    found = []
    for name, _at, until in every:
        if until >= record.scenario.duration:
            continue
        # Errors to the very next step, or to the end of the load: nobody has seen it well again.
        end = min([record.scenario.duration, *(at for _, at, _ in every if at >= until)])
        late = [at for at in errors if until <= at < end]
        unseen = bool(late) and late[-1] > end - 2.0 and end - until > 2.0
        found.append(Recovery(name, until, None if unseen else (late[-1] - until if late else 0.0)))
    return found


def _steps(record: Record) -> list[tuple[str, float, float]]:
    """Each step of the script: what it does, and from when to when, however often it did it meanwhile."""
    spans: dict[int, tuple[str, float, float]] = {}
    for ill, _ in record.faults:
        word, at, until = spans.get(ill.step, (ill.do, inf, -inf))
        spans[ill.step] = (word, min(at, ill.at), max(until, ill.until))
    return sorted(spans.values(), key=lambda span: span[1])


def faults(record: Record) -> list[tuple[str, float, float]]:
    """What a plot shades: each time at which something was wrong, in words."""
    every = len(record.endpoints)
    return [
        (f"{ill.do}{'' if len(whom) == every else ': ' + ', '.join(whom)}", ill.at, ill.until)
        for ill, whom in record.faults
    ]


def breaker_states(record: Record, seconds: float) -> dict[str, list[State]]:
    """Of each breaker that moved, its states."""
    return _states(record, seconds, "closed", {"breaker": lambda fields: str(fields.get("to", ""))})


def endpoint_states(record: Record, seconds: float) -> dict[str, list[State]]:
    """Of each endpoint that changed, whether it took attempts, as the product saw it."""
    return _states(
        record,
        seconds,
        "available",
        {
            "ejected": lambda _: "ejected",
            "readmitted": lambda _: "available",
            "health": lambda fields: "down" if fields.get("to") == "down" and not fields.get("shadow") else "available",
        },
    )


def _states(
    record: Record, seconds: float, first: str, words: dict[str, Callable[[dict[str, object]], str]]
) -> dict[str, list[State]]:
    now: dict[str, tuple[float, str]] = {}
    found: dict[str, list[State]] = defaultdict(list)
    for event in record.events:
        if event.kind not in words:
            continue
        word = words[event.kind](dict(event.fields))
        since, before = now.get(event.subject, (0.0, first))
        at = max(0.0, event.at)
        if at > since:
            found[event.subject].append(State(since, at, before))
        now[event.subject] = (at, word)
    for subject, (since, word) in now.items():
        found[subject].append(State(since, seconds, word))
    return dict(found)
