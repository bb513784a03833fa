"""A scenario: the load, the backend, what goes wrong and when, and what is expected of the rules.

Written in YAML and read by the decoder of the rules, so that every mistake is told at its line and column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Annotated, ClassVar, Final, Literal

from sidecar.policies.units import (
    RATIO,
    Bytes,
    Count,
    FieldName,
    FieldValue,
    Kind,
    Method,
    Name,
    Number,
    Off,
    OneOrMany,
    PerSecond,
    Ratio,
    Seconds,
    Status,
    Text,
    demand,
)
from sidecar.rules.decode import FAILED, Decoder
from sidecar.rules.keys import Record
from sidecar.rules.marks import Written
from sidecar.rules.parse import parse_yaml
from sidecar.rules.problems import ConfigError, Problem
from sidecar.rules.source import Files
from sidecar.rules.tree import Items, Node, Origin, Scalar, Table

Do = Literal[
    "refuse", "die", "restart", "unreachable", "flap", "reset", "truncate", "garbage", "stall", "fail", "slow"
]  # fmt: skip
# These concern whoever connects; the others a share of the requests.
WHOLE: Final[frozenset[Do]] = frozenset({"refuse", "die", "restart", "unreachable", "flap"})

ALL: Final = -1
MOST_REQUESTS = 300_000
MOST_ENDPOINTS = 1000
_MOST_TURNS = 1000
# 99 of 100 draws from the normal distribution are less than so many of its deviations above its middle.
P99_DEVIATIONS = 2.3263478740408408


def parse_share(text: str) -> float:
    """From 0 to 1 of `0.5%` or `0.005`."""
    if text.endswith("%") and re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,9})?", text[:-1]) and float(text[:-1]) <= 100:
        return float(text[:-1]) / 100
    try:
        return float(RATIO.parse(text))
    except ValueError:
        raise ValueError(f"`{text}` is not a share; write it as 0.5% or 0.005") from None


def parse_target(text: str) -> str:
    """What a request asks for: a path, perhaps with a query."""
    if not text.startswith("/") or any(ord(mark) <= 32 or ord(mark) > 126 for mark in text) or "#" in text:
        raise ValueError(f"`{text}` is not what a request can ask for; write it as /items?page=2")
    return text


def parse_which(text: str) -> int:
    """The place of an endpoint in its upstream, from 0; or all of them."""
    if text == "all":
        return ALL
    if not re.fullmatch(r"[0-9]{1,3}", text):
        raise ValueError(
            f"`{text}` does not say which; write all, 1 for one of them, or [0, 2] for the first and third"
        )
    return int(text)


SHARE = Kind("share", parse_share, {"type": ["string", "number"]})
TARGET = Kind("path", parse_target, {"type": "string", "pattern": "^/"})
WHICH = Kind("endpoint", parse_which, {"type": ["string", "integer"]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Takes:
    """How long an answer takes: always the same, or log-normal where `p99` is another than `median`."""

    SHORT: ClassVar[str] = "median"

    median: Annotated[Seconds, "half of the answers take less"] = 0.02
    p99: Annotated[Seconds | None, "99 of 100 take less; absent: all take the same"] = None

    def __post_init__(self) -> None:
        fits = self.p99 is None or (self.p99 >= self.median > 0)
        demand(("p99", fits, "must be at least `median`, and `median` more than 0"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What clients ask for. Arrivals do not wait for answers."""

    rate: Annotated[PerSecond, "requests, at random instants"] = 100.0
    clients: Annotated[Count, "addresses that they come from, each over its own connections"] = 20
    methods: Annotated[Mapping[Method, Number], "methods, by weight"] = field(default_factory=lambda: {"GET": 1.0})
    paths: Annotated[Mapping[Annotated[str, TARGET], Number], "paths, by weight"] = field(
        default_factory=lambda: {"/": 1.0}
    )
    body: Annotated[Bytes, "of requests whose method has one"] = 1024
    gives_up: Annotated[Seconds | None, Off(), "a client's own patience; absent: none"] = None
    host: Annotated[Text, "what Host says"] = "drill"
    headers: Annotated[Mapping[FieldName, FieldValue], "further header fields of each request"] = field(
        default_factory=dict
    )
    listener: Annotated[Name | None, "where they connect; absent: the first that speaks HTTP"] = None

    def __post_init__(self) -> None:
        demand(
            ("rate", self.rate > 0, "must be more than 0"),
            ("clients", 1 <= self.clients <= 10_000, "must be from 1 to 10000"),
            ("methods", sum(self.methods.values()) > 0, "needs a method with a weight"),
            ("methods", not {"CONNECT", "TRACE"} & set(self.methods), "cannot be CONNECT or TRACE"),
            ("paths", sum(self.paths.values()) > 0, "needs a path with a weight"),
            ("body", self.body <= 1 << 24, "must be at most 16MiB"),
            ("host", re.fullmatch(r"[A-Za-z0-9._:\[\]-]{1,255}", self.host) is not None, "is not a host"),
            ("headers", not {"host", "content-length", "transfer-encoding", "connection"} & set(self.headers),
             "cannot hold what frames a request; there is `host`"),
            ("headers", not {"x-request-id", "x-drill"} & set(self.headers),
             "cannot hold X-Request-Id or X-Drill, by which a drill knows its requests"),
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """Every endpoint when it is well."""

    takes: Annotated[Takes, "how long an answer takes: 20ms, or {median: 20ms, p99: 200ms}"] = field(
        default_factory=Takes
    )
    places: Annotated[Count, "works on so many at once, the rest waits; 0: on all"] = 0
    answer: Annotated[Bytes, "of each answer's body"] = 2048

    def __post_init__(self) -> None:
        demand(("answer", self.answer <= 1 << 24, "must be at most 16MiB"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that goes wrong."""

    at: Annotated[Seconds, "when it begins"]
    lasting: Annotated[Seconds | None, Written("for"), "how long it lasts; absent: to the end"] = None
    do: Annotated[Do, "what goes wrong"]
    endpoints: Annotated[tuple[Annotated[int, WHICH], ...], OneOrMany(), "all, 1 for one of them, [0, 2] for these"] = (
        ALL,
    )
    upstream: Annotated[Name | None, "whose endpoints; absent: of each upstream"] = None
    share: Annotated[Ratio, Written("ratio"), "of the requests that it happens to"] = 1.0
    status: Annotated[Status, "of `fail`: what is answered"] = 503
    takes: Annotated[Takes | None, "of `slow`: how long an answer takes"] = None
    factor: Annotated[Number | None, "of `slow`: so many times as long as usual"] = None
    every: Annotated[Seconds, "of `flap`: dead for the first half of it, well for the second"] = 2.0

    def __post_init__(self) -> None:
        slow = self.do == "slow"
        demand(
            ("for", self.lasting is None or self.lasting > 0, "must be more than 0"),
            ("for", self.lasting is not None or self.do != "restart", "is how long a restart takes; it is missing"),
            ("endpoints", bool(self.endpoints), "names no endpoint"),
            ("ratio", self.share == 1 or self.do not in WHOLE, f"goes with single requests; `{self.do}` is for all"),
            ("takes", self.takes is None or slow, "goes with `do: slow`"),
            ("factor", self.factor is None or slow, "goes with `do: slow`"),
            ("do", not slow or (self.takes is None) != (self.factor is None), "of `slow` needs `takes` or `factor`"),
            ("status", self.status == 503 or self.do == "fail", "goes with `do: fail`"),
            ("every", self.every > 0, "must be more than 0"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What is to hold at the end. What is absent is not looked at."""

    client_errors: Annotated[float | None, SHARE, "most requests that may end without what they asked for"] = None
    avoidable: Annotated[Count | None, "most client errors that the rules could have prevented"] = None
    p50: Annotated[Seconds | None, "half of the requests wait less"] = None
    p99: Annotated[Seconds | None, "99 of 100 requests wait less"] = None
    attempts: Annotated[Number | None, "most attempts that the backends see for each request"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The whole file."""

    name: Annotated[Name, "what it is called"]
    about: Annotated[Text, "one sentence about it"] = ""
    duration: Annotated[Seconds, "how long requests come"]
    load: Annotated[Load, "what clients ask for"] = field(default_factory=Load)
    backend: Annotated[Backend, "every endpoint when it is well"] = field(default_factory=Backend)
    script: Annotated[tuple[Step, ...], "what goes wrong, and when"] = ()
    expect: Annotated[Expect, "what is to hold at the end"] = field(default_factory=Expect)

    def __post_init__(self) -> None:
        count = self.duration * self.load.rate
        late = [step for step in self.script if step.at >= self.duration]
        flaps = [min(step.lasting or inf, self.duration) / step.every for step in self.script if step.do == "flap"]
        demand(
            ("duration", self.duration > 0, "must be more than 0"),
            ("duration", count <= MOST_REQUESTS, f"is {count:.0f} requests long; the most is {MOST_REQUESTS}"),
            ("script", not late, "has a step that begins when the drill is over"),
            ("script", max(flaps, default=0) <= _MOST_TURNS, f"flaps more often than {_MOST_TURNS} times"),
        )


def load_scenario(text: str, file: str) -> Scenario:
    """A scenario of its text; `file` is what problems call it.

    :raises ConfigError: with every problem."""
    parsed = parse_yaml(text, lambda line, column: Origin(file, line, column))
    if not parsed.whole:
        raise ConfigError(sorted(parsed.problems))
    problems = list(parsed.problems)
    if not isinstance(parsed.node, Table) or not parsed.node.entries:
        problems.append(parsed.node.origin.error("a scenario is a mapping; it begins with `name:`"))
        raise ConfigError(sorted(problems))
    decoder = Decoder(problems)
    scenario = decoder.decode(_spelled_out(parsed.node), Record(Scenario, None), "")
    return _checked(scenario, decoder.problems)


def read_scenario(path: str) -> Scenario:
    """A scenario of a file.

    :raises ConfigError: with every problem, that it cannot be read among them."""
    try:
        text = Files().rules(path)
    except ValueError as error:
        raise ConfigError([Origin(path).error(str(error))]) from None
    return load_scenario(text, path)


def _checked(scenario: object, problems: list[Problem]) -> Scenario:
    errors = [problem for problem in problems if problem.severity == "error"]
    if scenario is FAILED or errors or not isinstance(scenario, Scenario):
        raise ConfigError(sorted(dict.fromkeys(problems)))
    return scenario


def _spelled_out(tree: Table) -> Table:
    """With `endpoints: 2` as the list of the first two: in a list, a number says which and not how many."""
    script = tree.get("script")
    if not isinstance(script, Items):
        return tree
    return tree.put("script", Items(tuple(map(_listed, script.items)), script.origin))


def _listed(step: Node) -> Node:
    if not isinstance(step, Table):
        return step
    count = step.get("endpoints")
    if not isinstance(count, Scalar) or not re.fullmatch(r"[0-9]{1,4}", count.text):
        return step
    first = range(min(int(count.text), MOST_ENDPOINTS))
    return step.put("endpoints", Items(tuple(Scalar(str(place), count.origin) for place in first), count.origin))
