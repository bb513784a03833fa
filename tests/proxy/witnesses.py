"""Observers that remember, an admission that says what the test wants, dice that always show the same."""

from __future__ import annotations

import random
from typing import Any

from sidecar.model.observer import RouteObserver, UpstreamObserver
from sidecar.model.outcome import Outcome
from sidecar.model.reason import Reason
from sidecar.model.record import ExchangeLog, ExchangeRecord
from sidecar.policies.contract import WAIT, Admission, Applicant

PERMIT = 1  # of a Gate: go on, with a permit


class RouteLog(RouteObserver):
    """A RouteObserver that remembers."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.finishes: list[tuple[bytes, int, float]] = []
        self.rejections: list[tuple[str, Reason]] = []
        self.retries: list[str] = []
        self.skipped: list[str] = []
        self.fallbacks: list[tuple[str, str]] = []
        self.shadowed: list[str] = []
        self.broken: dict[str, Exception] = {}  # what a method of this name raises

    def _meets(self, name: str) -> None:
        if name in self.broken:
            raise self.broken[name]

    def started(self) -> None:
        self._meets("started")
        self.in_flight += 1

    def finished(self, method: bytes, status: int, seconds: float, trace_id: bytes, sampled: bool) -> None:
        self._meets("finished")
        self.in_flight -= 1
        self.finishes.append((method, status, seconds))

    def rejected(self, rule: str, reason: Reason) -> None:
        self._meets("rejected")
        self.rejections.append((rule, reason))

    def retried(self, reason: str) -> None:
        self._meets("retried")
        self.retries.append(reason)

    def retry_skipped(self, why: str) -> None:
        self.skipped.append(why)

    def shadow_rejected(self, rule: str, reason: Reason) -> None:
        self.shadowed.append(rule)

    def fell_back(self, kind: str, cause: str) -> None:
        self._meets("fell_back")
        self.fallbacks.append((kind, cause))


class AttemptLog(UpstreamObserver):
    """An UpstreamObserver that remembers how attempts ended."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.broken: Exception | None = None

    def attempt_finished(self, outcome: str, seconds: float) -> None:
        if self.broken is not None:
            raise self.broken
        self.outcomes.append(outcome)


class Half(random.Random):
    """Dice that always show a half: of a backoff's bound, so a first wait takes half of its base."""

    def random(self) -> float:
        return 0.5


class Gate(Admission):
    """An admission that says what the test wants, and counts the permits it has out."""

    def __init__(self, name: str = "everything/gate", *verdicts: int) -> None:
        super().__init__(name, Reason.CONCURRENCY_LIMITED)
        self.verdicts = list(verdicts)
        self.given = 0
        self.out: list[int] = []
        self.settled: list[Outcome] = []
        self.waiting: list[Any] = []
        self.broken: dict[str, Exception] = {}

    def _verdict(self, applicant: Applicant) -> int:
        verdict = self.verdicts.pop(0) if self.verdicts else PERMIT
        if verdict == WAIT:
            self.waiting.append(applicant)
        if verdict != PERMIT:
            return verdict
        self.given += 1
        self.out.append(self.given)
        return self.given

    def try_acquire(self, now: float, applicant: Applicant) -> int:
        if "try_acquire" in self.broken:
            raise self.broken["try_acquire"]
        return self._verdict(applicant)

    def resume(self, now: float, applicant: Applicant) -> int:
        if "resume" in self.broken:
            raise self.broken["resume"]
        self.waiting.remove(applicant)
        return self._verdict(applicant)

    def withdraw(self, now: float, applicant: Applicant) -> None:
        self.waiting.remove(applicant)

    def settle(self, now: float, permit: int, outcome: Outcome, seconds: float) -> None:
        self.out.remove(permit)
        self.settled.append(outcome)
        if "settle" in self.broken:
            raise self.broken["settle"]

    def answer_fields(self, now: float, applicant: Applicant) -> bytes:
        if "answer_fields" in self.broken:
            raise self.broken["answer_fields"]
        return b"RateLimit: x\r\n"


class RecordLog(ExchangeLog):
    """An ExchangeLog that keeps every record."""

    def __init__(self) -> None:
        self.records: list[ExchangeRecord] = []

    def wants(self, status: int, refused: bool, seconds: float) -> bool:
        return True

    def exchange(self, record: ExchangeRecord) -> None:
        self.records.append(record)
