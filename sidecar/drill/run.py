"""One drill from its beginning to its record.

Owns the order: stage, warm-up, load and script, the last answers, the end. In virtual time nothing is waited for.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterator
from dataclasses import replace

from sidecar.drill.backend import StandIn
from sidecar.drill.heard import logging_aside
from sidecar.drill.load import REQUEST_ID, Clients, plan
from sidecar.drill.record import Endpoint, Ill, Record, Request
from sidecar.drill.scenario import ALL, Scenario, Step
from sidecar.drill.stage import Stage, built
from sidecar.drill.staging import Place
from sidecar.drill.virtual_time import VirtualLoop
from sidecar.rules.load import Loaded
from sidecar.transport.tasks import Tasks

# So long after the last request was sent, whoever still has no answer is cut.
PATIENCE = 60.0
_LOOKS_EVERY = 0.25
_MOST_LOOKS = 1000


def run_drill(scenario: Scenario, loaded: Loaded, *, seed: int = 1, real: bool = False) -> Record:
    """Drill these rules, on a loop of its own; in real time where that is wanted.

    :raises DrillError: these rules and this scenario make no drill."""
    if real:
        return asyncio.run(drill(scenario, loaded, seed=seed, real=True))
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(drill(scenario, loaded, seed=seed, real=False))


async def drill(scenario: Scenario, loaded: Loaded, *, seed: int = 1, real: bool = False) -> Record:
    """The same on the running loop: one of virtual time, unless it is `real`."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, VirtualLoop) == real:
        raise ValueError("virtual time needs a VirtualLoop, and real time another one")
    errors: list[str] = []
    loop.set_exception_handler(lambda _, context: errors.append(_faults(context)))
    tasks = Tasks(loop)
    with logging_aside(errors):
        try:
            async with built(scenario, loaded, seed, tasks) as stage:
                clients, seconds = await _played(stage, scenario, seed, tasks)
            await asyncio.sleep(0)
        finally:
            await tasks.close()
            loop.set_exception_handler(None)
    return _record(scenario, loaded, seed, real, stage, clients, seconds, errors)


async def _played(stage: Stage, scenario: Scenario, seed: int, tasks: Tasks) -> tuple[Clients, float]:
    loop = asyncio.get_running_loop()
    rng = random.Random(f"{seed} load")  # noqa: S311 - repeatable is what it has to be
    clients = Clients(scenario.load, stage.entrance, stage.epoch, scenario.backend.answer, tasks)
    handles = []
    for backend, place in zip(stage.backends, stage.staged.places, strict=True):
        for ill, step in ills(scenario, place):
            handles.append(loop.call_at(stage.epoch + ill.at, backend.begin, ill, step))
            if not math.isinf(ill.until):
                handles.append(loop.call_at(stage.epoch + ill.until, backend.end, ill, step))
    looking = tasks.start(
        _looking(stage, max(_LOOKS_EVERY, scenario.duration / _MOST_LOOKS)), "read what the policies tell"
    )
    try:
        await clients.send(plan(scenario.load, scenario.duration, rng))
        await clients.settled(PATIENCE)
        seconds = clients.now()
        stage.heard.read(stage.proxy.stats)
    finally:
        looking.cancel()
        for handle in handles:
            handle.cancel()
        clients.close()
    return clients, seconds


async def _looking(stage: Stage, every: float) -> None:
    while True:
        stage.heard.read(stage.proxy.stats)
        await asyncio.sleep(every)


def ills(scenario: Scenario, place: Place) -> Iterator[tuple[Ill, Step]]:
    """What goes wrong with this endpoint, and when; of `flap` each time that it is dead."""
    for number, step in enumerate(scenario.script):
        if step.upstream not in (None, place.upstream):
            continue
        if ALL not in step.endpoints and place.place not in step.endpoints:
            continue
        until = math.inf if step.lasting is None else step.at + step.lasting
        if step.do != "flap":
            yield Ill(step.at, until, step.do, step.share, number), step
            continue
        at = step.at
        while at < min(until, scenario.duration):
            yield Ill(at, min(at + step.every / 2, until), step.do, 1.0, number), step
            at += step.every


def _record(
    scenario: Scenario,
    loaded: Loaded,
    seed: int,
    real: bool,
    stage: Stage,
    clients: Clients,
    seconds: float,
    errors: list[str],
) -> Record:
    heard, places = stage.heard, stage.staged.places
    requests = sorted(clients.seen, key=lambda seen: seen.number)
    attempts = [attempt for backend in stage.backends for attempt in backend.attempts]
    notes = [*stage.staged.notes, *_about_load(scenario, stage, requests)]
    notes += [f"fault: {error}" for error in errors]
    return Record(
        scenario=scenario,
        loaded=loaded,
        seed=seed,
        real=real,
        seconds=seconds,
        requests=tuple([_told(request, stage) for request in requests]),
        attempts=tuple(sorted(attempts, key=lambda attempt: (attempt.began, attempt.request))),
        endpoints=tuple([_endpoint(scenario, *pair) for pair in zip(stage.backends, places, strict=True)]),
        events=tuple(heard.events),
        counts=tuple(heard.counts),
        readings=tuple(heard.readings),
        connections=clients.most,
        notes=tuple(notes),
    )


def _told(seen: Request, stage: Stage) -> Request:
    """What the client saw, with what the proxy says of it."""
    told = stage.heard.exchanges.by_id.get(REQUEST_ID % seen.number)
    if told is None:
        return seen
    stale = told.fallback == "stale" and seen.failure == "not_its_own"  # which is what the rules ask for
    return replace(
        seen,
        failure="" if stale else seen.failure,
        reason="" if told.reason is None else told.reason.code,
        rule=told.rule,
        route=told.route,
        upstream=told.upstream,
        endpoint=stage.staged.called(told.endpoint),
        attempts=told.attempts,
        fallback=told.fallback,
        detail=told.detail,
    )


def _endpoint(scenario: Scenario, backend: StandIn, place: Place) -> Endpoint:
    return Endpoint(
        name=place.name,
        upstream=place.upstream,
        place=place.place,
        ill=tuple([ill for ill, _ in ills(scenario, place)]),
        connections=backend.connections,
        refused=backend.refused,
        requests=backend.requests,
        aborted=backend.aborted,
        checks=backend.checks,
        most=backend.most,
    )


def _about_load(scenario: Scenario, stage: Stage, requests: list[Request]) -> Iterator[str]:
    rules = stage.proxy.loaded.rules
    met = {told.route for told in stage.heard.exchanges.by_id.values()}
    if "" in met and any(request.status == 404 for request in requests):
        yield "some requests matched no route; `load.paths`, `host`, `headers` and `methods` say what is asked for"
    for route in rules.routes:
        if route.name not in met:
            yield f"route {route.name}: the load asks for nothing there"
    places = stage.staged.places
    for number, step in enumerate(scenario.script):
        if not any(one is step for place in places for _, one in ills(scenario, place)):
            yield f"script, step {number + 1}: there is no such endpoint"


def _faults(context: dict[str, object]) -> str:
    fault = context.get("exception")
    return f"{context.get('message')}" + (f": {fault!r}" if fault is not None else "")
