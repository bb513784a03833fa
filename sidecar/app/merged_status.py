"""The JSON of `GET /status` for an instance of several workers, and its readiness: made of what each worker tells.

Owns which figures are added up, in one table. What it does not name is the instance's own already, because its state is
shared by all workers, and is taken from one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from sidecar.admin.subject import Condition
from sidecar.telemetry import latency
from sidecar.telemetry.parts import Part, extend
from sidecar.telemetry.stats import BOUNDS
from sidecar.workers.crew import Member

RULES, SERVING = "rules", "serving"
# Of several phases the instance's is the first that any worker is in: it serves as long as one does.
_PHASES = (SERVING, "draining", "starting", "closing", "stopped")


class _How(Enum):
    ONCE = "of one worker"
    ADDED = "the sum"
    MOST = "the largest"


# A place holds for all that is below it. `*` is each thing of a list; policies go by their last name.
_PLACES: dict[tuple[str, ...], _How] = {
    tuple(place.split(".")): how
    for how, places in (
        (
            _How.ADDED,
            (
                "listeners.*.connections",
                "listeners.*.proxy_headers",
                "listeners.*.tls.handshakes",
                "routes.*.in_flight",
                "routes.*.requests",
                "routes.*.statuses",
                "routes.*.rejections",
                "routes.*.rejected_by",
                "routes.*.shadow_rejected_by",
                "routes.*.refused",
                "routes.*.shadow_refused",
                "routes.*.retries",
                "routes.*.retries_skipped",
                "routes.*.fallbacks",
                "routes.*.policies.fault.delayed_total",
                "routes.*.policies.fault.aborted_total",
                "upstreams.*.attempts",
                "upstreams.*.connects",
                "upstreams.*.ejections",
                "upstreams.*.policies.hold",
                "upstreams.*.retry_budgets.*.available",
                "upstreams.*.retry_budgets.*.min_per_second",
                "upstreams.*.endpoints.*.in_flight",
                "upstreams.*.endpoints.*.pool",
                "connections",
                "pressure",
                "drain.in_flight",
                "drain.cut",
            ),
        ),
        (
            _How.MOST,
            (
                "uptime_seconds",
                "loop_lag_seconds",
                "pressure.accepting",
                "pressure.memory.shedding",
                "upstreams.*.policies.hold.seconds",
            ),
        ),
    )
    for place in places
}
# Those that there may be ten thousand of, as they are when there is none.
_MANY: dict[str, type[list[Any] | dict[str, Any]]] = {"routes": list, "upstreams": list, "breakers": dict}
_FOUND_TOGETHER = 256
_ENDPOINTS = ("upstreams", "*", "endpoints")
_LATENCIES = (("routes", "*", "latency"), ("upstreams", "*", "latency"))


def merge_status(
    statuses: Mapping[int, Mapping[str, Any]],
    conditions: Sequence[Condition],
    members: Iterable[Member],
    own: Mapping[str, Any],
    departed: Iterable[Part] = (),
    silent: Collection[int] = (),
) -> Iterator[Part]:
    """The instance's status in parts (telemetry.parts). `statuses` are the workers' own, by worker; `conditions` are
    merged already; `members` is every place of the crew; `own` is what the supervisor knows better: `uptime_seconds`,
    `time`, `rules`, `reload`; `departed` are the counts of those that are gone (status.counted): a count that goes down
    is taken for a new one. `silent` are those that do not answer: what they told is from before."""
    told = [statuses[slot] for slot in sorted(statuses, key=lambda slot: (_order(statuses[slot]["phase"]), slot))]
    nothing = {"phase": "starting", "listeners": [], "latency_bounds": list(BOUNDS)}
    heads = [{key: value for key, value in one.items() if key not in _MANY} for one in told] or [nothing]
    not_ready = [f"{one.name}: {one.detail}" for one in conditions if not one.holds]
    yield {
        **_merged(heads, (), _How.ONCE),
        "not_ready": not_ready,
        "workers": [_member(member, statuses.get(member.slot), member.slot in silent) for member in members],
        **own,
    }
    gone: dict[str, Any] = {}
    for part in departed if told else ():
        extend(gone, part)
        yield {}
    for key, kind in _MANY.items():
        yield {key: kind()}
        merged = _mapping_in_parts if kind is dict else _list_in_parts
        for some in merged([one[key] for one in (*told, gone) if key in one], (key,), _How.ONCE):
            yield {key: some} if some else {}


def merge_conditions(told: Mapping[int, Sequence[Condition]]) -> list[Condition]:
    """What readiness asks for, of the instance: each holds when it does in a worker that serves. One that is being
    started again makes nobody unready, as long as another serves."""
    everyone = [told[slot] for slot in sorted(told)]
    serving = [one for one in everyone if any(condition.holds for condition in one if condition.name == SERVING)]
    found: dict[str, Condition] = {}
    for condition in (condition for one in (serving or everyone) for condition in one):
        before = found.get(condition.name)
        if before is None or (condition.holds and not before.holds):
            found[condition.name] = condition
    return list(found.values()) or [Condition(SERVING, holds=False, detail="no worker serves")]


def _member(member: Member, status: Mapping[str, Any] | None, silent: bool) -> dict[str, Any]:
    unheard = "not answering" if silent else "restarting" if member.pid is None else "starting"
    return {
        "slot": member.slot,
        "pid": member.pid,
        "phase": unheard if silent or status is None else status["phase"],
        "uptime_seconds": None if status is None else status["uptime_seconds"],
        "restarts": member.restarts,
        "connections": None if status is None else sum(status["connections"]["downstream"].values()),
        "loop_lag_seconds": None if status is None else status["loop_lag_seconds"],
    }


def _order(phase: str) -> int:
    return _PHASES.index(phase) if phase in _PHASES else len(_PHASES)


def _merged(values: Sequence[Any], place: tuple[str, ...], how: _How) -> Any:
    """What several workers say in one place; the first is who is asked where one is enough."""
    how = _PLACES.get(place, how)
    first = values[0]
    if place in _LATENCIES:
        return latency.merged(values)
    if isinstance(first, Mapping):
        return _merged_mappings([one for one in values if isinstance(one, Mapping)], place, how)
    if isinstance(first, list):
        return _merged_lists([one for one in values if isinstance(one, list)], place, how)
    numbers = [one for one in values if isinstance(one, (int, float))]  # of truths the most is whether any is true
    if how is _How.ONCE or not numbers:
        return first
    return max(numbers) if how is _How.MOST or isinstance(first, bool) else _sum(numbers)


def _merged_mappings(values: Sequence[Mapping[str, Any]], place: tuple[str, ...], how: _How) -> dict[str, Any]:
    by_kind = bool(place) and place[-1] == "policies"
    return {
        key: _merged(
            [one[key] for one in values if key in one], (*place, key.rpartition("/")[2] if by_kind else key), how
        )
        for key in dict.fromkeys(key for one in values for key in one)
    }


def _mapping_in_parts(
    values: Sequence[Mapping[str, Any]], place: tuple[str, ...], how: _How
) -> Iterator[dict[str, Any]]:
    for key in dict.fromkeys(key for one in values for key in one):
        yield {key: _merged([one[key] for one in values if key in one], (*place, key), how)}


def _merged_lists(values: Sequence[list[Any]], place: tuple[str, ...], how: _How) -> list[Any]:
    """Of figures and words, those of the first."""
    if not all(isinstance(thing, Mapping) for one in values for thing in one):
        return values[0]
    return [thing for some in _list_in_parts(values, place, how) for thing in some]


def _list_in_parts(values: Sequence[list[Any]], place: tuple[str, ...], how: _How) -> Iterator[list[Any]]:
    """Things with names are merged by their names, others by their positions."""
    found: dict[object, list[Mapping[str, Any]]] = {}
    for one in values:
        for position, thing in enumerate(one):
            found.setdefault(thing.get("name", position), []).append(thing)
            if not position % _FOUND_TOGETHER:
                yield []
    below = (*place, "*")
    merge = _merged_endpoint if place == _ENDPOINTS else _merged
    for things in found.values():
        yield [merge(things, below, how)]


def _merged_endpoint(things: Sequence[Mapping[str, Any]], place: tuple[str, ...], how: _How) -> dict[str, Any]:
    """An endpoint takes attempts when it does in any worker, and that worker is believed: each ejects by itself."""
    taking = [thing for thing in things if thing["takes_attempts"]]
    others = [thing for thing in things if not thing["takes_attempts"]]
    others.sort(key=lambda thing: not thing.get("why_down"))  # who knows why goes before who has not been told yet
    merged = _merged_mappings([*taking, *others], place, how)
    merged["workers"] = {"taking_attempts": len(taking), "all": len(things)}
    return merged


def _sum(numbers: Sequence[float]) -> float:
    total = sum(numbers)
    return round(total, 3) if isinstance(total, float) else total
