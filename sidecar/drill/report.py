"""One drill, judged: everything that its page, its text and its JSON tell, worked out once.

Owns the sentence on top and whether the expectations were met. Draws and prints nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf

from sidecar.drill.causes import Cause
from sidecar.drill.figures import (
    Phase,
    Recovery,
    State,
    Time,
    breaker_states,
    endpoint_states,
    phases,
    quantile,
    recoveries,
    waits,
)
from sidecar.drill.parts import Part, parts
from sidecar.drill.record import Record
from sidecar.drill.verdict import Verdict, judge
from sidecar.policies.units import show_duration


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something the scenario expects, what was found, and whether that is as expected. Both are texts for people."""

    name: str
    limit: str
    found: str
    met: bool


@dataclass(frozen=True)
class Report:
    """A record with its verdict, and what follows from both."""

    record: Record
    verdict: Verdict

    @classmethod
    def of(cls, record: Record) -> Report:
        """The report on a record."""
        return cls(record, judge(record))

    @cached_property
    def time(self) -> Time:
        """The drill in bins."""
        return Time(self.record)

    @cached_property
    def causes(self) -> dict[int, Cause]:
        """Of each request that failed, by its number."""
        return {number: group.cause for group in self.verdict.groups for number in group.requests}

    @cached_property
    def breakers(self) -> dict[str, list[State]]:
        """The states of each breaker that moved."""
        return breaker_states(self.record, self.time.seconds)

    @cached_property
    def endpoints(self) -> dict[str, list[State]]:
        """The states of each endpoint that changed, as the product saw it."""
        return endpoint_states(self.record, self.time.seconds)

    @cached_property
    def parts(self) -> list[Part]:
        """What each policy has done."""
        return parts(self.record, self.verdict, self.breakers)

    @cached_property
    def phases(self) -> list[Phase]:
        """The drill between the changes of its script."""
        return phases(self.record)

    @cached_property
    def recoveries(self) -> list[Recovery]:
        """How long errors went on after each step."""
        return recoveries(self.record)

    @cached_property
    def waits(self) -> list[float]:
        """How long those answered have waited, in order; seconds."""
        return waits(self.record.requests)

    def wait(self, share: float) -> float | None:
        """The quantile of those."""
        return quantile(self.waits, share)

    def _waited(self, share: float) -> float:
        """The same, infinite where no request was answered."""
        wait = self.wait(share)
        return inf if wait is None else wait

    @property
    def amplification(self) -> float:
        """Attempts that the endpoints saw for each request; connections refused were none."""
        return len(self.record.attempts) / max(1, len(self.record.requests))

    @property
    def saved(self) -> int:
        """Requests answered after more than one attempt, or by a fallback."""
        return sum(one.ok and (one.attempts > 1 or bool(one.fallback)) for one in self.record.requests)

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        every, failed = len(self.record.requests), self.verdict.errors
        unavoidable, price, avoidable = (self.verdict.count(kind) for kind in ("unavoidable", "price", "avoidable"))
        if not every:
            return "No request came: `load.rate` and `duration` say how many do."
        if not failed:
            hid = f": {self.saved:,} of them because a rule stepped in" if self.saved else ""
            return f"All {every:,} requests were answered{hid}."
        begin = f"{failed:,} of {every:,} requests failed"
        if avoidable:
            return f"{begin}, {avoidable:,} of them although an endpoint was able and no rule forbade it."
        if not price:
            return f"{begin}, and no rule could have saved one of them."
        if not unavoidable:
            return f"{begin}, all of them at the price of a rule."
        return f"{begin}: {unavoidable:,} that nothing could have saved, and {price:,} at the price of a rule."

    @cached_property
    def expectations(self) -> list[Expectation]:
        """What the scenario expects, judged."""
        expect = self.record.scenario.expect
        share = self.verdict.errors / max(1, len(self.record.requests))
        looked: list[tuple[str, float | None, float, Callable[[float], str]]] = [
            ("client_errors", expect.client_errors, share, _percent),
            ("avoidable", expect.avoidable, self.verdict.count("avoidable"), _plain),
            ("p50", expect.p50, self._waited(0.5), wait_text),
            ("p99", expect.p99, self._waited(0.99), wait_text),
            ("attempts", expect.attempts, self.amplification, _plain),
        ]
        return [
            Expectation(name, show(limit), show(found), found <= limit + 1e-9)
            for name, limit, found, show in looked
            if limit is not None
        ]

    @property
    def met(self) -> bool:
        """Whether every expectation was met."""
        return all(one.met for one in self.expectations)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"


def _plain(value: float) -> str:
    return f"{value:.4g}"


def wait_text(seconds: float | None) -> str:
    """A wait in as many digits as mean something."""
    if seconds is None or seconds == inf:
        return "-"
    if seconds < 0.9995:
        return f"{1000 * seconds:.3g} ms"
    return f"{seconds:.3g} s"


def span_text(seconds: float) -> str:
    """A time of the script, as it is written there."""
    return show_duration(round(seconds, 3))
