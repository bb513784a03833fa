"""Records of drills that never ran: what happened is written down by the test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sidecar.drill.record import Attempt, Count, Endpoint, Event, Ill, Record, Request
from sidecar.drill.scenario import Expect, Load, Scenario, Step
from sidecar.rules.load import Loaded, load_rules, load_text
from sidecar.rules.overlay import Given

WELL = "127.0.0.1:3000"
OTHER = "127.0.0.1:3001"
_SETTLED = ("upstreams.app.circuit_breaker.open_for=30s", "upstreams.app.hold=null")

TEN_SECONDS = Scenario(name="told", about="What a test tells.", duration=10.0)


def settled_rules(*sets: str, endpoints: tuple[str, ...] = (WELL,)) -> Loaded:
    """The default rules, but for what tests name: that stays as it is here, whatever the defaults are."""
    return default_rules(*_SETTLED, *sets, endpoints=endpoints)


@cache
def default_rules(*sets: str, endpoints: tuple[str, ...] = (WELL,)) -> Loaded:
    """What `--upstream` alone gives."""
    return load_rules(None, upstreams=[f"http://{endpoint}" for endpoint in endpoints], sets=sets)


def rules(text: str, file: str = "rules.yaml") -> Loaded:
    """Rules of a file that is not there."""
    return load_text(text, file, Given((), None, None, (), {}, False))


def request(number: int = 0, began: float = 1.0, seconds: float = 0.02, **told: Any) -> Request:
    """A request to the default route that got its 200, unless told otherwise."""
    known: dict[str, Any] = {
        "client": 0, "method": "GET", "path": "/", "status": 200, "route": "everything", "upstream": "app",
        "endpoint": WELL, "attempts": 1, "head": began + seconds,
    } | told  # fmt: skip
    return Request(number=number, due=began, began=began, ended=began + seconds, **known)


def refused(reason: str, number: int = 0, began: float = 1.0, seconds: float = 0.0, **told: Any) -> Request:
    """One that the proxy answered by itself."""
    return request(number, began, seconds, **({"status": 503, "reason": reason, "attempts": 0} | told))


def endpoint(*ills: Ill, name: str = WELL, upstream: str = "app", place: int = 0, **told: Any) -> Endpoint:
    """An endpoint of the default upstream."""
    return Endpoint(name, upstream, place, ills, **told)


def record(
    requests: Iterable[Request],
    *,
    loaded: Loaded | None = None,
    endpoints: Sequence[Endpoint] | None = None,
    attempts: Iterable[Attempt] = (),
    events: Iterable[Event] = (),
    counts: Iterable[Count] = (),
    scenario: Scenario = TEN_SECONDS,
    load: Load | None = None,
) -> Record:
    """A record of all that."""
    told = tuple(requests)
    return Record(
        scenario=scenario if load is None else replace(scenario, load=load),
        loaded=loaded or settled_rules(),
        seed=1,
        real=False,
        seconds=max([scenario.duration, *(one.ended for one in told)]),
        requests=told,
        attempts=tuple(attempts),
        endpoints=tuple(endpoints if endpoints is not None else [endpoint()]),
        events=tuple(events),
        counts=tuple(counts),
    )


def shipped() -> list[Path]:
    """The scenarios that the product comes with."""
    return sorted((Path(__file__).parents[2] / "sidecar" / "drill" / "scenarios").glob("*.yaml"))


def outage() -> Record:
    """A drill as they are: refused, then slow; some tried again with success, a breaker that opened and stayed so."""
    scenario = Scenario(
        name="restart",
        about="Refuses & is <slow>.",
        duration=40.0,
        load=Load(rate=10.0, methods={"GET": 9.0, "POST": 1.0}),
        script=(Step(at=10.0, lasting=5.0, do="refuse"), Step(at=15.0, lasting=5.0, do="slow", factor=10.0)),
        expect=Expect(avoidable=0, client_errors=0.1),
    )
    requests, attempts, counts = [], [], []
    for number in range(400):
        at = number / 10
        if 10 <= at < 11:
            requests.append(refused("connect_failure", number, at, 0.05, status=502, attempts=3))
            counts += [Count(at, "retried", "everything", "connect_failure")] * 2
        elif 11 <= at < 25:
            requests.append(refused("circuit_open", number, at, rule="app/circuit_breaker"))
        else:
            again = number % 10 == 0
            requests.append(request(number, at, 0.03, attempts=1 + again))
            attempts.append(Attempt(number, WELL, at, at + 0.03, "answered", 200))
            if again:
                attempts.append(Attempt(number, WELL, at, at + 0.01, "failed", 503))
                counts.append(Count(at, "retried", "everything", "503"))
    moves = [(11.0, "closed", "open"), (25.0, "open", "half_open"), (25.1, "half_open", "closed")]
    return record(
        requests,
        endpoints=[endpoint(Ill(10, 15, "refuse", step=0), Ill(15, 20, "slow", step=1), requests=len(attempts))],
        attempts=attempts,
        events=[Event(at, "breaker", "upstream.app", "", {"from": one, "to": two}) for at, one, two in moves],
        counts=counts,
        scenario=scenario,
    )
