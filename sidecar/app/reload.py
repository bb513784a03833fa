"""Reads the rules again and has them taken over, one reload at a time.

Owns the order of reloads, what is told of them, and which rules are the current ones. Knows neither where rules come
from nor what runs under them: both are handed in.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

from sidecar.app.aside import aside, short_turns
from sidecar.app.garbage import undisturbed
from sidecar.rules.difference import Change, difference
from sidecar.rules.load import Loaded
from sidecar.rules.problems import ConfigError
from sidecar.telemetry.stats import Stats
from sidecar.transport.tasks import Tasks

_LOG = logging.getLogger("sidecar.reload")

# A thousand new routes are one reload; nobody reads each of them in a log or in /status.
_TOLD = 100

# Whoever mounts a server that is away, or names a pipe that nobody writes to, must not end reloading for good.
_READ_SECONDS = 30.0

_T = TypeVar("_T")

Result = Literal["reloaded", "unchanged", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of a reload. `time` is when it ended, in Unix seconds; `generation` and `digest` are of the rules in
    force after it. `problems` say why it failed, each with its place, as `sidecar check` prints it."""

    result: Result
    why: str
    time: float
    seconds: float
    generation: int
    digest: str
    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    note: str = ""

    @property
    def text(self) -> str:
        """The report in a sentence."""
        if self.result == "failed":
            return f"{self.why}: failed, generation {self.generation} stays in force: {self.problems[0]}"
        if self.result == "unchanged":
            return f"{self.why}: unchanged, generation {self.generation}{self.note and f': {self.note}'}"
        count = len(self.changes)
        return f"{self.why}: generation {self.generation} is in force, {count} change{'s' if count != 1 else ''}"

    def as_mapping(self) -> dict[str, object]:
        """The report as JSON shows it; of many changes the first hundred."""
        return {
            "result": self.result,
            "why": self.why,
            "time": round(self.time, 3),
            "seconds": round(self.seconds, 3),
            "generation": self.generation,
            "hash": self.digest,
            "changes": _first(self.changes),
            "problems": list(self.problems),
            "warnings": list(self.warnings),
            "note": self.note,
        }


class _Request:
    """The reload that is to come, and why, for everybody who asks for it."""

    __slots__ = ("done", "whys")

    def __init__(self) -> None:
        self.whys: dict[str, None] = {}
        self.done: asyncio.Future[Report] = asyncio.get_running_loop().create_future()


