"""What a soak comes to: flat or not, as pure functions of its samples.

Growth is that of a Theil-Sen line, the median of the slopes between all pairs of samples: a few samples taken in the
middle of a burst, or a heap that grew once by a step and stayed, do not bend it. It is told as a share of where the
line begins, over the whole time that is judged; the warm-up before is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.soak_acts import ACTS

MEMORY_RATIO = 0.02
TREND_RATIO = 0.10
TREND_LEAST = 5.0
"""Descriptors and tasks may drift by so many, or by TREND_RATIO: each connection of a client comes and goes."""
LATENCY_RATIO = 1.2
LATENCY_LEAST_MS = 0.5
"""Below this a difference is the machine's."""
_WARM_RATIO, _WARM_SECONDS, _WARM_MOST_RATIO = 0.2, 120.0, 0.4


@dataclass(frozen=True, slots=True)
class Sample:
    """The process at one instant; None where it was not asked. Sizes in bytes."""

    seconds: float
    resident: float
    anonymous: float
    descriptors: float
    tasks: float
    deadlines: float
    lag: float
    downstream: float
    upstream: float
    in_flight: float
    cpu_seconds: float
    objects: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was judged."""

    what: str
    told: str
    passed: bool


def warm_up(seconds: float) -> float:
    """How long a soak of so many seconds warms up."""
    return max(_WARM_RATIO * seconds, min(_WARM_SECONDS, _WARM_MOST_RATIO * seconds))


def line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and height at x = 0 of the Theil-Sen line through the points; flat for fewer than two."""
    slopes = [
        (later[1] - earlier[1]) / (later[0] - earlier[0])
        for place, earlier in enumerate(points)
        for later in points[place + 1 :]
        if later[0] > earlier[0]
    ]
    slope = median(slopes) if slopes else 0.0
    return slope, median([y - slope * x for x, y in points]) if points else 0.0


def growth(points: Sequence[tuple[float, float]]) -> float:
    """By how much the line rises from the first point to the last."""
    if len(points) < 2:
        return 0.0
    return line(points)[0] * (points[-1][0] - points[0][0])


def share(points: Sequence[tuple[float, float]]) -> float:
    """`growth` as a share of the line's beginning."""
    if len(points) < 2:
        return 0.0
    slope, height = line(points)
    begins = height + slope * points[0][0]
    return growth(points) / begins if begins else 0.0


def memory(samples: Sequence[Sample]) -> Finding:
    """Whether resident memory is flat."""
    points = [(sample.seconds, sample.resident) for sample in samples]
    found = share(points)
    mib = median([sample.resident for sample in samples]) / (1 << 20)
    return Finding("resident memory", f"{mib:.1f} MiB, {found:+.2%} from end to end", found < MEMORY_RATIO)


def level(samples: Sequence[Sample], what: str) -> Finding:
    """Whether descriptors, or tasks, are flat."""
    points = [(sample.seconds, float(getattr(sample, what))) for sample in samples]
    found = growth(points)
    middle = median([value for _, value in points])
    flat = found <= max(TREND_LEAST, TREND_RATIO * middle)
    return Finding(what, f"{middle:.0f}, {found:+.1f} from end to end", flat)


def latency(samples: Sequence[Sample]) -> Finding:
    """Whether the steady client's slowest in a hundred is as fast at the end as in the beginning."""
    points = [(sample.seconds, sample.p99_ms) for sample in samples if sample.p99_ms is not None]
    third = len(points) // 3
    if not third:
        return Finding("p99 of the steady client", "too few samples", passed=False)
    first = median([value for _, value in points[:third]])
    last = median([value for _, value in points[-third:]])
    flat = last <= LATENCY_RATIO * first or last - first < LATENCY_LEAST_MS
    told = f"{first:.2f} ms in the first third, {last:.2f} ms in the last"
    return Finding("p99 of the steady client", told, flat)


def settled(before: Sample, after: Sample) -> Finding:
    """Whether nothing is left once the traffic has ended."""
    parts = [
        f"{what} {getattr(before, what):.0f} before and {getattr(after, what):.0f} after"
        for what in ("descriptors", "tasks")
    ]
    left = after.downstream + after.upstream + after.in_flight
    parts.append(f"{left:.0f} connections and requests left")
    back = after.descriptors <= before.descriptors and after.tasks <= before.tasks and not left
    return Finding("after the traffic", ", ".join(parts), back)


def unexpected(outcomes: dict[str, dict[str, int]]) -> dict[str, int]:
    """What clients met that they should not have, by act and outcome."""
    expected = {act.name: act.expected for act in ACTS}
    return {
        f"{name}: {outcome}": count
        for name, found in outcomes.items()
        for outcome, count in found.items()
        if outcome not in expected.get(name, ())
    }


def clients(outcomes: dict[str, dict[str, int]]) -> Finding:
    """Whether every client acted, and met what it should."""
    total = sum(sum(found.values()) for found in outcomes.values())
    wrong = [f"{count} × {what}" for what, count in sorted(unexpected(outcomes).items())]
    wrong += [f"{act.name} never acted" for act in ACTS if not outcomes.get(act.name)]
    return Finding("clients", f"{total} acts, {', '.join(wrong) or 'nothing unexpected'}", not wrong)


def log(text: str) -> Finding:
    """Whether the process has told of a bug."""
    count = text.count("Traceback (most recent call last)")
    return Finding("log", f"{len(text.splitlines())} lines, {count} tracebacks", not count)
