"""Every way in which a stand-in misbehaves, as somebody sees it who speaks to it."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import median
from typing import Any

import pytest

from sidecar.drill.backend import StandIn, body_of, drawn
from sidecar.drill.network import Network
from sidecar.drill.record import Ill
from sidecar.drill.scenario import Backend, Step, Takes
from sidecar.drill.stage import VirtualSite
from sidecar.drill.virtual_time import VirtualLoop
from sidecar.model.address import Address

ADDRESS = Address("10.0.0.1", 80)
USUAL = Backend(takes=Takes(median=0.25), answer=100)


class Caller:
    """Speaks to the stand-in, over one connection."""

    def __init__(self, reader: asyncio.StreamReader, transport: asyncio.Transport) -> None:
        self.reader, self.transport = reader, transport

    def ask(self, number: int | None, method: str = "GET", fields: str = "", body: bytes = b"") -> None:
        """Sends a request."""
        told = "" if number is None else f"X-Drill: {number}\r\n"
        self.transport.write(f"{method} / HTTP/1.1\r\nHost: x\r\n{told}{fields}\r\n".encode() + body)

    async def heard(self) -> bytes:
        """All until the end; the name of what ended it where that was no FIN."""
        data = b""
        try:
            while piece := await self.reader.read(65536):
                data += piece
        except ConnectionError as error:
            return data + type(error).__name__.encode()
        return data

    async def answer(self, length: int) -> bytes:
        """An answer whose body has this length."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        return head + await self.reader.readexactly(length)


class Scene:
    """A stand-in, and virtual time."""

    def __init__(self, usual: Backend, checked_by: int = 200) -> None:
        loop: Any = asyncio.get_running_loop()
        self.loop = loop
        self.network: Network = loop.network
        self.epoch: float = loop.time()
        self.callers: list[Caller] = []
        site = VirtualSite(self.network, ADDRESS)
        self.backend = StandIn("app/x", site, usual, random.Random(1), self.epoch, checked_by)
        self.backend.open()

    @property
    def now(self) -> float:
        return round(float(self.loop.time()) - self.epoch, 6)

    async def caller(self) -> Caller:
        """Somebody who is connected."""
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self.loop.create_connection(lambda: protocol, ADDRESS.host, ADDRESS.port)
        self.callers.append(Caller(reader, transport))
        return self.callers[-1]

    def wrong(self, do: Any, **told: Any) -> tuple[Ill, Step]:
        """From now on this goes wrong."""
        step = Step(at=0.0, do=do, **told)
        ill = Ill(self.now, math.inf, do, step.share)
        self.backend.begin(ill, step)
        return ill, step


def lived(life: Callable[[Scene], Awaitable[None]], usual: Backend = USUAL, checked_by: int = 200) -> None:
    async def on_a_loop() -> None:
        scene = Scene(usual, checked_by)
        await life(scene)
        scene.backend.close()
        for caller in scene.callers:
            caller.transport.close()
        await asyncio.sleep(0.1)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(on_a_loop())


def test_a_well_one_answers_after_its_time_each_request_with_its_own_body() -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        for number in (1, 22):
            caller.ask(number)
            answer = await caller.answer(100)
            assert answer.endswith(body_of(number, 100))
            assert b"X-Drill: %d\r\n" % number in answer
        assert scene.now == 0.5
        seen = [(attempt.request, attempt.end, attempt.status) for attempt in scene.backend.attempts]
        assert seen == [(1, "answered", 200), (22, "answered", 200)]
        assert (scene.backend.connections, scene.backend.requests, scene.backend.most) == (1, 2, 1)

    lived(life)


def test_bodies_are_read_and_head_has_none() -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        caller.ask(1, "POST", "Content-Length: 5\r\n", b"hello")
        await caller.answer(100)
        caller.ask(2, "POST", "Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n\r\n")
        await caller.answer(100)
        caller.ask(3, "HEAD")
        assert b"Content-Length: 100" in await caller.answer(0)

    lived(life)


