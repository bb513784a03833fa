"""The order of a drain, its deadline, and the second signal. The traffic is a double; no time is measured."""

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest

from sidecar.app.drain import Drain, Stage, counted, told
from sidecar.app.lifecycle import Lifecycle, Phase

LONG = 3600.0
SHORT = 0.01
ALL = ["announce", "stop accepting", "refresh", "close idle", "leave websockets", "cut"]


class FakeTraffic:
    def __init__(self, busy: int = 0) -> None:
        self.steps: list[str] = []
        self.reports: list[tuple[Stage, str, int]] = []
        self.left = busy
        self.ends_at = 0.0
        self.stopped = asyncio.Event()
        self.tell: Callable[[], None] | None = None

    def announce(self, ends_at: float) -> None:
        self.steps.append("announce")
        self.ends_at = ends_at

    def stop_accepting(self) -> None:
        self.steps.append("stop accepting")

    async def refresh(self) -> None:
        self.steps.append("refresh")

    def close_idle(self) -> None:
        self.steps.append("close idle")

    def in_flight(self) -> Mapping[str, int]:
        return {"requests": self.left, "tunnels": 0, "websockets": 0}

    def finish(self) -> None:
        self.left = 0
        assert self.tell is not None
        self.tell()

    def when_quiet(self, tell: Callable[[], None]) -> None:
        self.stopped.set()
        self.tell = tell
        if not self.left:
            tell()

    def leave_websockets(self) -> None:
        self.steps.append("leave websockets")

    def hurry(self, tell: Callable[[], None]) -> None:
        tell()

    def cut(self) -> int:
        self.steps.append("cut")
        return self.left

    def report(self, stage: Stage, text: str, cut: int = 0) -> None:
        self.reports.append((stage, text, cut))

    @property
    def texts(self) -> list[str]:
        return [text for _stage, text, _cut in self.reports]


async def run(drain: Drain) -> int:
    async with asyncio.timeout(10):
        return await drain.run()


@pytest.fixture
async def life() -> Lifecycle:
    life = Lifecycle()
    life.advance(Phase.SERVING)
    return life


async def test_who_leaves_before_it_has_served_announces_nothing() -> None:
    traffic = FakeTraffic()
    drain = Drain(Lifecycle(), traffic, announce=LONG, deadline=2 * LONG)
    drain.begin("SIGTERM")
    assert traffic.texts == ["draining (SIGTERM): at most 7200s in all"]
    assert await run(drain) == 0