class Reloader:
    """The one way to new rules.

    `read` loads them, on a thread, within `patience` seconds; `adopt` has them taken over on the loop, whole or not at
    all, and says by an OSError or a ConfigError that it cannot. `current` are the rules in force and `generation` is
    their number. `sources` are the files of the last attempt, be it a failed one: what was wrong may be repaired in any
    of them. `tidy` is called after each reload, whatever came of it, before anything is collected again.
    """

    def __init__(
        self,
        read: Callable[[], Loaded],
        adopt: Callable[[Loaded], Awaitable[None]],
        current: Loaded,
        stats: Stats,
        tasks: Tasks,
        *,
        tidy: Callable[[], None] = lambda: None,
        patience: float = _READ_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._read = read
        self._adopt = adopt
        self._stats = stats
        self._tasks = tasks
        self._tidy = tidy
        self.patience = patience
        self._clock = clock
        self._wall = wall
        self._next: _Request | None = None
        self._work: asyncio.Task[None] | None = None
        self.current = current
        self.generation = 1
        self.sources: Mapping[str, str] = current.sources
        self.last: Report | None = None
        self.last_error: Report | None = None
        self._subscribers: list[Callable[[], None]] = []

    def subscribe(self, subscriber: Callable[[], None]) -> None:
        """Call `subscriber` whenever other rules have come into force."""
        self._subscribers.append(subscriber)

    async def reload(self, why: str) -> Report:
        """Read the rules again. What came of it is told, never raised.

        While one reload is at work, whoever asks waits for the next one, which reads what is there by then, and shares
        it. Who asked may leave: a reload under way goes on.
        """
        request = self._next = self._next or _Request()
        request.whys[why] = None
        work = self._work
        if work is None or work.done():
            work = self._work = self._tasks.start(self._run(), "reload")
        # Not awaited itself: whoever leaves would take the others' reload along.
        await asyncio.wait((work, request.done), return_when=asyncio.FIRST_COMPLETED)
        if request.done.done():
            return request.done.result()
        return self._report("failed", why, self._clock(), problems=("the process ends",))

    def as_mapping(self) -> dict[str, object]:
        """For /status: the last reload, and the last that failed; null where there was none."""
        last, failed = self.last, self.last_error
        return {
            "last": None if last is None else last.as_mapping(),
            "last_error": None if failed is None else failed.as_mapping(),
        }

    async def _run(self) -> None:
        while (request := self._next) is not None:
            self._next = None
            report = await self._reloaded(", ".join(request.whys), self._clock())
            self._note(report)
            request.done.set_result(report)

    async def _reloaded(self, why: str, begun: float) -> Report:
        with undisturbed():
            report = await self._undisturbed(why, begun)
            self._tidy()
            return report

    async def _undisturbed(self, why: str, begun: float) -> Report:
        try:
            loaded = await self._loaded()
            self.sources = loaded.sources
            warnings = tuple(map(str, loaded.warnings))
            if loaded.digest == self.current.digest:
                self.current = loaded  # the same values, but maybe from other lines and files
                note = "" if loaded.sources else "there is no file to read again"
                return self._report("unchanged", why, begun, warnings=warnings, note=note)
            changes = await _aside(partial(difference, self.current, loaded))
            await self._adopt(loaded)
        except ConfigError as error:
            self.sources = error.sources or self.sources
            problems = tuple(str(problem) for problem in error.problems if problem.severity == "error")
            problems = problems or ("the rules cannot be used",)
        except OSError as error:
            problems = (error.strerror or str(error),)
        except Exception as error:  # noqa: BLE001 - the rules in force outlive whatever a reload runs into
            _LOG.exception("a reload failed unexpectedly")
            problems = (f"{type(error).__name__}: {error}",)
        else:
            self.current = loaded
            self.generation += 1
            for subscriber in self._subscribers:
                subscriber()
            return self._report("reloaded", why, begun, changes=changes, warnings=warnings)
        return self._report("failed", why, begun, problems=problems)

    async def _loaded(self) -> Loaded:
        try:
            async with asyncio.timeout(self.patience):
                return await _aside(self._read)
        except TimeoutError:
            raise TimeoutError(
                f"the rules were not read within {self.patience:g} s; is a file of theirs a pipe that nobody writes "
                "to, or on a server that does not answer?"
            ) from None

    def _report(
        self,
        result: Result,
        why: str,
        begun: float,
        *,
        changes: tuple[Change, ...] = (),
        problems: tuple[str, ...] = (),
        warnings: tuple[str, ...] = (),
        note: str = "",
    ) -> Report:
        return Report(
            result=result,
            why=why,
            time=self._wall(),
            seconds=self._clock() - begun,
            generation=self.generation,
            digest=self.current.digest,
            changes=changes,
            problems=problems,
            warnings=warnings,
            note=note,
        )

    def _note(self, report: Report) -> None:
        """Where a reload can be seen: /status, metrics, an event, and the log."""
        stats = self._stats
        failed = report.result == "failed"
        self.last = report
        if failed:
            self.last_error = report
        stats.config_reloads[report.result] += 1
        stats.config_reload_failed = failed
        if report.result == "reloaded":
            stats.config_generation = report.generation
            stats.config_hash = report.digest
            stats.config_reloaded_at = report.time
            for warning in report.warnings:
                _LOG.warning("%s", warning)
        told = {"result": report.result, "why": report.why, "generation": report.generation}
        stats.events.tell("reload", "rules", report.text, told, alarming=failed)
        for problem in report.problems:
            _LOG.error("%s", problem)
        for change in _first(report.changes):
            _LOG.info("%s", change)


async def _aside(work: Callable[[], _T]) -> _T:
    """The result of `work`, done on a thread that takes short turns."""
    with short_turns():
        return await aside(work)


def _first(changes: tuple[Change, ...]) -> list[str]:
    told = [str(change) for change in changes[:_TOLD]]
    if len(changes) > _TOLD:
        told.append(f"and {len(changes) - _TOLD} more")
    return told