@pytest.mark.parametrize(("checked_by", "length"), [(200, 0), (204, 0), (404, 0)])
def test_a_health_check_gets_the_status_that_contents_it_and_counts_apart(checked_by: int, length: int) -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        caller.ask(None)
        assert (await caller.answer(length)).startswith(b"HTTP/1.1 %d " % checked_by)
        assert (scene.backend.checks, scene.backend.requests, scene.backend.attempts) == (1, 0, [])

    lived(life, checked_by=checked_by)


def test_of_few_places_each_is_taken_in_turn() -> None:
    async def life(scene: Scene) -> None:
        callers = [await scene.caller() for _ in range(3)]
        for number, caller in enumerate(callers):
            caller.ask(number)
        ends = []
        for caller in callers:
            await caller.answer(100)
            ends.append(scene.now)
        assert ends == [0.25, 0.5, 0.75]
        assert scene.backend.most == 3

    lived(life, replace(USUAL, places=1))


def test_who_left_keeps_a_place_that_it_has_and_waits_for_none() -> None:
    async def life(scene: Scene) -> None:
        first, second, third = [await scene.caller() for _ in range(3)]
        for number, caller in enumerate((first, second, third)):
            caller.ask(number)
        await asyncio.sleep(0.1)
        first.transport.close()
        second.transport.close()
        await third.answer(100)
        assert scene.now == 0.5
        assert scene.backend.aborted == 2

    lived(life, replace(USUAL, places=1))


def test_refusing_refuses_the_new_and_serves_the_old() -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        wrong = scene.wrong("refuse")
        with pytest.raises(ConnectionRefusedError):
            await scene.caller()
        caller.ask(1)
        await caller.answer(100)
        scene.backend.end(*wrong)
        await scene.caller()
        assert scene.backend.refused == 1

    lived(life)


@pytest.mark.parametrize("do", ["die", "flap"])
def test_dying_resets_what_is_under_way(do: str) -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        caller.ask(1)
        await asyncio.sleep(0.1)
        scene.wrong(do)
        assert await caller.heard() == b"ConnectionResetError"
        with pytest.raises(ConnectionRefusedError):
            await scene.caller()
        (attempt,) = scene.backend.attempts
        assert (attempt.end, attempt.whole) == ("killed", True)

    lived(life)


def test_a_restart_ends_what_is_under_way_and_no_more() -> None:
    async def life(scene: Scene) -> None:
        idle, busy = await scene.caller(), await scene.caller()
        busy.ask(1)
        await asyncio.sleep(0.1)
        wrong = scene.wrong("restart", lasting=5.0)
        assert await idle.heard() == b""
        answer = await busy.heard()
        assert b"Connection: close" in answer
        assert answer.endswith(body_of(1, 100))
        with pytest.raises(ConnectionRefusedError):
            await scene.caller()
        scene.backend.end(*wrong)
        caller = await scene.caller()
        caller.ask(2)
        assert b"Connection: close" not in await caller.answer(100)

    lived(life)


def test_the_unreachable_hears_and_says_nothing_until_it_is_back() -> None:
    async def life(scene: Scene) -> None:
        working, silent = await scene.caller(), await scene.caller()
        working.ask(1)
        await asyncio.sleep(0.1)
        wrong = scene.wrong("unreachable")
        silent.ask(2)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.0):
                await scene.caller()
        scene.loop.call_later(4.0, scene.backend.end, *wrong)
        await working.answer(100)
        assert scene.now == 5.1
        await silent.answer(100)
        assert scene.now == 5.35

    lived(life)


def test_two_troubles_at_once_end_one_by_one() -> None:
    async def life(scene: Scene) -> None:
        first, second = scene.wrong("refuse"), scene.wrong("die")
        scene.backend.end(*first)
        with pytest.raises(ConnectionRefusedError):
            await scene.caller()
        scene.backend.end(*second)
        await scene.caller()

    lived(life)


