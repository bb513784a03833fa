"""What somebody has to look after, of a status: a line each, the worst first. Pure.

Refusals are told by whoever knows how many there are now, or were since the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.cli.figures import UNKNOWN, left, mebibytes
from sidecar.cli.rates import Refusal
from sidecar.cli.sheets import Cell, Line, Tone, line


def alarms(told: Mapping[str, Any]) -> list[Line]:
    """What is wrong with the instance now, refusals left out."""
    found = [*_instance(told), *_reload(told), *_breakers(told), *_endpoints(told), *_budgets(told), *_workers(told)]
    worst_first = sorted(found, key=lambda alarm: alarm.tone is not Tone.BAD)
    return [line(alarm) for alarm in worst_first]


def refused(what: Refusal, often: str) -> Line:
    """A refusal: how often, why, by which rule, on which route."""
    route, rule, reason = what
    by = f" by {rule}" if rule else ""
    return line(Cell(f"refused {often}: {reason}{by} (route {route})", Tone.WARN))


def standing(endpoint: Mapping[str, Any]) -> Cell:
    """An endpoint's state in a word or two, what people decided before what policies did."""
    if endpoint["drained"]:
        return Cell("drained", Tone.WARN)
    if endpoint["down"]:
        why = endpoint.get("why_down")
        return Cell(f"down: {why}" if why else "down", Tone.BAD)
    ejection = endpoint["ejection"]
    if ejection is not None and ejection["state"] == "ejected":
        return Cell(f"ejected {left(ejection['seconds_left'])}", Tone.BAD)
    workers = endpoint.get("workers")
    if workers is not None and 0 < workers["taking_attempts"] < workers["all"]:
        return Cell(f"ready in {workers['taking_attempts']} of {workers['all']} workers", Tone.WARN)
    return Cell("ready", Tone.GOOD)


def state(breaker: Mapping[str, Any]) -> Cell:
    """A breaker's state, and who holds it there."""
    tone = {"closed": Tone.GOOD, "half_open": Tone.WARN}.get(breaker["state"], Tone.BAD)
    by_hand = ", by hand" if breaker["forced"] != "auto" else ""
    in_shadow = ", in shadow" if breaker["shadow"] else ""
    return Cell(f"{breaker['state']}{by_hand}{in_shadow}", Tone.WARN if in_shadow and tone is Tone.BAD else tone)


def _instance(told: Mapping[str, Any]) -> Iterator[Cell]:
    for reason in told["not_ready"]:
        yield Cell(f"not ready: {reason}", Tone.BAD)
    pressure = told.get("pressure")
    if pressure is None:
        return  # no worker is there to tell
    if not pressure["accepting"]:
        yield Cell("new connections wait: no descriptor is left for them", Tone.BAD)
    memory = pressure["memory"]
    if memory["shedding"]:
        resident = mebibytes(memory["resident_bytes"])
        yield Cell(f"new requests are refused: {resident} resident, more than overload.max_memory", Tone.BAD)


def _reload(told: Mapping[str, Any]) -> Iterator[Cell]:
    last = (told.get("reload") or {}).get("last")
    if last is not None and last["result"] == "failed":
        first, *others = last["problems"]
        more = f", and {len(others)} more" if others else ""
        yield Cell(f"the last reload failed ({last['why']}): {first}{more}", Tone.BAD)


def _breakers(told: Mapping[str, Any]) -> Iterator[Cell]:
    for label, breaker in told["breakers"].items():
        cell = state(breaker)
        if cell.tone is Tone.GOOD and breaker["forced"] == "auto":
            continue
        probe = left(breaker["open_remaining"] or None) if breaker["state"] == "open" else UNKNOWN
        when = f", next probe in {probe}" if probe != UNKNOWN else ""
        slow = f", {breaker['slow']} were slow" if breaker["slow"] else ""
        # The window is empty once a probe has failed, and while it is held by hand.
        window = (
            f" ({breaker['failures']} of {breaker['requests']} attempts failed{slow})" if breaker["requests"] else ""
        )
        tone = Tone.WARN if cell.tone is Tone.GOOD else cell.tone
        yield Cell(f"breaker {label} is {cell.text}{when}{window}", tone)


def _endpoints(told: Mapping[str, Any]) -> Iterator[Cell]:
    for upstream in told["upstreams"]:
        for endpoint in upstream["endpoints"]:
            cell = standing(endpoint)
            if cell.tone is not Tone.GOOD:
                yield Cell(f"endpoint {endpoint['name']} is {cell.text}", cell.tone)


def _budgets(told: Mapping[str, Any]) -> Iterator[Cell]:
    for upstream in told["upstreams"]:
        # What allows no retry at all cannot run out.
        if any(one["available"] < 1 and (one["ratio"] or one["min_per_second"]) for one in upstream["retry_budgets"]):
            yield Cell(f"the retry budget of upstream {upstream['name']} is used up: it is not retried", Tone.WARN)


def _workers(told: Mapping[str, Any]) -> Iterator[Cell]:
    for worker in told.get("workers", ()):
        if worker["phase"] != told["phase"]:
            often = f", restarted {worker['restarts']} times" if worker["restarts"] else ""
            yield Cell(f"worker {worker['slot']} is {worker['phase']}{often}", Tone.WARN)
