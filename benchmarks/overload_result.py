"""What a run of the overload benchmark has measured, and the figures that its tables are made of. JSON in and out."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.overload_load import Verdict

_BACK = 0.9
_BACK_SECONDS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """One load on one row. `load` counts capacities; `worked` is how many requests the backend did, whoever still
    wanted them; `busy` is the share of the whole machine's processors in use meanwhile."""

    row: str
    load: float
    verdict: Verdict
    worked: int
    busy: float

    @property
    def refused_share(self) -> float:
        """Of the requests that were offered."""
        return self.verdict.refused / self.verdict.offered if self.verdict.offered else 0.0

    @property
    def wasted_share(self) -> float:
        """Of the work that the backend did: what no caller had in time."""
        return max(0.0, 1 - sum(self.verdict.series) / self.worked) if self.worked else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowdown:
    """The second scenario: from `begins` to `ends` each request takes `factor` times as long; seconds since the start
    of the load, which is `load` capacities for `seconds`."""

    load: float
    seconds: float
    begins: float
    ends: float
    factor: float


@dataclass(slots=True)
class Result:
    """A whole run; `machine`, `versions` and `settings` are what one needs to judge or repeat it."""

    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    capacity: float
    seconds: float
    slowdown: Slowdown
    ramp: list[Point] = field(default_factory=list)
    steps: list[Point] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Rows that could not be measured, and why."""

    def loads(self) -> list[float]:
        """Every load that was measured, ascending."""
        return sorted({point.load for point in self.ramp})

    def point(self, row: str, load: float) -> Point | None:
        """One cell of the tables, or None when it was not measured."""
        return next((point for point in self.ramp if (point.row, point.load) == (row, load)), None)

    def step(self, row: str) -> Point | None:
        """How `row` went through the slowdown, or None when it was not measured."""
        return next((point for point in self.steps if point.row == row), None)

    def goodput(self, row: str, load: float) -> float | None:
        """Good answers per second as a share of the capacity."""
        point = self.point(row, load)
        return None if point is None else point.verdict.good / self.seconds / self.capacity

    def kept(self, row: str) -> float | None:
        """The lowest goodput from the capacity on, as a share of the highest anywhere; None without such loads."""
        found = [(load, good) for load in self.loads() if (good := self.goodput(row, load)) is not None]
        beyond = [good for load, good in found if load >= 1]
        best = max((good for _, good in found), default=0.0)
        return min(beyond) / best if beyond and best else None

    def phase(self, row: str, begin: float, end: float) -> float | None:
        """Good answers per second to what was due in these seconds of the slowdown, as a share of the capacity."""
        point = self.step(row)
        if point is None:
            return None
        counted = point.verdict.series[round(begin) : round(end)]
        return sum(counted) / len(counted) / self.capacity if counted else None

    def recovery(self, row: str) -> float | None:
        """Seconds from the end of the slowdown until nine tenths of what is offered are answered, three seconds
        running; None when that did not happen any more."""
        point = self.step(row)
        offered = self.slowdown.load * self.capacity
        series = point.verdict.series if point is not None else []
        first = round(self.slowdown.ends)
        for second in range(first, len(series) - _BACK_SECONDS + 1):
            if sum(series[second : second + _BACK_SECONDS]) >= _BACK * offered * _BACK_SECONDS:
                return float(second - first)
        return None

    def save(self, path: Path) -> None:
        """Write JSON to `path`, whose folder is made when missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Result":
        """What `save` wrote."""
        values = json.loads(path.read_text())
        ramp, steps = ([_point(each) for each in values.pop(name)] for name in ("ramp", "steps"))
        return cls(**{**values, "slowdown": Slowdown(**values["slowdown"])}, ramp=ramp, steps=steps)


def _point(values: dict[str, object]) -> Point:
    verdict = values.pop("verdict")
    assert isinstance(verdict, dict)
    return Point(verdict=Verdict(**verdict), **values)  # type: ignore[arg-type]