def test_a_reset_breaks_an_answer_in_the_middle() -> None:
    async def life(scene: Scene) -> None:
        scene.wrong("reset")
        caller = await scene.caller()
        caller.ask(1)
        heard = await caller.heard()
        assert heard.startswith(b"HTTP/1.1 200 OK")
        assert heard.endswith(b"ConnectionResetError")
        assert scene.backend.attempts[0].end == "reset"

    lived(life)


def test_a_truncated_answer_ends_as_if_it_were_whole() -> None:
    async def life(scene: Scene) -> None:
        scene.wrong("truncate")
        caller = await scene.caller()
        caller.ask(1)
        head, _, body = (await caller.heard()).partition(b"\r\n\r\n")
        assert b"Content-Length: 100" in head
        assert 0 < len(body) < 100
        assert body_of(1, 100).startswith(body)
        assert scene.backend.attempts[0].end == "truncated"

    lived(life)


def test_garbage_is_no_http() -> None:
    async def life(scene: Scene) -> None:
        scene.wrong("garbage")
        caller = await scene.caller()
        caller.ask(1)
        assert b"HTTP/" not in (await caller.heard())[:5]
        assert scene.backend.attempts[0].end == "garbage"

    lived(life)


def test_a_stalled_request_is_never_answered_not_even_afterwards() -> None:
    async def life(scene: Scene) -> None:
        wrong = scene.wrong("stall")
        caller = await scene.caller()
        caller.ask(1)
        await asyncio.sleep(1.0)
        scene.backend.end(*wrong)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await caller.heard()
        caller.transport.close()
        await asyncio.sleep(0.1)
        assert scene.backend.attempts[0].end == "stalled"

    lived(life)


def test_failing_answers_the_status_to_its_share_of_requests() -> None:
    async def life(scene: Scene) -> None:
        scene.wrong("fail", status=502, share=0.3)
        caller = await scene.caller()
        for number in range(200):
            caller.ask(number)
            head = await caller.reader.readuntil(b"\r\n\r\n")
            if b" 502 " in head:
                assert b"Content-Length: 0" in head
            else:
                await caller.reader.readexactly(100)
        failed = [attempt for attempt in scene.backend.attempts if attempt.end == "failed"]
        assert {attempt.status for attempt in failed} == {502}
        assert 30 < len(failed) < 90

    lived(life)


@pytest.mark.parametrize(("told", "seconds"), [({"factor": 4.0}, 1.0), ({"takes": Takes(median=3.0)}, 3.0)])
def test_a_slow_one_takes_its_time(told: dict[str, Any], seconds: float) -> None:
    async def life(scene: Scene) -> None:
        wrong = scene.wrong("slow", **told)
        caller = await scene.caller()
        caller.ask(1)
        await caller.answer(100)
        assert scene.now == seconds
        scene.backend.end(*wrong)
        caller.ask(2)
        await caller.answer(100)
        assert scene.now == seconds + 0.25

    lived(life)


def test_times_are_drawn_so_that_median_and_p99_are_as_they_are_told() -> None:
    rng = random.Random(5)
    times = sorted(drawn(Takes(median=0.02, p99=0.2), rng) for _ in range(20_000))
    assert median(times) == pytest.approx(0.02, rel=0.05)
    assert times[19_800] == pytest.approx(0.2, rel=0.1)
    assert drawn(Takes(median=0.02), rng) == 0.02


def test_a_request_that_is_cut_short_was_not_whole() -> None:
    async def life(scene: Scene) -> None:
        caller = await scene.caller()
        caller.ask(1, "POST", "Content-Length: 5\r\n", b"he")
        await asyncio.sleep(0.1)
        caller.transport.close()
        await asyncio.sleep(0.1)
        (attempt,) = scene.backend.attempts
        assert (attempt.end, attempt.whole) == ("aborted", False)

    lived(life)