async def test_beginning_leaves_serving_at_once_and_still_accepts(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    drain = Drain(life, traffic, announce=LONG, deadline=LONG)
    drain.begin("SIGTERM")
    assert (life.phase, drain.stage, traffic.steps) == (Phase.DRAINING, Stage.ANNOUNCED, ["announce"])


async def test_whoever_looks_learns_when_the_rest_is_cut(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    before = time.time()
    Drain(life, traffic, announce=0, deadline=LONG).begin("SIGTERM")
    assert before + LONG <= traffic.ends_at <= time.time() + LONG


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
    assert traffic.steps == ALL
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
    traffic = FakeTraffic(busy=3)
    drain = Drain(life, traffic, announce=0, deadline=SHORT)
    drain.begin("SIGTERM")
    assert await run(drain) == 3
    assert drain.cut == 3
    assert traffic.steps == ALL


async def test_websockets_are_told_before_the_deadline_and_may_end_until_it(life: Lifecycle) -> None:
    class Chatting(FakeTraffic):
        def leave_websockets(self) -> None:
            super().leave_websockets()
            self.finish()

    traffic = Chatting(busy=1)
    drain = Drain(life, traffic, announce=0, deadline=2 * SHORT)
    drain.begin("SIGTERM")
    assert await run(drain) == 0


async def test_a_deadline_before_the_end_of_the_announcement_wins(life: Lifecycle) -> None:
    drain = Drain(life, FakeTraffic(busy=1), announce=LONG, deadline=SHORT)
    drain.begin("SIGTERM")
    assert await run(drain) == 1


async def test_hurrying_ends_the_announcement(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=LONG, deadline=LONG)
    drain.begin("SIGTERM")
    drain.hurry()
    assert await run(drain) == 1
    assert traffic.steps == ALL


async def test_hurrying_waits_for_those_who_must_say_what_they_cut(life: Lifecycle) -> None:
    class Slow(FakeTraffic):
        def hurry(self, tell: Callable[[], None]) -> None:
            self.steps.append("hurry")
            self.last_word = tell

    traffic = Slow(busy=1)
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("SIGTERM")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    drain.hurry()
    assert "hurry" in traffic.steps
    await asyncio.sleep(0)
    assert not running.done()
    traffic.last_word()
    assert await running == 1


async def test_those_who_keep_the_deadline_themselves_may_say_so_after_it(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=0, deadline=SHORT, patience=LONG)
    drain.begin("SIGTERM")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    traffic.finish()
    assert await running == 0


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


def test_what_is_in_flight_is_told_by_kind() -> None:
    assert told({"requests": 2, "tunnels": 0, "websockets": 1}) == "2 requests, 1 websocket"
    assert told({"requests": 0, "tunnels": 0, "websockets": 0}) == "nothing"


async def test_each_stage_is_reported_once(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    drain = Drain(life, traffic, announce=0.5, deadline=LONG)
    drain.begin("SIGTERM")
    drain.hurry()
    await run(drain)
    assert traffic.reports == [
        (Stage.ANNOUNCED, "draining (SIGTERM): still accepting for 0.5s, at most 3600s in all", 0),
        (Stage.DRAINING, "no longer accepting; still busy: nothing", 0),
        (Stage.CLOSING, "drained: every request was answered", 0),
    ]


async def test_an_announcement_of_nothing_is_not_told(life: Lifecycle) -> None:
    traffic = FakeTraffic()
    Drain(life, traffic, announce=0.0, deadline=3.0).begin("SIGINT")
    assert traffic.texts == ["draining (SIGINT): at most 3s in all"]


async def test_what_was_cut_is_reported(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=3)
    drain = Drain(life, traffic, announce=0, deadline=SHORT)
    drain.begin("SIGTERM")
    await run(drain)
    assert traffic.reports[-1] == (Stage.CLOSING, "cut off, not finished in time: 3 requests", 3)


async def test_readiness_and_status_say_how_long_each_stage_may_last(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=LONG, deadline=2 * LONG)
    assert drain.standing() == "serving"
    before = drain.snapshot()
    assert (before["stage"], before["announce_left_seconds"], before["deadline_left_seconds"]) == ("none", None, None)

    drain.begin("SIGTERM")
    announced = drain.snapshot()
    assert drain.standing().startswith("draining: announced, still accepting for 3")
    assert (announced["stage"], announced["why"]) == ("announced", "SIGTERM")
    assert 0 < float(str(announced["announce_left_seconds"])) <= LONG
    assert LONG < float(str(announced["deadline_left_seconds"])) <= 2 * LONG
    assert announced["in_flight"] == {"requests": 1, "tunnels": 0, "websockets": 0}

    drain.hurry()
    await run(drain)
    assert drain.standing() == "closing"
    after = drain.snapshot()
    assert (after["stage"], after["deadline_left_seconds"], after["cut"]) == ("closing", None, 1)


async def test_while_it_waits_for_the_busy_it_says_how_long(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=0, deadline=LONG)
    drain.begin("SIGTERM")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    assert drain.standing().startswith("draining: no longer accepting, at most 3")
    told = drain.snapshot()
    assert told["announce_left_seconds"] is None
    assert 0 < float(str(told["deadline_left_seconds"])) <= LONG
    traffic.finish()
    assert await running == 0


async def test_where_a_successor_accepts_idle_connections_have_a_moment_to_be_told(life: Lifecycle) -> None:
    traffic = FakeTraffic(busy=1)
    drain = Drain(life, traffic, announce=LONG, deadline=LONG)
    drain.follow()
    drain.begin("process 7 took over")
    running = asyncio.ensure_future(run(drain))
    await traffic.stopped.wait()
    assert drain.announce == 0.0
    assert traffic.steps == ALL[:3]
    drain.hurry()
    assert await running == 1
    assert traffic.steps == ALL
