"""The result of a run: every sample of every round, and the medians the tables are made of. JSON in and out."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median


@dataclass(frozen=True, slots=True)
class Sample:
    """One load through one proxy in one round. `cpu_seconds` is the proxy's own, None for the direct row."""

    round: int
    load: str
    proxy: str
    requests: int
    seconds: float
    cpu_seconds: float | None
    errors: int
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Footprint:
    """One fresh start of one proxy. `idle_bytes`: memory after the first answer; per idle connection on top of that."""

    round: int
    proxy: str
    start_ms: float
    idle_bytes: int
    connection_bytes: float
    errors: int


@dataclass(slots=True)
class Result:
    """A whole run; `machine`, `versions` and `settings` are what one needs to judge or repeat it."""

    date: str
    commit: str
    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    samples: list[Sample] = field(default_factory=list)
    footprints: list[Footprint] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    """Rows that could not be measured: installed but did not come up, or policies that are not in force."""

    def errors(self) -> int:
        """Failed requests of the whole run: a result with any is no result."""
        return sum(sample.errors for sample in self.samples) + sum(each.errors for each in self.footprints)

    def proxies(self) -> list[str]:
        """Row names in the order they were measured first."""
        return list(dict.fromkeys([sample.proxy for sample in self.samples] + [each.proxy for each in self.footprints]))

    def row(self, load: str, proxy: str) -> "Row | None":
        """The medians of one cell of the tables, or None when it was not measured."""
        return Row.of([sample for sample in self.samples if (sample.load, sample.proxy) == (load, proxy)])

    def footprint(self, proxy: str) -> Footprint | None:
        """The medians of all starts of `proxy`, or None when it was not measured."""
        found = [each for each in self.footprints if each.proxy == proxy]
        if not found:
            return None
        return Footprint(
            round=len(found),
            proxy=proxy,
            start_ms=median(each.start_ms for each in found),
            idle_bytes=round(median(each.idle_bytes for each in found)),
            connection_bytes=median(each.connection_bytes for each in found),
            errors=sum(each.errors for each in found),
        )

    def to_json(self) -> str:
        """Everything, readable and stable."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Result":
        """What `to_json` wrote."""
        values = json.loads(text)
        samples = [Sample(**sample) for sample in values.pop("samples")]
        footprints = [Footprint(**each) for each in values.pop("footprints")]
        return cls(**values, samples=samples, footprints=footprints)

    def save(self, path: Path) -> None:
        """Write the JSON to `path`, whose folder is made when missing."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.to_json())


@dataclass(frozen=True, slots=True)
class Row:
    """Medians over the rounds of one load through one proxy; errors are summed, because one is already too many."""

    rate: float
    cpu_us: float | None
    errors: int
    p50_ms: float
    p99_ms: float

    @classmethod
    def of(cls, samples: list[Sample]) -> "Row | None":
        """The medians of `samples`, or None without any."""
        if not samples:
            return None
        costs = [s.cpu_seconds / s.requests * 1e6 for s in samples if s.cpu_seconds is not None and s.requests]
        return cls(
            rate=median(sample.requests / sample.seconds for sample in samples),
            cpu_us=median(costs) if costs else None,
            errors=sum(sample.errors for sample in samples),
            p50_ms=median(sample.p50_ms for sample in samples),
            p99_ms=median(sample.p99_ms for sample in samples),
        )
