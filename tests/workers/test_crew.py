"""Worker processes are started, started again when they die, and stopped; real ones, of a tiny program."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import cast

import pytest

from sidecar.telemetry.stats import Stats
from sidecar.workers.crew import Crew, CrewFailedError, Member, Start, Worker
from sidecar.workers.link import Message

ROOT = Path(__file__).resolve().parents[2]
# Interpreted, on a busy machine, the imports alone take seconds.
LIMIT = 60.0

pytestmark = pytest.mark.both_loops


class NoJitter(Random):
    """Every wait is none at all."""

    def random(self) -> float:
        return 0.0


class Watched:
    """A crew of such workers, with what was heard of it."""

    def __init__(
        self,
        count: int,
        command: Callable[[int, int], Start],
        on_started: Callable[[Worker], None] | None = None,
        on_lost: Callable[[Worker, int], None] | None = None,
    ) -> None:
        self.stats = Stats()
        self.heard: list[tuple[int, object]] = []
        self.lost: list[tuple[int, int, int]] = []
        self.lives: list[int] = []
        self._bell = asyncio.Event()
        self.crew = Crew(
            command,
            count,
            on_message=self._hear,
            on_started=on_started or (lambda worker: self.lives.append(worker.pid)),
            on_lost=on_lost or self._lose,
            stats=self.stats,
            rng=NoJitter(),
        )

    def _hear(self, worker: Worker, message: Message) -> None:
        self.heard.append((worker.slot, message.body))
        if message.body == "ready":
            self.crew.is_ready(worker)
        self._bell.set()

    def _lose(self, worker: Worker, status: int) -> None:
        self.lost.append((worker.slot, worker.pid, status))
        self._bell.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until it holds, looking again at each thing heard."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._bell.clear()
                await self._bell.wait()

    async def complete(self) -> None:
        async with asyncio.timeout(LIMIT):
            await self.crew.complete()

    @property
    def events(self) -> list[str]:
        return [f"{event.subject} {event.text}" for event in self.stats.events.recent]


def program(mode: str, *words: str) -> Callable[[int, int], Start]:
    def command(slot: int, link: int) -> Start:
        argv = [sys.executable, "-m", "tests.doubles.crew_worker", mode, str(link), str(slot), *words]
        return Start(argv, environment={**os.environ, "PYTHONPATH": str(ROOT)})

    return command


def leave(worker: Worker) -> None:
    worker.link.tell("leave")


@asynccontextmanager
async def watched(count: int, command: Callable[[int, int], Start]) -> AsyncIterator[Watched]:
    """A crew that has been started; nobody of it is left afterwards."""
    found = Watched(count, command)
    found.crew.start()
    try:
        yield found
    finally:
        await found.crew.stop(lambda _worker: None, 0.0)
    assert not found.crew.workers


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_every_place_is_taken_and_ready_and_left_in_order() -> None:
    async with watched(2, program("serve")) as seen:
        await seen.complete()
        assert [worker.slot for worker in seen.crew.workers] == [0, 1]
        assert seen.crew.members == [Member(slot, seen.crew.workers[slot].pid, True, 0) for slot in (0, 1)]
        assert seen.stats.workers_up == {0: True, 1: True}
        assert await seen.crew.stop(leave, LIMIT) == {0: 0, 1: 0}
    assert sorted((slot, status) for slot, _, status in seen.lost) == [(0, 0), (1, 0)]
    assert seen.stats.workers_up == {0: False, 1: False}
    assert (seen.stats.worker_restarts, seen.events) == (0, [])


async def test_a_worker_has_its_slot_its_link_and_the_descriptors_it_was_given_and_no_other() -> None:
    # High ones: what the worker opens itself takes the lowest that are free.
    given, other = (fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, 500) for _ in range(2))

    def command(slot: int, link: int) -> Start:
        start = program("serve", "word")(slot, link)
        return Start(start.argv, (given,), start.environment)

    async with watched(1, command) as seen:
        await seen.complete()
        (worker,) = seen.crew.workers
        answer = await worker.link.ask("who are you?", LIMIT)
    os.close(given)
    os.close(other)
    pid, words, descriptors = cast("tuple[int, list[str], Sequence[int]]", answer)
    assert (pid, words) == (worker.pid, ["0", "word"])
    assert given in descriptors
    assert other not in descriptors


async def test_a_worker_that_is_killed_is_replaced_and_that_is_told() -> None:
    async with watched(2, program("serve")) as seen:
        await seen.complete()
        first, other = seen.crew.workers
        os.kill(first.pid, signal.SIGKILL)
        await seen.until(lambda: bool(seen.lost))
        assert seen.lost == [(0, first.pid, -signal.SIGKILL)]
        assert first.link.ended
        assert seen.stats.workers_up == {0: False, 1: True}
        await seen.until(lambda: seen.stats.workers_up[0])
        replaced, same = seen.crew.workers
        assert same is other
        assert seen.crew.members[0] == Member(0, replaced.pid, True, 1)
        assert seen.stats.worker_restarts == 1
        assert seen.events == ["worker 0 was killed by SIGKILL; started again at once"]
        await replaced.link.ask("are you well?", LIMIT)


async def test_what_a_worker_said_before_it_died_is_heard_before_it_is_lost() -> None:
    async with watched(1, program("chatty")) as seen:
        await seen.until(lambda: bool(seen.lost))
        assert [body for _, body in seen.heard[:2]] == [bytes(1 << 20), "last words"]


async def test_a_crew_whose_workers_never_get_ready_gives_up_with_their_exit_code() -> None:
    async with watched(1, program("stillborn")) as seen:
        with pytest.raises(CrewFailedError, match="worker 0 ended with exit code 3 before it was ready"):
            await seen.complete()
        failure = await seen.crew.gives_up()
        assert failure.status == 3
        assert len(seen.lives) == 5


async def test_a_program_that_cannot_be_started_is_given_up_too() -> None:
    async with watched(1, lambda _slot, _link: Start(["/nowhere/at-all"])) as seen:
        with pytest.raises(CrewFailedError, match=r"could not be started: .*Errno 2") as raised:
            await seen.complete()
    assert raised.value.status is None


async def test_a_place_that_cannot_be_kept_does_not_end_those_who_serve() -> None:
    def command(slot: int, link: int) -> Start:
        # The other one serves before this one begins to fail for good.
        broken = slot == 1 and seen.stats.workers_up[0]
        return program("stillborn" if broken else "serve")(slot, link)

    async with watched(2, command) as seen:
        await seen.complete()
        os.kill(seen.crew.workers[1].pid, signal.SIGKILL)
        await seen.until(lambda: len(seen.lost) == 7)
        assert seen.stats.workers_up == {0: True, 1: False}
        assert {slot for slot, _, _ in seen.lost} == {1}


async def test_a_worker_that_does_not_leave_in_time_is_killed() -> None:
    async with watched(1, program("stubborn")) as seen:
        await seen.complete()
        assert await seen.crew.stop(leave, 0.01) == {0: -signal.SIGKILL}
        assert seen.stats.worker_restarts == 0


@pytest.mark.parametrize("turns", [0, 1, 2, 5])
async def test_stopping_ends_those_that_are_not_even_started(turns: int) -> None:
    async with watched(2, program("serve")) as seen:
        for _ in range(turns):
            await asyncio.sleep(0)
        await seen.crew.stop(leave, 0.0)
        await seen.crew.stop(leave, 0.0)
    assert not any(map(is_alive, seen.lives))


async def test_a_failure_of_whoever_is_told_of_a_worker_costs_a_life_and_not_the_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failures = ["started", "lost"]

    def fail_once(what: str) -> None:
        if what in failures:
            failures.remove(what)
            raise RuntimeError("a bug")

    seen = Watched(1, program("serve"), on_started=lambda _: fail_once("started"), on_lost=lambda *_: fail_once("lost"))
    seen.crew.start()
    await seen.complete()
    assert failures == []
    assert seen.stats.worker_restarts == 1
    assert await seen.crew.stop(leave, LIMIT) == {0: 0}
    assert caplog.text.count("RuntimeError: a bug") == 2


async def test_one_that_is_aborted_is_told_of_as_such() -> None:
    async with watched(1, program("serve")) as seen:
        await seen.complete()
        seen.crew.workers[0].abort()
        await seen.until(lambda: bool(seen.lost))
        await seen.until(lambda: seen.stats.workers_up[0])
        assert seen.events == ["worker 0 was killed by SIGABRT; started again at once"]


async def test_a_worker_notices_that_its_supervisor_is_gone() -> None:
    async with watched(1, program("serve")) as seen:
        await seen.complete()
        (worker,) = seen.crew.workers
        worker.link.close()  # as the kernel does for a supervisor that dies
        await seen.until(lambda: bool(seen.lost))
        assert seen.lost == [(0, worker.pid, 9)]
