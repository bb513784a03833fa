"""What somebody has to look after, of a status: a line each, the worst first. Pure.

Refusals are told by whoever knows how many there are now, or were since the start. The dashboard's `alarms.js` tells
the same in a browser: both find the same things wrong, and equally grave (tests/integration/test_alarms_agree.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sidecar.cli.figures import UNKNOWN, age, left, mebibytes, rate, ratio, span
from sidecar.cli.rates import Pace, Refusal
from sidecar.cli.sheets import Cell, Line, Tone, line
from sidecar.model.reason import BY_CODE

_ERRORS_WORTH_SAYING = 0.05
_LAG_WORTH_SAYING = 0.1
_NEARLY_FULL = 0.9
# Seconds before a certificate's end: somebody should renew it, somebody has to.
_ENDS_SOON = 14 * 86400.0
_ENDS_NOW = 3 * 86400.0


def alarms(told: Mapping[str, Any]) -> list[Line]:
    """What is wrong with the instance now, refusals left out."""
    found = [
        *_instance(told),
        *_reload(told),
        *_certificates(told),
        *_breakers(told),
        *_upstreams(told),
        *_workers(told),
    ]
    worst_first = sorted(found, key=lambda alarm: alarm.tone is not Tone.BAD)
    return [line(alarm) for alarm in worst_first]


def refused(what: Refusal, often: str) -> Line:
    """A refusal: how often, why, by which rule, on which route."""
    route, rule, reason = what
    by = f" by {rule}" if rule else ""
    return line(Cell(f"refused {often}: {reason}{by} (route {route})", Tone.WARN))


def failing(pace: Pace) -> list[Line]:
    """The routes of many answers with 5xx, those left out that the sidecar made itself: their rules tell of them."""
    own: dict[str, float] = {}
    for (route, _rule, reason), often in pace.refusals.items():
        if reason in BY_CODE and BY_CODE[reason].status >= 500:
            own[route] = own.get(route, 0.0) + often
    found = []
    for name, flow in pace.routes.items():
        foreign = flow.errors - own.get(name, 0.0)
        if flow.requests and foreign / flow.requests >= _ERRORS_WORTH_SAYING:
            share = ratio(foreign, flow.requests)
            found.append((foreign, f"{share} of the answers of {name} are 5xx of the backend ({rate(foreign)}/s)"))
    return [line(Cell(text, Tone.WARN)) for _, text in sorted(found, key=lambda one: -one[0])]


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
    return Cell("ready", Tone.GOOD) if endpoint["takes_attempts"] else Cell("out", Tone.BAD)


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
    else:
        needed, most = pressure["descriptors"]["needed"], pressure["descriptors"]["for_connections"]
        if needed > _NEARLY_FULL * most:
            yield Cell(f"descriptors run out: {needed} of {most} are needed", Tone.WARN)
    memory = pressure["memory"]
    resident, limit = memory["resident_bytes"], memory["limit_bytes"]
    if memory["shedding"]:
        yield Cell(f"new requests are refused: {mebibytes(resident)} resident, more than overload.max_memory", Tone.BAD)
    elif limit and resident > _NEARLY_FULL * limit:
        yield Cell(f"memory is nearly used up: {mebibytes(resident)} of {mebibytes(limit)}", Tone.WARN)
    if told["loop_lag_seconds"] > _LAG_WORTH_SAYING:
        yield Cell(f"the process is late by {span(told['loop_lag_seconds'])}: it has too little CPU time", Tone.WARN)


def _reload(told: Mapping[str, Any]) -> Iterator[Cell]:
    last = (told.get("reload") or {}).get("last")
    if last is not None and last["result"] == "failed":
        first, *others = last["problems"]
        more = f", and {len(others)} more" if others else ""
        yield Cell(f"the last reload failed ({last['why']}): {first}{more}", Tone.BAD)


def _certificates(told: Mapping[str, Any]) -> Iterator[Cell]:
    # One that was started before an upgrade may not tell of any.
    listeners = [(f"listener {one['name']}", one.get("tls") or {}) for one in told.get("listeners", ())]
    upstreams = [(f"upstream {one['name']}", one) for one in told["upstreams"]]
    for owner, shows in (*listeners, *upstreams):
        for certificate in shows.get("certificates", ()):
            rest = certificate["not_after"] - told["time"]
            if rest >= _ENDS_SOON:
                continue
            name = next(iter(certificate["names"]), certificate["subject"])
            when = f"ends in {age(rest)}" if rest > 0 else "has ended"
            tone = Tone.BAD if rest < _ENDS_NOW else Tone.WARN
            yield Cell(f"the certificate of {name} {when} ({owner})", tone)


def _breakers(told: Mapping[str, Any]) -> Iterator[Cell]:
    for label, breaker in told["breakers"].items():
        cell = state(breaker)
        if cell.tone is Tone.GOOD and breaker["forced"] == "auto":
            continue
        probe = left(breaker["open_remaining"] or None) if breaker["state"] == "open" else UNKNOWN
        when = f", next probe in {probe}" if probe != UNKNOWN else ""
        slow = f", {breaker['slow']} {'was' if breaker['slow'] == 1 else 'were'} slow" if breaker["slow"] else ""
        # The window begins anew when it opens.
        figures = f"{breaker['failures']} of {breaker['requests']} attempts failed{slow}"
        because = figures if breaker["requests"] else breaker["why_open"] if breaker["forced"] == "auto" else ""
        window = f" ({because})" if because else ""
        tone = Tone.WARN if cell.tone is Tone.GOOD else cell.tone
        yield Cell(f"breaker {label} is {cell.text}{when}{window}", tone)


def _upstreams(told: Mapping[str, Any]) -> Iterator[Cell]:
    for upstream in told["upstreams"]:
        for endpoint in upstream["endpoints"]:
            cell = standing(endpoint)
            if cell.tone is not Tone.GOOD:
                yield Cell(f"endpoint {endpoint['name']} is {cell.text}", cell.tone)
            waiting = endpoint["pool"]["waiting"]
            if waiting:
                yield Cell(
                    f"endpoint {endpoint['name']}: {waiting} wait for a connection, its pool is used up", Tone.WARN
                )
        for name, policy in upstream["policies"].items():
            if policy.get("held"):
                yield Cell(f"{policy['held']} of {policy['max_requests']} requests held by {name}", Tone.WARN)
        # What allows no retry at all cannot run out.
        if any(one["available"] < 1 and (one["ratio"] or one["min_per_second"]) for one in upstream["retry_budgets"]):
            yield Cell(f"the retry budget of upstream {upstream['name']} is used up: it is not retried", Tone.WARN)


def _workers(told: Mapping[str, Any]) -> Iterator[Cell]:
    if told["phase"] != "serving":
        return  # they come and go with the instance
    for worker in told.get("workers", ()):
        if worker["phase"] != "serving":
            often = f", restarted {worker['restarts']} times" if worker["restarts"] else ""
            yield Cell(f"worker {worker['slot']} is {worker['phase']}{often}", Tone.WARN)
