"""The demo backend's mood: what fails, how late answers are, and that another mood ends by itself."""

from __future__ import annotations

import random

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sidecar.demo.chaos import Chaos, Mood


class Day:
    """A mood in a time that stands still until it is moved, asked request by request."""

    def __init__(self, usual: Mood, seed: int = 1) -> None:
        self.now = 100.0
        self.waits: list[float] = []
        self.chaos = Chaos(usual, random.Random(seed), self._pause, lambda: self.now)

    async def _pause(self, seconds: float) -> None:
        self.waits.append(seconds)

    async def status(self, path: str = "/") -> int:
        async def handler(_request: web.Request) -> web.StreamResponse:
            return web.Response(status=204)

        return (await self.chaos.around(make_mocked_request("GET", path), handler)).status

    async def set(self, query: str) -> None:
        await self.chaos.change(make_mocked_request("POST", f"/chaos?{query}"))


async def test_a_steady_backend_answers_everything_at_once() -> None:
    day = Day(Mood())
    assert {await day.status() for _ in range(50)} == {204}
    assert day.waits == []


async def test_the_share_that_fails_is_the_one_asked_for() -> None:
    day = Day(Mood(flaky=0.2))
    statuses = [await day.status() for _ in range(300)]
    assert set(statuses) == {204, 503}
    assert 40 < statuses.count(503) < 80


async def test_each_answer_waits_no_longer_than_asked_for() -> None:
    day = Day(Mood(slow=0.2))
    for _ in range(100):
        assert await day.status() == 204
    assert len(day.waits) == 100
    assert 0 <= min(day.waits) < 0.02
    assert 0.18 < max(day.waits) <= 0.2


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/chaos"])
async def test_health_and_the_mood_itself_are_spared(path: str) -> None:
    day = Day(Mood(flaky=1.0, slow=1.0))
    assert await day.status(path) == 204
    assert day.waits == []
    assert await day.status("/healthzz") == 503


async def test_another_mood_ends_by_itself() -> None:
    day = Day(Mood(slow=0.1))
    await day.set("flaky=1&for=20")
    assert day.chaos.mood == Mood(flaky=1.0, slow=0.1)
    day.now += 19.9
    assert await day.status() == 503
    day.now += 0.2
    assert await day.status() == 204
    assert day.chaos.mood == Mood(slow=0.1)


async def test_another_mood_is_called_off_by_giving_it_no_time() -> None:
    day = Day(Mood())
    await day.set("flaky=1")
    await day.set("for=0")
    assert day.chaos.mood == Mood()


async def test_a_mood_that_cannot_be_is_refused_and_changes_nothing() -> None:
    day = Day(Mood())
    for query in ("flaky=1.1", "slow=61", "flaky=1&for=601"):
        with pytest.raises(web.HTTPBadRequest):
            await day.set(query)
    assert day.chaos.mood == Mood()
