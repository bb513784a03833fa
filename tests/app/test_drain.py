"""The order of a drain, its deadline, and the second signal. The traffic is a double; no time is measured."""

import asyncio
from collections.abc import Callable

import pytest

from sidecar.app.drain import Drain, Stage, counted
from sidecar.app.lifecycle import Lifecycle, Phase

LONG = 3600.0


class FakeTraffic:
    def __init__(self, busy: int = 0) -> None:
        self.steps: list[str] = []
        self.left = busy
        self.stopped = asyncio.Event()
        self.tell: Callable[[], None] | None = None

    def announce(self) -> None:
        self.steps.append("announce")

    def stop_accepting(self) -> None:
        self.steps.append("stop accepting")
        self.stopped.set()

    def busy(self) -> int:
        return self.left

    def finish(self) -> None:
        self.left = 0
        assert self.tell is not None
        self.tell()

    def when_quiet(self, tell: Callable[[], None]) -> None:
        self.tell = tell
        if not self.left:
            tell()

    def cut(self) -> int:
        self.steps.append("cut")
        return self.left


async def run(drain: Drain) -> int:
    async with asyncio.timeout(10):
        return await drain.run()


@pytest.fixture
async def life() -> Lifecycle:
    life = Lifecycle()
    life.advance(Phase.SERVING)
    return life


async def test_beginning_leaves_serving_at_once_and_still_accepts(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    drain = Drain(life, traffic, announce=LONG, deadline=LONG)
    drain.begin("SIGTERM")
    assert (life.phase, drain.stage, traffic.steps) == (Phase.DRAINING, Stage.ANNOUNCED, ["announce"])


async def test_beginning_twice_announces_once_and_keeps_the_first_reason(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("POST /drain")
    drain.begin("SIGTERM")
    assert (drain.why, traffic.steps) == ("POST /drain", ["announce"])


async def test_a_quiet_proxy_drains_without_cutting(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("SIGTERM")
    assert await run(drain) == 0
    assert traffic.steps == ["announce", "stop accepting", "cut"]
    assert (life.phase, drain.stage) == (Phase.CLOSING, Stage.CLOSING)


async def test_the_busy_finish_in_their_own_time(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=2)
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("SIGTERM")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    assert drain.stage is Stage.DRAINING
    traffic.finish()
    assert await running == 0


async def test_what_is_left_at_the_deadline_is_cut_and_counted(life: Lifecycle) -> None:
    drain = Drain(life, FakeTraffic(busy=3), announce=0, deadline=0.01)
    drain.begin("SIGTERM")
    assert await run(drain) == 3
    assert drain.cut == 3


async def test_a_deadline_before_the_end_of_the_announcement_wins(life: Lifecycle) -> None:
    drain = Drain(life, FakeTraffic(busy=1), announce=LONG, deadline=0.01)
    drain.begin("SIGTERM")
    assert await run(drain) == 1


async def test_hurrying_ends_the_announcement(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=LONG, deadline=LONG)
    drain.begin("SIGTERM")
    drain.hurry()
    assert await run(drain) == 1
    assert traffic.steps == ["announce", "stop accepting", "cut"]


async def test_hurrying_ends_the_wait_for_the_busy(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("SIGTERM")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    drain.hurry()
    assert await running == 1


@pytest.mark.parametrize(("number", "text"), [(0, "0 requests"), (1, "1 request"), (2, "2 requests")])
def test_things_are_counted_in_words(number: int, text: str) -> None:
    assert counted(number, "request") == text


async def test_an_announcement_of_nothing_is_not_told(life: Lifecycle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Drain(life, FakeTraffic(), announce=0.0, deadline=3.0).begin("SIGINT")
    assert caplog.messages == ["draining (SIGINT): at most 3s in all"]


async def test_the_log_says_whether_anything_was_cut(life: Lifecycle, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "sidecar.drain")
    drain = Drain(life, FakeTraffic(busy=3), announce=0, deadline=0.01)
    drain.begin("SIGTERM")
    await run(drain)
    assert "draining (SIGTERM)" in caplog.text
    assert "cut off, not finished in time: 3 requests" in caplog.text
