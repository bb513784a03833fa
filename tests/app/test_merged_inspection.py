"""Every process of an instance is asked, and one that does not answer is told of by what is wrong with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import cast

import pytest

from sidecar.app.merged_inspection import MergedInspection
from sidecar.app.messages import Cease, Inspect
from sidecar.debug.terms import BusyError, LoopTerms, MemoryTerms, NoSuchWorkerError, ProfileTerms, TaskTerms, Terms
from sidecar.workers.crew import Crew, Member
from sidecar.workers.link import LinkEndedError, LinkRefusedError

Answer = Callable[[], Awaitable[object]]


class FakeLink:
    """Answers as it is told to, within the time that it is given."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[tuple[Terms, float]] = []
        self.number = -1
        self.ceased: list[int] = []
        self.heard = asyncio.Event()

    async def ask(self, body: Inspect, seconds: float) -> object:
        self.number = body.number
        self.asked.append((body.terms, seconds))
        self.heard.set()
        async with asyncio.timeout(seconds):
            return await self._answer()

    def tell(self, body: Cease) -> None:
        self.ceased.append(body.number)


def crew(*links: FakeLink | None) -> Crew:
    """Workers with these links; None has its place and does not serve."""
    members = [Member(slot, 1, ready=link is not None, restarts=0) for slot, link in enumerate(links)]
    workers = [SimpleNamespace(slot=slot, ready=link is not None, link=link) for slot, link in enumerate(links)]
    return cast("Crew", SimpleNamespace(members=members, workers=workers))


async def fine() -> object:
    return {"count": 7}


async def never() -> object:
    return await asyncio.Event().wait()


async def ended() -> object:
    raise LinkEndedError


async def refused() -> object:
    raise LinkRefusedError("a profile is under way; one is taken at a time")


async def test_each_process_answers_for_itself() -> None:
    link = FakeLink(fine)
    told = await MergedInspection(crew(link, FakeLink(fine))).inspect(TaskTerms(), None)
    assert list(told) == ["supervisor", "worker 0", "worker 1"]
    assert "threads" in told["supervisor"]
    assert told["worker 0"] == told["worker 1"] == {"count": 7}
    assert link.asked == [(TaskTerms(), 5.0)]


async def test_one_worker_is_asked_alone_and_one_that_there_is_not_is_refused() -> None:
    first, second = FakeLink(fine), FakeLink(fine)
    inspection = MergedInspection(crew(first, second))
    assert await inspection.inspect(LoopTerms(3.0), 1) == {"worker 1": {"count": 7}}
    assert await inspection.inspect(MemoryTerms(), 1) == {"worker 1": {"count": 7}}
    assert (first.asked, second.asked) == ([], [(LoopTerms(3.0), 8.0), (MemoryTerms(), 30.0)])
    with pytest.raises(NoSuchWorkerError) as unknown:
        await inspection.inspect(TaskTerms(), 2)
    assert (str(unknown.value), unknown.value.known) == ("there is no worker 2", (0, 1))


async def test_who_does_not_answer_is_named_with_the_reason() -> None:
    late = FakeLink(never)
    links = (late, FakeLink(ended), FakeLink(refused), None)
    told = await MergedInspection(crew(*links), patience=0.01).inspect(TaskTerms(), None)
    assert [told[f"worker {slot}"] for slot in range(4)] == [
        {"error": "no answer within 0.01 s: it stands still, or is very busy"},
        {"error": "it ended before it answered"},
        {"error": "a profile is under way; one is taken at a time"},
        {"error": "it does not serve yet"},
    ]
    assert late.ceased == [late.number]


async def test_whoever_leaves_ends_what_the_workers_do_for_it() -> None:
    link = FakeLink(never)
    inspection = MergedInspection(crew(link))
    task = asyncio.ensure_future(inspection.inspect(ProfileTerms(60.0, 10), None))
    await link.heard.wait()
    with pytest.raises(BusyError):
        await inspection.inspect(ProfileTerms(1.0, 10), None)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert link.ceased == [link.number]
    assert await MergedInspection(crew(FakeLink(fine))).inspect(ProfileTerms(0.1, 10), 0) == {"worker 0": {"count": 7}}
