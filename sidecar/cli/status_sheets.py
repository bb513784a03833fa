"""The parts of a status as tables: what is beside each route, upstream, endpoint, breaker, worker, policy. Pure.

What a policy tells is shown as it tells it; only limits are known by their keys, to be read as used of allowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sidecar.cli.alarms import standing, state
from sidecar.cli.figures import UNKNOWN, age, instant, left, span
from sidecar.cli.rates import failures, refusals
from sidecar.cli.sheets import Cell, Line, Sheet, Tone, row

# What became of a PROXY header, or a handshake, that led on.
_HEADED = ("ok", "local")
_SECURED = ("ok", "resumed")
# From this share of a limit on somebody should know.
_NEARLY = 0.8


def routes(told: Mapping[str, Any]) -> Sheet:
    """Each route since the start."""
    head = ("ROUTE", "UPSTREAM", ">IN FLIGHT", ">REQUESTS", ">5XX", ">REFUSED", ">P50", ">P99", "LIMITS")
    return Sheet(
        head,
        [
            row(
                route["name"],
                route["upstream"],
                route["in_flight"],
                route["requests"],
                counted(route["statuses"].get("5xx", 0), Tone.BAD),
                counted(sum(route["rejections"].values()), Tone.WARN),
                quantile(route, "0.5"),
                quantile(route, "0.99"),
                limits(route),
            )
            for route in told["routes"]
        ],
    )


def upstreams(told: Mapping[str, Any]) -> Sheet:
    """Each upstream since the start; what is left of its retry budgets is of now."""
    return Sheet(
        ("UPSTREAM", ">ATTEMPTS", ">FAILED", ">P50", ">P99", ">RETRIES LEFT", "FAILED BY", "HELD"),
        [
            row(
                upstream["name"],
                sum(upstream["attempts"].values()),
                counted(sum(failures(upstream["attempts"]).values()), Tone.BAD),
                quantile(upstream, "0.5"),
                quantile(upstream, "0.99"),
                min((int(one["available"]) for one in upstream["retry_budgets"]), default=UNKNOWN),
                ", ".join(f"{cause} {count}" for cause, count in failures(upstream["attempts"]).items()),
                limits(upstream),
            )
            for upstream in told["upstreams"]
        ],
    )


def endpoints(told: Mapping[str, Any]) -> Sheet:
    """Each endpoint now."""
    return Sheet(
        ("ENDPOINT", "STATE", ">IN FLIGHT", ">IDLE", ">WAITING", ">WEIGHT"),
        [
            row(
                endpoint["name"],
                standing(endpoint),
                endpoint["in_flight"],
                endpoint["pool"]["idle"],
                counted(endpoint["pool"]["waiting"], Tone.WARN),
                endpoint["weight"],
            )
            for upstream in told["upstreams"]
            for endpoint in upstream["endpoints"]
        ],
    )


def listeners(told: Mapping[str, Any]) -> Sheet:
    """Each listener now, and who did not get as far as a request since the start, be it for the PROXY header that was
    wanted or for TLS."""
    return Sheet(
        ("LISTENER", "ADDRESS", "SPEAKS", ">CONNECTIONS", ">HANDSHAKES", ">TURNED AWAY", "BECAUSE", "CERTIFICATES END"),
        [
            row(
                listener["name"],
                listener["address"],
                _spoken(listener),
                listener["connections"],
                UNKNOWN if listener["tls"] is None else sum(listener["tls"]["handshakes"].values()),
                counted(sum(turned_away(listener).values()), Tone.WARN),
                ", ".join(f"{why} {count}" for why, count in turned_away(listener).items()),
                _ends(listener, told["time"]),
            )
            for listener in told.get("listeners", ())
            if "proxy_headers" in listener  # one that was started before an upgrade does not tell
        ],
    )


def turned_away(listener: Mapping[str, Any]) -> dict[str, int]:
    """How many connections of a listener came to nothing before a request, by why."""
    headers, handshakes = listener["proxy_headers"], (listener["tls"] or {}).get("handshakes", {})
    bad = {f"PROXY header {result}": count for result, count in headers.items() if result not in _HEADED}
    return bad | {result: count for result, count in handshakes.items() if result not in _SECURED}


def _spoken(listener: Mapping[str, Any]) -> str:
    below = (("PROXY", listener["proxy_protocol"]), ("TLS", listener["tls"] is not None))
    return ", ".join([*[name for name, there in below if there], listener["protocol"]])


def _ends(listener: Mapping[str, Any], now: float) -> str:
    ends = [one["not_after"] - now for one in (listener["tls"] or {}).get("certificates", ())]
    return ", ".join("ended" if rest <= 0 else f"in {age(rest)}" for rest in ends)


def breakers(told: Mapping[str, Any]) -> Sheet:
    """Each circuit breaker: its state, and its window."""
    return Sheet(
        ("BREAKER", "STATE", ">NEXT PROBE", ">FAILED", ">SLOW", ">ATTEMPTS"),
        [
            row(
                label,
                state(breaker),
                left(breaker["open_remaining"] or None),
                breaker["failures"],
                breaker["slow"],
                breaker["requests"],
            )
            for label, breaker in told["breakers"].items()
        ],
    )


def workers(told: Mapping[str, Any]) -> Sheet:
    """Each worker, where there are several."""
    return Sheet(
        ("WORKER", ">PID", "STATE", ">UP", ">RESTARTS", ">CONNECTIONS", ">LAG"),
        [
            row(
                worker["slot"],
                _known(worker["pid"]),
                Cell(worker["phase"], Tone.GOOD if worker["phase"] == "serving" else Tone.WARN),
                UNKNOWN if worker["uptime_seconds"] is None else age(worker["uptime_seconds"]),
                worker["restarts"],
                _known(worker["connections"]),
                span(worker["loop_lag_seconds"]),
            )
            for worker in told.get("workers", ())
        ],
    )


def policies(told: Mapping[str, Any]) -> Sheet:
    """Whatever each policy tells of itself; breakers have a table of their own."""
    rows: list[Line] = []
    for owner in (*told["routes"], *told["upstreams"]):
        for name, snapshot in owner["policies"].items():
            if "breaker" not in snapshot:
                rows += _figures(name, snapshot)
    return Sheet(("POLICY", "STATE"), rows)


def refused(told: Mapping[str, Any]) -> Sheet:
    """What was refused since the start, and would have been by rules in shadow mode, the most first."""
    enforced, shadow = refusals(told), refusals(told, "shadow_refused")
    often = sorted({**shadow, **enforced}, key=lambda what: (-enforced.get(what, 0), -shadow.get(what, 0), what))
    return Sheet(
        ("RULE", "REASON", "ROUTE", ">REFUSED", ">IN SHADOW"),
        [
            row(rule or UNKNOWN, reason, route, enforced.get(what, 0), shadow.get(what, 0))
            for what in often
            for route, rule, reason in [what]
        ],
    )


def events(told: Sequence[Mapping[str, Any]], now: float, most: int) -> Sheet:
    """The last events, the newest first; `now` in Unix seconds."""
    return Sheet(
        ("TIME", ">AGO", "EVENT", "OF", "TEXT"),
        [
            row(
                instant(event["time"]),
                age(now - event["time"]),
                Cell(event["kind"], Tone.WARN if event.get("alarming") else Tone.PLAIN),
                event["subject"],
                event["text"] + _worker(event.get("fields", {})),
            )
            for event in list(reversed(told))[:most]
        ],
    )


def _worker(fields: Mapping[str, Any]) -> str:
    """What each worker finds out for itself, such as an ejection, comes once from each."""
    return f" (worker {fields['worker']})" if "worker" in fields else ""


def limits(owner: Mapping[str, Any]) -> Cell:
    """Used of allowed, of each limit of a route or an upstream; the fullest in force decides the tone."""
    said = list(_limits(owner))
    fullest = max((used / allowed for _, used, allowed, shadow in said if allowed and not shadow), default=0.0)
    tone = Tone.BAD if fullest >= 1 else Tone.WARN if fullest >= _NEARLY else Tone.PLAIN
    words = (f"{name} {used:.0f}/{allowed:.0f}{' in shadow' if shadow else ''}" for name, used, allowed, shadow in said)
    return Cell(", ".join(words), tone)


def counted(count: int, tone: Tone) -> Cell:
    """A number that is bad news unless it is 0."""
    return Cell(str(count), tone if count else Tone.PLAIN)


def quantile(thing: Mapping[str, Any], share: str) -> str:
    """A latency since the start."""
    return span(thing["latency"]["quantiles"][share])


def _limits(owner: Mapping[str, Any]) -> Iterator[tuple[str, float, float, bool]]:
    for policy, snapshot in owner["policies"].items():
        name, shadow = policy.rpartition("/")[2], bool(snapshot.get("shadow"))
        if "max" in snapshot and "in_flight" in snapshot:
            yield name, snapshot["in_flight"], snapshot["max"], shadow
            if snapshot.get("max_queue"):
                yield "queue", snapshot["queued"], snapshot["max_queue"], shadow
        elif "held" in snapshot:
            yield name, snapshot["held"], snapshot["max_requests"], shadow
        for limit, values in snapshot.get("limits", {}).items():
            # A limit with a key has as many buckets as callers: no figure of one says how full it is.
            if "remaining" in values:
                yield limit, values["burst"] - values["remaining"], values["burst"], values.get("mode") == "shadow"


def _figures(name: str, snapshot: Mapping[str, Any]) -> list[Line]:
    """One row for the figures of a policy, and one for each part that has figures of its own."""
    said = [
        f"{key} {','.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in snapshot.items()
        if not isinstance(value, dict | bool | None) and value != []
    ]
    if snapshot.get("shadow"):
        said.append("in shadow")
    rows = [row(name, ", ".join(said))] if said else []
    for key, value in snapshot.items():
        if isinstance(value, dict):
            rows += _figures(f"{name}/{key}", value)
    return rows


def _known(value: object) -> object:
    return UNKNOWN if value is None else value
